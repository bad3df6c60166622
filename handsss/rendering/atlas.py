"""Texture atlases: which part of the surface each texel shows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage
from scipy.sparse import csr_matrix

from handsss.rendering.pipeline import rasterise


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
