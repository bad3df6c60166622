"""Rotations as axis-angle vectors and matrices, differentiable everywhere, zero rotation included."""

from __future__ import annotations

import torch
from torch import Tensor

# Below this squared angle the Taylor series is used: its truncation error is under 1e-16 there in float64.
_SMALL_SQUARED_ANGLE = 1e-6


def skew(vector: Tensor) -> Tensor:
    """Cross-product matrices of vectors.

    Args:
        vector: [..., 3].

    Returns:
        [..., 3, 3] with ``skew(a) @ b == cross(a, b)``.
    """
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*vector.shape[:-1], 3, 3)


def axis_angle_to_matrix(axis_angle: Tensor) -> Tensor:
    """Rodrigues' formula with value and gradient right at zero rotation.

    ``where`` is applied to the squared angle before the square root as well as to the result: a masked-out
    branch that holds an infinite derivative would still turn the gradient into NaN.

    Args:
        axis_angle: [..., 3] radians.

    Returns:
        [..., 3, 3] rotation matrices.
    """
    squared = (axis_angle * axis_angle).sum(-1)
    small = squared < _SMALL_SQUARED_ANGLE
    safe = torch.where(small, torch.ones_like(squared), squared)
    angle = safe.sqrt()
    sinc = torch.where(small, 1 - squared / 6 + squared * squared / 120, torch.sin(angle) / angle)
    half = torch.where(small, 0.5 - squared / 24 + squared * squared / 720, (1 - torch.cos(angle)) / safe)
    cross = skew(axis_angle)
    outer = axis_angle.unsqueeze(-1) * axis_angle.unsqueeze(-2)
    identity = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    # I + sinc [w] + half [w]^2, with [w]^2 = w w^T - |w|^2 I.
    return (1 - half * squared)[..., None, None] * identity + sinc[..., None, None] * cross + half[..., None, None] * outer


def matrix_to_quaternion(matrix: Tensor) -> Tensor:
    """Unit quaternions (w, x, y, z) with w >= 0; the best conditioned of the four formulae is chosen per matrix.

    Args:
        matrix: [..., 3, 3] rotation matrices.

    Returns:
        [..., 4].
    """
    m = matrix
    m00, m11, m22 = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    squares = torch.stack([1 + m00 + m11 + m22, 1 + m00 - m11 - m22, 1 - m00 + m11 - m22, 1 - m00 - m11 + m22], -1)
    a, b, c = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    d, e, f = m[..., 1, 0] + m[..., 0, 1], m[..., 0, 2] + m[..., 2, 0], m[..., 2, 1] + m[..., 1, 2]
    candidates = torch.stack(
        [
            torch.stack([squares[..., 0], a, b, c], -1),
            torch.stack([a, squares[..., 1], d, e], -1),
            torch.stack([b, d, squares[..., 2], f], -1),
            torch.stack([c, e, f, squares[..., 3]], -1),
        ],
        -2,
    )
    best = squares.argmax(-1)
    chosen = torch.gather(candidates, -2, best[..., None, None].expand(*best.shape, 1, 4)).squeeze(-2)
    quaternion = torch.nn.functional.normalize(chosen, dim=-1)
    return torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)


def matrix_to_axis_angle(matrix: Tensor) -> Tensor:
    """The axis-angle vector of smallest norm (0 to pi) of each rotation matrix.

    Args:
        matrix: [..., 3, 3] rotation matrices.

    Returns:
        [..., 3] radians.
    """
    quaternion = matrix_to_quaternion(matrix)
    w, v = quaternion[..., 0], quaternion[..., 1:]
    squared = (v * v).sum(-1)
    small = squared < 1e-12
    sine = torch.where(small, torch.ones_like(squared), squared).sqrt()
    ratio = torch.where(small, 2 / w.clamp_min(0.5), 2 * torch.atan2(sine, w) / sine)
    return v * ratio[..., None]


def mirror_axis_angle(axis_angle: Tensor, normal_axis: int) -> Tensor:
    """Axis-angle vectors of the same motion seen in a mirror.

    A mirror keeps the component of a rotation vector along its normal and flips the two others.

    Args:
        axis_angle: [..., 3] radians.
        normal_axis: coordinate (0, 1, 2) that the mirror negates.

    Returns:
        [..., 3] radians.
    """
    signs = -torch.ones(3, dtype=axis_angle.dtype, device=axis_angle.device)
    signs[normal_axis] = 1
    return axis_angle * signs
