"""Hands are followed from frame to frame: one that moves, leaves and comes back, two that keep their sides, a cut."""

from __future__ import annotations

import numpy as np
import pytest

from handsss.detect.tracking import HandTracker
from tests.film_files import moving_photo

pytest.importorskip("av")
SIZE = (400, 300)
STEP = 1 / 25


def run(tracker: HandTracker, frames: list[np.ndarray], begin: float = 0.0) -> list[list[int]]:
    """Numbers of the tracks in each frame."""
    return [[one.track for one in tracker(frame, begin + k * STEP)] for k, frame in enumerate(frames)]


def test_a_hand_that_moves_is_one_track_and_keeps_its_side() -> None:
    frames = moving_photo("palm.jpg", [(0.06 * k, 0.3) for k in range(8)], SIZE, 220)
    tracker = HandTracker(1)
    seen = [tracker(frame, k * STEP)[0] for k, frame in enumerate(frames)]
    assert {one.track for one in seen} == {0}
    middles = np.array([one.hand.points.mean(0) for one in seen])
    assert (np.diff(middles[:, 0]) > 2).all() and np.ptp(middles[:, 1]) < 8
    assert len({one.hand.right >= 0.5 for one in seen}) == 1
    assert all(one.hand.world.shape == (21, 3) and one.hand.presence > 0.5 for one in seen)


def test_a_hand_that_leaves_comes_back_as_itself() -> None:
    here = moving_photo("palm.jpg", [(0.3, 0.5)] * 3, SIZE, 160)
    away = [np.full_like(here[0], 128)] * 3
    tracker = HandTracker(1, thorough=100.0)
    tracks = run(tracker, [*here, *away, *here])
    assert tracks[:3] == [[0]] * 3 and tracks[3:6] == [[]] * 3 and tracks[6:] == [[0]] * 3
    assert tracker.cuts == []


def test_a_cut_begins_a_new_track() -> None:
    one = moving_photo("palm.jpg", [(0.2, 0.5)] * 3, SIZE, 260)
    rng = np.random.default_rng(0)
    other = [np.where(frame == 128, rng.integers(0, 255, frame.shape, dtype=np.uint8), frame) for frame in one]
    tracker = HandTracker(1, thorough=100.0)
    tracks = run(tracker, [*one, *other])
    assert tracker.cuts == [pytest.approx(3 * STEP)]
    assert tracks[:3] == [[0]] * 3 and all(0 not in own for own in tracks[3:])


def test_two_hands_are_two_tracks() -> None:
    photo = moving_photo("palm.jpg", [(0.0, 0.5)] * 3, SIZE, 190)
    frames = [np.concatenate([frame[:, :200], frame[:, :200][:, ::-1]], 1) for frame in photo]
    tracker = HandTracker(None, thorough=100.0)
    seen = [tracker(frame, k * STEP) for k, frame in enumerate(frames)]
    assert [sorted(one.track for one in own) for own in seen] == [[0, 1]] * 3
    sides = {one.track: one.hand.right >= 0.5 for one in seen[-1]}
    assert sides[0] != sides[1]


def test_it_goes_on_where_it_stopped() -> None:
    frames = moving_photo("palm.jpg", [(0.05 * k, 0.3) for k in range(4)], SIZE, 220)
    tracker = HandTracker(1)
    for k in range(2):
        seen = tracker(frames[k], k * STEP)
    later = HandTracker(1)
    later.resume(seen, {0: 5.0}, STEP, 1)
    assert run(later, frames[2:], 2 * STEP) == [[0], [0]]
    assert later.tracks == 1
