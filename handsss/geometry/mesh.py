"""Meshes and pictures as arrays: normals of vertices, values between pixels; directions over the sphere."""

from __future__ import annotations

import numpy as np


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area-weighted unit normals [V, 3] of counter-clockwise faces."""
    corners = vertices[faces]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], face_normals)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    unit: np.ndarray = normals / np.maximum(length, 1e-12)
    return unit


def bilinear(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Values [N, C] (or [N]) of a picture [h, w(, C)] at points [N, 2] px, pixel centres at +0.5, edges repeated."""
    height, width = picture.shape[:2]
    x = np.clip(points[:, 0] - 0.5, 0, width - 1.001)
    y = np.clip(points[:, 1] - 0.5, 0, height - 1.001)
    x0, y0 = x.astype(np.int64), y.astype(np.int64)
    fx, fy = x - x0, y - y0
    x1, y1 = np.minimum(x0 + 1, width - 1), np.minimum(y0 + 1, height - 1)
    if picture.ndim == 3:
        fx, fy = fx[:, None], fy[:, None]
    top = picture[y0, x0] * (1 - fx) + picture[y0, x1] * fx
    bottom = picture[y1, x0] * (1 - fx) + picture[y1, x1] * fx
    blended: np.ndarray = top * (1 - fy) + bottom * fy
    return blended


def sphere_directions(count: int) -> np.ndarray:
    """Nearly even unit vectors [count, 3] (Fibonacci lattice)."""
    index = np.arange(count) + 0.5
    polar, around = np.arccos(1 - 2 * index / count), np.pi * (1 + 5**0.5) * index
    return np.stack([np.cos(around) * np.sin(polar), np.sin(around) * np.sin(polar), np.cos(polar)], 1)
