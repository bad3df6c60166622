"""Hands followed through a film: the landmark network looks where each hand was in the frame before, and palms are
looked for only where a hand is missing."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from handsss.detect import landmarks, palms
from handsss.detect.detector import HandDetector, inside_picture, same_hand
from handsss.detect.landmarks import LandmarkReader, Landmarks
from handsss.detect.palms import PalmDetector
from handsss.detect.sweep import certainty
from handsss.geometry.window import Window

LOST = 0.5  # presence below which a hand is not where it was
_COLLAPSED = 0.5  # of its size of late: such a reading is none of the hand
_FOUND = 0.6  # presence from which a palm is a hand
_PALM = 0.5  # least score of a palm
_SURE_SIDE = 2.0  # log odds of a track's side, or of a reading's, that count as sure
_VOTE = 3.0  # most log odds of one reading
_REACH = 2.5  # hand sizes a second, and one more, within which a hand that was lost is the one that comes back
_FORGET = 10.0  # seconds after which a lost hand that comes back is another one
_CUT = 0.35  # change of the picture (see _change) that a cut has at least
_CUT_RATIO = 4.0  # times the usual change
_PATIENCE = 3.0  # seconds for which a lost hand is looked for where it was
_THUMB = 32  # px: side of the picture that changes are seen in


class Sighting(NamedTuple):
    """A tracked hand in one frame."""

    track: int
    hand: Landmarks


@dataclass
class _Track:
    number: int
    hand: Landmarks  # last seen
    seconds: float
    votes: float = 0.0  # log odds of a right hand
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))  # px/s of its middle
    frames: int = 0
    size: float = 0.0  # px, of late; readings that collapse before a hand is lost hardly change it

    def expected(self, seconds: float) -> np.ndarray:
        """[2] px: where its middle will be."""
        ahead = min(seconds - self.seconds, 0.2)
        moved: np.ndarray = self.hand.points.mean(0) + ahead * self.velocity
        return moved


class HandTracker:
    """Tracks hands from frame to frame.

    Args:
        max_hands: that are followed at once; None: all.
        threads: per network.
        search: seconds between looks for further hands, where fewer than ``max_hands`` are followed.
        thorough: seconds between thorough searches (tiles, turns, sweeps) while no hand is seen.
    """

    def __init__(
        self, max_hands: int | None = None, *, threads: int = 1, search: float = 0.4, thorough: float = 2.0
    ) -> None:
        self.max_hands, self._search, self._thorough = max_hands, search, thorough
        self._palms = PalmDetector(threads)
        self._reader = LandmarkReader(threads, at_once=min(2, os.cpu_count() or 1))
        self._detector = HandDetector(threads, thorough=max_hands is None)
        self.active: list[_Track] = []
        self.lost: list[_Track] = []
        self.tracks = 0  # so far
        self.cuts: list[float] = []  # seconds
        self._frame = 0
        self._last_search = self._last_thorough = -np.inf
        self._thumb: np.ndarray | None = None
        self._usual = 0.0

    def __call__(self, image: np.ndarray, seconds: float) -> list[Sighting]:
        """The hands of the next frame.

        Args:
            image: [H, W, 3] uint8 RGB; all frames of one size.
            seconds: in the film, more than of the frame before.
        """
        if self._is_cut(image):
            self.cuts.append(seconds)
            self.active, self.lost = [], []
            self._last_search = self._last_thorough = -np.inf
        self._frame += 1
        for track in list(self.active):
            self._follow(track, image, seconds)
        self._part_duplicates()
        if self._room() and (self.missing(seconds) or seconds - self._last_search >= self._search):
            self._last_search = seconds
            self._look(image, seconds)
        self.lost = [track for track in self.lost if seconds - track.seconds <= _FORGET]
        return [Sighting(track.number, track.hand) for track in self.active]

    def missing(self, seconds: float) -> bool:
        """Whether palms are worth a look at once: nothing is followed, or a hand was lost just now."""
        return not self.active or any(seconds - track.seconds < _PATIENCE for track in self.lost)

    def resume(self, sightings: list[Sighting], sides: dict[int, float], seconds: float, tracks: int) -> None:
        """Go on after a frame.

        Args:
            sightings: of that frame.
            sides: log odds of a right hand of each track.
            seconds: of that frame.
            tracks: that there were so far.
        """
        self.tracks = tracks
        self.active = [
            _Track(one.track, one.hand, seconds, sides.get(one.track, 0.0), size=_size(one.hand)) for one in sightings
        ]

    def _room(self) -> bool:
        return self.max_hands is None or len(self.active) < self.max_hands

    def _follow(self, track: _Track, image: np.ndarray, seconds: float) -> None:
        """Read a hand where it was; lost where it is not, or where the reading is the other hand's."""
        hand = self._reader.read_twice(image, track.hand.points, self._frame)
        jumped = len(self.active) > 1 and abs(track.votes) >= 2 * _SURE_SIDE and _log_odds(hand) * track.votes < 0
        jumped = jumped and abs(_log_odds(hand)) >= _SURE_SIDE
        size = _size(hand)
        if hand.presence < LOST or jumped or not inside_picture(hand, image) or size < _COLLAPSED * track.size:
            self._lose(track)
        else:
            self._update(track, hand, seconds)

    def _update(self, track: _Track, hand: Landmarks, seconds: float) -> None:
        elapsed = seconds - track.seconds
        if 0 < elapsed < 0.5:
            track.velocity = (hand.points.mean(0) - track.hand.points.mean(0)) / elapsed
        track.hand, track.seconds, track.frames = hand, seconds, track.frames + 1
        track.size = _size(hand) if track.size <= 0 or elapsed > 0.5 else 0.85 * track.size + 0.15 * _size(hand)
        track.votes += hand.presence * _log_odds(hand)

    def _lose(self, track: _Track) -> None:
        self.active.remove(track)
        self.lost.append(track)

    def _part_duplicates(self) -> None:
        """Two tracks on one hand: the one stays whose side the hand is, or, of one side, the older."""
        for first in list(self.active):
            for second in list(self.active):
                if first.number >= second.number or second not in self.active or first not in self.active:
                    continue
                if same_hand(first.hand, second.hand):
                    odds = _log_odds(first.hand)
                    fits = odds * (np.tanh(first.votes) - np.tanh(second.votes))
                    self._lose(second if fits > -0.5 else first)

    def _look(self, image: np.ndarray, seconds: float) -> None:
        """Look for palms, and around the places where hands were lost."""
        height, width = image.shape[:2]
        windows = [Window.around_picture(width, height, palms.SIZE)]
        windows += [
            Window.square(track.expected(seconds), 3.0 * track.size, palms.SIZE)
            for track in self.lost
            if seconds - track.seconds < 1.0 and 3.0 * track.size < 0.7 * max(width, height)
        ]
        # Palms that the palm network misses may be read where they were.
        recent = [track for track in self.lost if seconds - track.seconds < _PATIENCE]
        found = [self._reader.read_twice(image, track.hand.points, self._frame) for track in recent]
        for window in windows:
            for palm in self._palms(image, window, _PALM):
                first = self._reader.read(image, palm.region(landmarks.SIZE))
                if first.presence >= 0.3:
                    found.append(self._reader.predict_with_tta(image, first.points))
        found = [hand for hand in found if hand.presence >= _FOUND and inside_picture(hand, image)]
        if not found and not self.active and seconds - self._last_thorough >= self._thorough:
            self._last_thorough = seconds
            found = self._detector.find(image, max_hands=self.max_hands)
        for hand in sorted(found, key=lambda hand: -certainty(hand)):
            if self._room() and not any(same_hand(hand, track.hand) for track in self.active):
                self._add(hand, seconds)

    def _add(self, hand: Landmarks, seconds: float) -> None:
        """A hand that was found: one that was lost comes back, or a new track."""
        costs = [self._apart(track, hand, seconds) for track in self.lost]
        if costs and min(costs) <= 1.0:
            track = self.lost.pop(int(np.argmin(costs)))
            self.active.append(track)
        else:
            track = _Track(self.tracks, hand, seconds)
            self.tracks += 1
            self.active.append(track)
        self._update(track, hand, seconds)

    def _apart(self, track: _Track, hand: Landmarks, seconds: float) -> float:
        """How unlike a lost hand a found one is: up to 1 it is the same."""
        if _log_odds(hand) * track.votes < 0 and min(abs(_log_odds(hand)), abs(track.votes)) >= _SURE_SIDE:
            return np.inf
        size = _size(hand)
        grown = abs(np.log(size / max(track.size, 1.0)))
        elapsed = seconds - track.seconds
        reach = (1.0 + _REACH * elapsed) * max(size, track.size)
        away = float(np.linalg.norm(hand.points.mean(0) - track.expected(seconds))) / reach
        return max(away, grown / (0.7 + 0.3 * elapsed))

    def _is_cut(self, image: np.ndarray) -> bool:
        """Whether another scene begins: the whole picture changes far more than it usually does."""
        height, width = image.shape[:2]
        rows, columns = np.arange(_THUMB) * height // _THUMB, np.arange(_THUMB) * width // _THUMB
        thumb = image[np.ix_(rows, columns)].astype(np.float32) / 255
        before, self._thumb = self._thumb, thumb
        if before is None:
            return False
        change = _change(before, thumb)
        cut = change > max(_CUT, _CUT_RATIO * self._usual)
        if not cut:
            self._usual = 0.9 * self._usual + 0.1 * change
        return cut


def _change(before: np.ndarray, after: np.ndarray) -> float:
    """0..1: how little two small pictures [S, S, 3] have in common, by their colours wherever those are: the share of
    the histogram that differs."""
    levels = 6
    counts = []
    for picture in (before, after):
        bins = np.minimum((picture * levels).astype(int), levels - 1).reshape(-1, 3)
        index = (bins[:, 0] * levels + bins[:, 1]) * levels + bins[:, 2]
        counts.append(np.bincount(index, minlength=levels**3) / len(index))
    histogram = 0.5 * float(np.abs(counts[0] - counts[1]).sum())
    pixels = float(np.minimum(np.abs(before - after).mean(-1) * 4, 1).mean())
    return min(histogram, 2 * pixels)


def _size(hand: Landmarks) -> float:
    """The longer side of the hand's box, px."""
    return float(np.ptp(hand.points, axis=0).max())


def log_odds(right: float, least: float) -> float:
    """Of a right hand, by its probability, which counts as ``least`` from 0 and 1 at the nearest."""
    kept = float(np.clip(right, least, 1 - least))
    return float(np.log(kept / (1 - kept)))


def mean_probability(odds: float, weight: float) -> float:
    """Of a right hand, by log odds of this sum and weights of that one."""
    return float(1 / (1 + np.exp(-odds / max(weight, 1e-9))))


def _log_odds(hand: Landmarks) -> float:
    """One reading's."""
    return float(np.clip(log_odds(hand.right, 1e-3), -_VOTE, _VOTE))
