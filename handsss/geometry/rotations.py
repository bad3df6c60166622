"""Rotations as axis-angle vectors and matrices, differentiable everywhere, zero rotation included."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from handsss.geometry.autograd import plain_autograd_needed

# Below this squared angle (1.8 degrees) Taylor series are used: with four terms their truncation errors are under
# 3e-18 in the values and 1e-14 in the derivatives.
_SMALL_SQUARED_ANGLE = 1e-3
_TINY = 1e-30


def skew(vector: Tensor) -> Tensor:
    """Cross-product matrices of vectors.

    Args:
        vector: [..., 3].

    Returns:
        [..., 3, 3] with ``skew(a) @ b == cross(a, b)``.
    """
    # Row i is e_i x vector.
    identity = torch.eye(3, dtype=vector.dtype, device=vector.device)
    shape = (*vector.shape, 3)
    rows: Tensor = torch.linalg.cross(identity.expand(shape), vector.unsqueeze(-2).expand(shape))
    return rows


def _rodrigues(axis_angle: Tensor) -> Tensor:
    """The formula in operations that can be differentiated any number of times.

    ``where`` comes before the square root as well as after the division: a masked-out branch that holds an infinite
    derivative would still turn the gradient into NaN.
    """
    squared = (axis_angle * axis_angle).sum(-1)
    small = squared < _SMALL_SQUARED_ANGLE
    half_angle = torch.where(small, 1.0, squared).sqrt() * 0.5
    # 1 - cos t = 2 sin^2(t/2): no cancellation in float32.
    ratio = torch.sin(half_angle) / half_angle
    sinc = torch.where(small, 1 - squared * (1 / 6 - squared * (1 / 120 - squared / 5040)), ratio * half_angle.cos())
    half = torch.where(small, 0.5 - squared * (1 / 24 - squared * (1 / 720 - squared / 40320)), 0.5 * ratio * ratio)
    # I + sinc [w] + half [w]^2, with [w]^2 = w w^T - |w|^2 I.
    scaled = axis_angle * half.unsqueeze(-1)
    identity = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    rotation = axis_angle.unsqueeze(-1) * scaled.unsqueeze(-2) + skew(axis_angle * sinc.unsqueeze(-1))
    return rotation + (1 - half * squared)[..., None, None] * identity


class _Rodrigues(torch.autograd.Function):
    """The formula with its first derivative written out, components before vectors in memory.

    A few long operations instead of many short ones: a fifth of the time of the recorded graph.
    """

    @staticmethod
    def forward(ctx: Any, axis_angle: Tensor) -> Tensor:
        vector = axis_angle.reshape(-1, 3).t().contiguous()  # [3, N]
        squared = (vector * vector).sum(0)
        # No series is needed here: sin(h)/h is exact for the tiniest h.
        half_angle = squared.sqrt().mul_(0.5).clamp_min_(_TINY)
        ratio = half_angle.sin() / half_angle
        sinc = half_angle.cos_().mul_(ratio)
        half = ratio.square_().mul_(0.5)
        turn = vector * sinc
        rotation = (vector * half)[:, None] * vector  # [3, 3, N]
        for axis in range(3):
            before, after = (axis + 1) % 3, (axis + 2) % 3
            rotation[after, before] += turn[axis]
            rotation[before, after] -= turn[axis]
        rotation.view(9, len(half))[::4] += torch.addcmul(torch.ones_like(half), half, squared, value=-1)
        ctx.save_for_backward(axis_angle, vector, squared, sinc, half)
        return rotation.permute(2, 0, 1).reshape((*axis_angle.shape, 3))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        axis_angle, vector, squared, sinc, half = ctx.saved_tensors
        if torch.is_grad_enabled():  # a second derivative is wanted: record the plain operations
            return torch.autograd.grad(_rodrigues(axis_angle), axis_angle, gradients[0], create_graph=True)[0]
        matrix = gradients[0].reshape(-1, 3, 3).permute(1, 2, 0).contiguous()  # G, [3, 3, N]
        # With s = |w|^2: L = cos|w| tr(G) + sinc (w . k) + half (w^T G w), k the axial vector of G. The slopes in s
        # cancel for small s, but their error, machine epsilon / s, is multiplied by s in the end.
        axial = torch.empty_like(vector)
        for axis in range(3):
            before, after = (axis + 1) % 3, (axis + 2) % 3
            torch.sub(matrix[after, before], matrix[before, after], out=axial[axis])
        symmetric = (matrix + matrix.transpose(0, 1)).mul_(vector).sum(1)  # (G + G^T) w
        inverse = squared.clamp_min(_TINY).reciprocal_()
        cosine = torch.addcmul(torch.ones_like(half), half, squared, value=-1)
        radial = (axial * vector).sum(0).mul_(cosine - sinc)
        radial.addcmul_((symmetric * vector).sum(0), torch.sub(0.5 * sinc, half)).mul_(inverse)
        radial.addcmul_(matrix.view(9, len(half))[::4].sum(0), sinc, value=-1)
        result = axial.mul_(sinc).addcmul_(symmetric, half).addcmul_(vector, radial)
        return result.t().reshape(axis_angle.shape)


def axis_angle_to_matrix(axis_angle: Tensor) -> Tensor:
    """Rodrigues' formula with value and gradient right at zero rotation.

    Args:
        axis_angle: [..., 3] radians.

    Returns:
        [..., 3, 3] rotation matrices.
    """
    if plain_autograd_needed(axis_angle) or not axis_angle.is_floating_point():
        return _rodrigues(axis_angle)
    rotation: Tensor = _Rodrigues.apply(axis_angle)  # type: ignore[no-untyped-call]
    return rotation


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


def rotation_to_ray(points: Tensor) -> Tensor:
    """Smallest rotations [B, 3, 3] that take the optical axis to the rays of points [B, 3]."""
    ray = torch.nn.functional.normalize(points, dim=-1)
    axis = torch.stack([-ray[:, 1], ray[:, 0], torch.zeros_like(ray[:, 0])], -1)  # z x ray
    sine = axis.norm(dim=-1, keepdim=True)
    angle = torch.atan2(sine, ray[:, 2:])
    return axis_angle_to_matrix(axis / sine.clamp_min(1e-9) * angle)


def six_numbers_to_matrix(values: Tensor) -> Tensor:
    """Rotations [B, 3, 3] whose first two rows are two vectors [B, 6], the second one straightened.

    Unlike axis-angle vectors, which jump at half a turn, these numbers can follow every rotation continuously.
    Source: Zhou et al., On the Continuity of Rotation Representations in Neural Networks, 2019, eq. 15 (rows here).
    """
    first = torch.nn.functional.normalize(values[:, :3], dim=1)
    second = values[:, 3:] - (first * values[:, 3:]).sum(1, keepdim=True) * first
    second = torch.nn.functional.normalize(second, dim=1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], 1)


def quaternion_to_matrix(values: Tensor) -> Tensor:
    """Rotations [B, 3, 3] of quaternions [B, 4] of any length; of Gaussian ones: even over all rotations."""
    w, x, y, z = torch.nn.functional.normalize(values, dim=1).unbind(1)
    rows = [
        torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], 1),
        torch.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], 1),
        torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], 1),
    ]
    return torch.stack(rows, 1)
