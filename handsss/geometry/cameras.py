"""Pinhole cameras: x right, y down, z forward, pixel centres at +0.5."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

# FreiHAND's and HO-3D's cameras, phones and webcams lie between 50 and 75 degrees over the longer side.
DEFAULT_FIELD_OF_VIEW = math.radians(60.0)
_MINIMUM_DEPTH = 1e-4


def project(points: Tensor, intrinsics: Tensor) -> Tensor:
    """Pinhole projection.

    Points at or behind the camera are divided by a depth of 0.1 mm instead, so that results stay finite; test
    ``points[..., 2] > 0`` where that matters.

    Args:
        points: [..., N, 3] metres, camera frame.
        intrinsics: [..., 3, 3] (or [3, 3]) pixels, last row (0, 0, 1); skew is honoured.

    Returns:
        [..., N, 2] pixels.
    """
    depth = points[..., 2:].clamp_min(_MINIMUM_DEPTH)
    normalised = points[..., :2] / depth
    return normalised @ intrinsics[..., :2, :2].transpose(-1, -2) + intrinsics[..., :2, 2].unsqueeze(-2)


def intrinsics_from_fov(width: int, height: int, field_of_view: float = DEFAULT_FIELD_OF_VIEW) -> np.ndarray:
    """The matrix of a camera that looks at the picture's centre.

    Args:
        width, height: pixels.
        field_of_view: radians, over the longer side.

    Returns:
        [3, 3] float64.
    """
    focal = 0.5 * max(width, height) / math.tan(0.5 * field_of_view)
    return intrinsics_from_focal(focal, focal, width / 2, height / 2)


def intrinsics_from_focal(fx: float, fy: float, cx: float, cy: float) -> np.ndarray:
    """[3, 3] float64 from focal lengths and principal point, all in pixels."""
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


def mirror_intrinsics(intrinsics: np.ndarray, width: int) -> np.ndarray:
    """The camera of the mirrored picture (x -> width - x). Its frame is mirrored in x as well: X -> -X."""
    mirrored = np.array(intrinsics, dtype=np.float64)
    mirrored[0, 2] = width - mirrored[0, 2]
    mirrored[0, 1] = -mirrored[0, 1]
    return mirrored


def from_opengl(points: np.ndarray) -> np.ndarray:
    """Points [..., 3] of a camera with y up that looks along -z, as HO-3D stores them, to this package's frame."""
    return np.asarray(points) * np.array([1.0, -1.0, -1.0])


def to_opengl(points: np.ndarray) -> np.ndarray:
    """The inverse of :func:`from_opengl` (it is its own inverse)."""
    return from_opengl(points)


def unproject(pixels: Tensor, depth: Tensor, intrinsics: Tensor) -> Tensor:
    """Camera-frame points of pixels at given depths.

    Args:
        pixels: [..., N, 2].
        depth: [..., N] metres.
        intrinsics: [..., 3, 3].

    Returns:
        [..., N, 3] metres.
    """
    homogeneous = torch.cat([pixels, torch.ones_like(pixels[..., :1])], -1)
    rays = homogeneous @ torch.linalg.inv(intrinsics).transpose(-1, -2)
    return rays * depth[..., None]
