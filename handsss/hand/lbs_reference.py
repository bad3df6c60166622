"""Linear blend skinning in plain torch operations with automatic differentiation.

Coordinates come before vertices in memory, shape and pose blends are one matrix product, and the kinematic chain runs
level by level, all five fingers at once. :mod:`handsss.hand.lbs_fused` does the same with a hand-written backward pass.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

Posed = tuple[Tensor, Tensor, Tensor]


class PosingConstants(NamedTuple):
    """A hand model's arrays, laid out for skinning."""

    template: Tensor  # [3 V] coordinates before vertices
    blend: Tensor  # [145, 3 V] shape directions, then pose directions
    joint_template: Tensor  # [48] rest joints
    joint_blend: Tensor  # [10, 48]
    skinning: Tensor  # [16, V]
    identity: Tensor  # [3, 3]
    tips: Tensor  # [5] vertex ids, thumb to little
    order: Tensor  # [21] rows of (16 joints, 5 tips) in the order wanted
    inverse_order: Tensor  # [21]
    pivot_wrist: bool  # the global rotation leaves the wrist in place, otherwise the origin


def pose_reference(
    constants: PosingConstants,
    rotations: Tensor,
    shape: Tensor | None,
    scale: Tensor | None,
    translation: Tensor | None,
) -> Posed:
    """Vertices, joints and transforms; every operation is differentiated by autograd.

    Args:
        constants: the model.
        rotations: [B, 16, 3, 3] global rotation, then the local ones of joints 1-15.
        shape: [B, 10] or None for zero.
        scale: [B] or None for one; its absolute value is taken.
        translation: [B, 3] metres or None for zero.

    Returns:
        vertices [B, V, 3], joints [B, 21, 3], transforms [B, 16, 4, 4].
    """
    batch, count = rotations.shape[0], constants.skinning.shape[1]
    feature = (rotations[:, 1:] - constants.identity).reshape(batch, 135)
    if shape is None:
        rest = constants.joint_template.reshape(1, 16, 3).expand(batch, 16, 3)
        shaped = torch.addmm(constants.template, feature, constants.blend[10:])
    else:
        rest = torch.addmm(constants.joint_template, shape, constants.joint_blend).reshape(batch, 16, 3)
        shaped = torch.addmm(constants.template, torch.cat([shape, feature], 1), constants.blend)
    turn = rotations[:, 0] if scale is None else rotations[:, 0] * scale.abs()[:, None, None]
    wrist = rest[:, 0] if constants.pivot_wrist else (turn @ rest[:, 0, :, None])[..., 0]
    if translation is not None:
        wrist = wrist + translation
    matrices, positions = _chain_plain(turn, wrist, rotations[:, 1:], rest)
    # x -> G (x - rest) + position, folded into one affine map a joint.
    offsets = positions - (matrices @ rest[..., None])[..., 0]
    affine = torch.cat([matrices, offsets[..., None]], -1)  # [B, 16, 3, 4]
    blended = affine.reshape(batch, 16, 12).transpose(1, 2) @ constants.skinning
    blended = blended.reshape(batch, 3, 4, count)
    vertices = (blended[:, :, :3] * shaped.reshape(batch, 1, 3, count)).sum(2) + blended[:, :, 3]
    vertices = vertices.transpose(1, 2).contiguous()
    joints = torch.cat([positions, vertices[:, constants.tips]], 1)[:, constants.order]
    last_row = torch.zeros_like(matrices[..., :1, :])
    corner = torch.ones_like(last_row[..., :1])
    top = torch.cat([matrices, positions[..., None]], -1)
    return vertices, joints, torch.cat([top, torch.cat([last_row, corner], -1)], -2)


def _chain_plain(turn: Tensor, wrist: Tensor, local: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
    """Global matrices [B, 16, 3, 3] (scale included) and positions [B, 16, 3]."""
    batch = local.shape[0]
    fingers = local.reshape(batch, 5, 3, 3, 3)
    joints = rest[:, 1:].reshape(batch, 5, 3, 3)
    matrix, position, parent = turn[:, None], wrist[:, None], rest[:, :1]
    matrices, positions = [], []
    for level in range(3):
        bone = joints[:, :, level] - parent
        position = position + (matrix @ bone[..., None])[..., 0]
        matrix = matrix @ fingers[:, :, level]
        parent = joints[:, :, level]
        matrices.append(matrix)
        positions.append(position)
    below = torch.stack(matrices, 2).reshape(batch, 15, 3, 3)
    ends = torch.stack(positions, 2).reshape(batch, 15, 3)
    return torch.cat([turn[:, None], below], 1), torch.cat([wrist[:, None], ends], 1)
