"""Meshes over photos at the photos' own size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from handsss.visualize.overlay import overlay
from handsss.visualize.skeleton import ERROR_COLOURS, error_colours
from tests.conftest import MakeHand

GREY = np.full((240, 320, 3), 128, np.uint8)


def changed(picture: np.ndarray) -> np.ndarray:
    return (picture != GREY).any(2)


def test_the_mesh_covers_where_its_vertices_are_seen(make_hand: MakeHand) -> None:
    hand = make_hand("left", size=(320, 240))
    picture = overlay(GREY, [hand])
    assert picture.shape == GREY.shape
    assert picture.dtype == np.uint8
    pixels = hand.vertices[:, :2] / hand.vertices[:, 2:] @ hand.intrinsics[:2, :2].T + hand.intrinsics[:2, 2]
    columns, rows = np.floor(pixels).astype(int).T
    assert changed(picture)[rows, columns].mean() > 0.9
    low, high = pixels.min(0) - 2, pixels.max(0) + 2
    drawn = np.argwhere(changed(picture))[:, ::-1]
    assert ((drawn >= low - 1) & (drawn <= high)).all()
    assert (GREY == 128).all()  # the photo itself stays as it is


def test_opacity_zero_shows_the_photo_and_one_hides_it(make_hand: MakeHand) -> None:
    hand = make_hand("right", size=(320, 240))
    np.testing.assert_array_equal(overlay(GREY, [hand], opacity=0), GREY)
    noise = np.random.default_rng(0).integers(0, 255, GREY.shape, dtype=np.uint8)
    inside = changed(overlay(GREY, [hand], opacity=1))
    alike = (overlay(noise, [hand], opacity=1) == overlay(GREY, [hand], opacity=1)).all(2)
    assert alike[inside].mean() > 0.9  # all but the antialiased outline


def test_the_near_hand_covers_the_far_one(make_hand: MakeHand) -> None:
    far, near = make_hand("right", size=(320, 240), depth=0.9), make_hand("right", size=(320, 240), depth=0.45)
    black = replace(near, vertex_colours=np.zeros_like(near.vertex_colours), texture=None)
    white = replace(far, vertex_colours=np.ones_like(far.vertex_colours), texture=None)
    pictures = [overlay(GREY, hands, textured=True, opacity=1) for hands in ([black, white], [white, black])]
    np.testing.assert_array_equal(*pictures)
    covered = changed(overlay(GREY, [black], textured=True, opacity=1))
    assert pictures[0][covered].max(1).min() == 0
    assert (pictures[0][covered].max(1) < 10).mean() > 0.9


def test_skeletons_and_hands_outside_the_photo(make_hand: MakeHand) -> None:
    hand = make_hand("right", size=(320, 240))
    with_bones = overlay(GREY, [hand], skeleton=True)
    wrist = np.floor(hand.joints_2d[0]).astype(int)
    assert with_bones[wrist[1], wrist[0]].min() > 200  # its dot
    aside = replace(hand, vertices=hand.vertices + [5.0, 0, 0], joints_2d=hand.joints_2d + [5000, 0])
    np.testing.assert_array_equal(overlay(GREY, [aside], skeleton=True), GREY)
    behind = replace(hand, vertices=hand.vertices - [0, 0, 1.0])
    np.testing.assert_array_equal(overlay(GREY, [behind]), GREY)
    np.testing.assert_array_equal(overlay(GREY, []), GREY)


def test_mistakes_are_told(make_hand: MakeHand) -> None:
    with pytest.raises(ValueError, match=r"expected an RGB image \[H, W, 3\] uint8, got float64 \[4, 4, 3\]"):
        overlay(np.zeros((4, 4, 3)), [])
    with pytest.raises(ValueError, match="opacity: expected 0 to 1, got 2"):
        overlay(GREY, [], opacity=2)


def test_joints_have_the_colours_of_their_expected_errors(make_hand: MakeHand) -> None:
    hand = replace(make_hand("right", size=(320, 240)), expected_joint_errors=np.full(21, 3.0))
    hand.expected_joint_errors[8] = 40.0  # the tip of the index finger
    picture = overlay(GREY, [hand], skeleton=True, opacity=0)
    for joint, colour in ((8, ERROR_COLOURS[-1]), (12, ERROR_COLOURS[0])):
        x, y = np.floor(hand.joints_2d[joint]).astype(int)
        assert np.abs(picture[y, x].astype(int) - colour).max() < 60
    green, middle, red = error_colours(np.array([0.0, 7.5, 90.0]))
    assert (green, red) == (ERROR_COLOURS[0], ERROR_COLOURS[-1])
    assert middle == (148, 207, 60)
