"""Texture atlases: which part of the surface each texel shows, and what fills the space between the charts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage
from scipy.sparse import csr_matrix

from handsss.rendering.pipeline import rasterise

_BORDER = 4  # texels around the charts that repeat the nearest one: texture filters reach so far


class Texels(NamedTuple):
    """Which surface point each texel shows."""

    inside: np.ndarray  # [h, w] bool
    face: np.ndarray  # [N] for the texels inside, row-major
    barycentric: np.ndarray  # [N, 3]
    nearest: np.ndarray  # [2, h, w] indices of the closest texel inside: padding around the charts

    def blend(self, faces: np.ndarray, count: int) -> csr_matrix:
        """[N, count] that takes values at vertices to the texels inside; faces [F, 3] are the mesh's."""
        rows = np.arange(0, 3 * len(self.face) + 1, 3)
        return csr_matrix(
            (self.barycentric.ravel(), faces[self.face].ravel(), rows), shape=(len(self.face), count), copy=False
        )


def texels(uv: np.ndarray, uv_faces: np.ndarray, size: int) -> Texels:
    """Rasterise the texture's charts: the surface at depth 1 under a camera that leaves pixels as they are."""
    points = np.stack([uv[:, 0] * size, (1 - uv[:, 1]) * size, np.ones(len(uv))], 1)
    fragments = rasterise(
        torch.as_tensor(points, dtype=torch.float32)[None],
        torch.as_tensor(uv_faces.astype(np.int64)),
        torch.eye(3),
        (size, size),
    )
    face = fragments.face_id[0].numpy()
    inside = face >= 0
    nearest = ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
    return Texels(inside, face[inside].astype(np.int64), fragments.barycentric[0].numpy()[inside], nearest)


def fill_between(pixels: np.ndarray, atlas: Texels) -> np.ndarray:
    """Fill the space between the charts: the nearest texel beside them, smooth colours farther away.

    The smooth part is pull-push interpolation (Gortler et al. 1996): averages over ever larger squares.

    Args:
        pixels: [h, w, C] colours; what lies outside the charts is ignored.

    Returns:
        [h, w, C].
    """
    near = pixels[atlas.nearest[0], atlas.nearest[1]]
    rows, columns = np.indices(atlas.inside.shape)
    distance = np.maximum(np.abs(atlas.nearest[0] - rows), np.abs(atlas.nearest[1] - columns))
    known = (distance <= _BORDER).astype(pixels.dtype)[..., None]
    return known * near + (1 - known) * _pull_push(near * known, known)


def _pull_push(colours: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Colours [h, w, C] everywhere, from ones that are multiplied by their weight [h, w, 1]."""
    mean: np.ndarray = colours / np.maximum(weight, 1e-6)
    height, width = weight.shape[:2]
    if max(height, width) == 1:
        return mean
    odd = ((0, height % 2), (0, width % 2), (0, 0))
    half = [
        np.pad(one, odd).reshape((height + 1) // 2, 2, (width + 1) // 2, 2, -1).mean((1, 3))
        for one in (colours, weight)
    ]
    full = np.minimum(4 * half[1], 1)  # one known texel of four is enough
    coarse = _pull_push(half[0] / np.maximum(half[1], 1e-6) * full, full)
    fine = ndimage.zoom(coarse, (2, 2, 1), order=1, mode="nearest", grid_mode=True)[:height, :width]
    return weight * mean + (1 - weight) * fine
