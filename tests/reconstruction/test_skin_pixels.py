"""Which pixels under the mesh show skin."""

from __future__ import annotations

import numpy as np
import pytest

from handsss.reconstruction.skin_pixels import chromaticity, without_background

SKIN, WALL, RED = (0.70, 0.48, 0.38), (0.62, 0.60, 0.57), (0.75, 0.10, 0.15)


@pytest.fixture
def inside() -> np.ndarray:
    covered = np.zeros((120, 100), dtype=bool)
    covered[10:110, 25:75] = True  # the mesh
    return covered


def photo(hand: np.ndarray, *, skin: tuple[float, ...] = SKIN) -> np.ndarray:
    """A hand before a wall, lit from one side, with noise."""
    image = np.where(hand[..., None], np.array(skin), np.array(WALL))
    shaded = image * np.linspace(0.6, 1.2, hand.shape[1])[None, :, None]
    return np.clip(shaded + np.random.default_rng(0).normal(0, 0.01, image.shape), 0, 1)


def test_the_wall_under_the_mesh_is_no_skin(inside: np.ndarray) -> None:
    hand = inside.copy()
    hand[90:] = False  # the wrist of the mesh lies on the wall
    weights = without_background(photo(hand), inside, inside.astype(float))
    assert weights[92:110, 25:75].max() == 0
    assert weights[20:85, 28:72].min() == 1
    assert ((weights >= 0) & (weights <= 1)).all()


def test_a_fit_inside_the_hand_loses_nothing(inside: np.ndarray) -> None:
    hand = np.pad(inside, 5)[2:-8, 5:-5] | inside
    skin = inside.astype(float)
    np.testing.assert_array_equal(without_background(photo(hand), inside, skin), skin)


@pytest.mark.parametrize("rows", [slice(50, 60), slice(10, 18)])
def test_nails_and_rings_remain(inside: np.ndarray, rows: slice) -> None:
    """Inside the hand, and at its outline before a wall of another colour."""
    image = photo(inside)
    image[rows, 45:58] = RED
    weights = without_background(image, inside, inside.astype(float))
    assert weights[rows, 45:58].min() == 1


def test_too_small_a_hand_is_left_as_it_is() -> None:
    tiny = np.zeros((30, 30), dtype=bool)
    tiny[10:14, 10:14] = True
    np.testing.assert_array_equal(without_background(photo(tiny), tiny, tiny * 1.0), tiny * 1.0)


def test_light_of_another_strength_leaves_chromaticity() -> None:
    np.testing.assert_allclose(chromaticity(np.array(SKIN)), chromaticity(0.5 * np.array(SKIN)), atol=0.06)
    assert np.abs(chromaticity(np.array(SKIN)) - chromaticity(np.array(WALL))).max() > 0.2
