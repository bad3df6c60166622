"""Cutting squares out of pictures: the fast kernel for small pictures against the plain one."""

from __future__ import annotations

import numpy as np
import pytest

from handsss.geometry import window as module
from handsss.geometry.window import _warp, _warp_small, warp


def turned(scale: float, degrees: float, x: float, y: float) -> np.ndarray:
    cosine, sine = scale * np.cos(np.deg2rad(degrees)), scale * np.sin(np.deg2rad(degrees))
    return np.array([[cosine, -sine, x], [sine, cosine, y]])


@pytest.mark.parametrize("repeat", [True, False])
@pytest.mark.parametrize("samples", [1, 2, 3])
@pytest.mark.parametrize(
    "matrix",
    [
        turned(1, 0, 0, 0),
        turned(0.4, 30, 5, 8),
        turned(1.7, 130, 20, -4),  # beyond all edges
        turned(1, 0, -200, 7),  # beside the picture
        turned(0.5, 0, -0.25, 29.75),  # along its edges
    ],
)
def test_small_pictures_as_all(matrix: np.ndarray, samples: int, repeat: bool) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (30, 41, 3), dtype=np.uint8)
    plain, fast = np.empty((24, 24, 3), np.float32), np.full((24, 24, 3), np.nan, np.float32)
    _warp(picture, matrix, 24, samples, repeat, plain)
    _warp_small(picture, matrix, 24, samples, repeat, fast)
    np.testing.assert_allclose(fast, plain, atol=2e-6)


@pytest.mark.parametrize("shape", [(1, 50), (50, 1), (1, 1), (2, 2)])
def test_lines_of_pixels(shape: tuple[int, int]) -> None:
    picture = np.full((*shape, 3), 200, np.uint8)
    made = warp(picture, turned(0.2, 15, 0, 0), 8, repeat=True)
    np.testing.assert_allclose(made, 200 / 255, atol=1e-6)


def test_which_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """A photo of which little is looked at is not copied."""
    used: list[str] = []
    for name in ("_warp", "_warp_small"):
        monkeypatch.setattr(module, name, lambda *inputs, name=name: used.append(name))
    for side in (60, 61):
        warp(np.zeros((side, side, 3), np.uint8), turned(0.5, 0, 0, 0), 30, repeat=True)
    assert used == ["_warp_small", "_warp"]
