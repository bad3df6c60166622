"""Smooth random fields: over space for surfaces, over the plane for pictures."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def space_noise(points: np.ndarray, cell: float, rng: np.random.Generator, octaves: int = 1) -> np.ndarray:
    """Smooth noise at points of space, without seams: about -1..1, smooth over ``cell``.

    Args:
        points: [N, 3] metres.
        cell: of the random lattice, metres; halved for each further octave, which counts half.
        rng: decides.
        octaves: how many.
    """
    columns = np.ascontiguousarray(points.T)  # numpy reduces rows of three slowly
    least, most = columns.min(1), columns.max(1)
    total = np.zeros(len(points))
    weight = 1.0
    for _ in range(octaves):
        low = least - cell
        lattice = rng.uniform(-1, 1, np.ceil((most - low) / cell).astype(int) + 3)
        total += weight * ndimage.map_coordinates(lattice, (columns - low[:, None]) / cell, order=1, mode="nearest")
        cell, weight = cell / 2, weight / 2
    return total


def plane_noise(height: int, width: int, cells: int, rng: np.random.Generator) -> np.ndarray:
    """A smooth random picture [height, width], about -1..1, with so many cells over its longer side."""
    longer = max(height, width)
    shape = (max(2, round(cells * height / longer) + 3), max(2, round(cells * width / longer) + 3))
    coarse = rng.uniform(-1, 1, shape)
    rows = np.linspace(1, shape[0] - 2, height)
    columns = np.linspace(1, shape[1] - 2, width)
    grid = np.meshgrid(rows, columns, indexing="ij")
    result: np.ndarray = ndimage.map_coordinates(coarse, grid, order=3, mode="nearest")
    return result
