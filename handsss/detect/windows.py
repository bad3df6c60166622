"""Where the detector looks: square windows of a picture, from the whole of it to small tiles."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handsss.detect import palms
from handsss.geometry.window import Window

_LEAST_TILE = 64.0  # px: smaller tiles of a small picture show nothing
_LEAST_FINE_TILE = 400.0  # px of the photo: hands that need smaller tiles are too small to read
_FINE_PARTS = (5, 8)  # of the longer side


def turned(whole: Window) -> Iterator[Window]:
    """The picture with a border (for hands that fill it), and turned by quarters (palms that point down are missed)."""
    yield whole
    yield whole.turned(0.0, enlarged=1.6)
    for angle in (np.pi / 2, -np.pi / 2, np.pi):
        yield whole.turned(angle)
        yield whole.turned(angle, enlarged=1.6)


def tiles(width: int, height: int) -> Iterator[Window]:
    """Tiles of a half and a third of the longer side, which overlap by half: for small hands."""
    for part in (2, 3):
        side = max(width, height) / part
        if side < _LEAST_TILE:
            return
        yield from _grid(width, height, side, 0.5)


def fine_tiles(width: int, height: int) -> Iterator[Window]:
    """Tiles of a fifth and an eighth of a large photo's longer side, which overlap by a third. They are bounded in
    number (150 of a 4:3 photo, 220 of a square one), whatever the photo's size."""
    for part in _FINE_PARTS:
        side = max(width, height) / part
        if side >= _LEAST_FINE_TILE:
            yield from _grid(width, height, side, 1 / 3)


def _grid(width: int, height: int, side: float, overlap: float) -> Iterator[Window]:
    columns = starts(width, side, overlap)
    for y in starts(height, side, overlap):
        for x in columns:
            yield Window.square(np.array([x, y]) + side / 2, side, palms.SIZE)


def starts(length: int, side: float, overlap: float) -> np.ndarray:
    """Where tiles begin so that they overlap by about a share of their side and cover the length."""
    if length <= side:
        return np.array([(length - side) / 2])
    count = int(np.ceil((length - side) / ((1 - overlap) * side))) + 1
    return np.linspace(0, length - side, count)
