"""Texture coordinates of the hand alone: the body's charts, enlarged to fill the picture."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

_MARGIN = 0.01
_STRIP = 0.06  # width at the right for the small charts


def repack(uv: np.ndarray, uv_faces: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """The largest chart fills the picture but for a strip at the right, in which the others stand, one over another,
    at the same texels per millimetre (or what fits).

    Args:
        uv: [T, 2] of the body.
        uv_faces: [F, 3].
        vertices: [V, 3] metres.
        faces: [F, 3].

    Returns:
        [T, 2] in 0..1.
    """
    count = len(uv)
    ends = np.concatenate([uv_faces[:, [0, 1]], uv_faces[:, [1, 2]]])
    graph = coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    charts, chart = connected_components(graph, directed=False)
    sizes = np.bincount(chart)
    order = np.argsort(-sizes, kind="stable")
    packed = np.zeros_like(uv)
    density = 1.0
    bottom = _MARGIN
    for number in order[:charts]:
        mine = chart == number
        low, extent = uv[mine].min(0), np.ptp(uv[mine], axis=0)
        own_faces = mine[uv_faces[:, 0]]
        ratio = _density(uv, uv_faces[own_faces], vertices, faces[own_faces])
        if number == order[0]:
            scale = min((1 - 2 * _MARGIN - _STRIP) / extent[0], (1 - 2 * _MARGIN) / extent[1])
            density = scale * ratio
            packed[mine] = _MARGIN + (uv[mine] - low) * scale
        else:
            scale = min(density / ratio, (_STRIP - _MARGIN) / extent[0], (1 - _MARGIN - bottom) / extent[1])
            packed[mine] = np.array([1 - _STRIP, bottom]) + (uv[mine] - low) * scale
            bottom += extent[1] * scale + _MARGIN
    return packed


def _density(uv: np.ndarray, uv_faces: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> float:
    """Texture length per metre of a chart."""
    a, b = uv[uv_faces[:, 1]] - uv[uv_faces[:, 0]], uv[uv_faces[:, 2]] - uv[uv_faces[:, 0]]
    flat = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()
    corners = vertices[faces]
    solid = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum()
    return float(np.sqrt(flat / solid))
