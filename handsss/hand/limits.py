"""Joint angles and their limits: the skeleton regularisation's geometry (supplement, equations 3-4, table 1)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from handsss.geometry.rotations import matrix_to_axis_angle

_FINGER_BASE = ((-10, 10), (-100, 10), (-5, 5))
_FINGER = ((-5, 5), (-100, 10), (-5, 5))

# Table 1 in model joint order (index, middle, little, ring, thumb), degrees: azimuth, pitch, roll.
# Roll, azimuth and pitch are x, y and -z of MANO's axis-angle vector.
MANO_LIMITS_DEG = (
    *(_FINGER_BASE, _FINGER, _FINGER),
    *(_FINGER_BASE, _FINGER, _FINGER),
    *(((-10, 20), (-100, 10), (-20, 5)), _FINGER, _FINGER),
    *(_FINGER_BASE, _FINGER, _FINGER),
    *(
        ((-22.5, 33.75), (-22.5, 22.5), (0, 90)),
        ((-5, 5), (-22.5, 22.5), (-5, 5)),
        ((-5, 5), (-100, 20), (-5, 5)),
    ),
)


def mano_limits(side: str) -> np.ndarray:
    """Table 1 as [15, 3, 2] degrees.

    A left MANO hand has y and z of its axis-angle vectors mirrored; :func:`joint_angles` undoes that, so that the same
    table holds.
    """
    if side not in ("right", "left"):
        raise ValueError(f"side is 'right' or 'left', got {side!r}")
    return np.array(MANO_LIMITS_DEG, dtype=np.float64)


def euler_angles(rotations: Tensor, bone_frames: Tensor) -> Tensor:
    """Azimuth, pitch and roll of joint rotations in their bone frames.

    ``R = B Ry(pitch) Rz(azimuth) Rx(roll) B^T``: pitch (flexion) is outermost, so that the gimbal sits at 90 degrees
    of azimuth, which no finger reaches.

    Args:
        rotations: [..., 15, 3, 3].
        bone_frames: [15, 3, 3], columns bone, flexion axis, dorsal direction.

    Returns:
        [..., 15, 3] radians: azimuth, pitch, roll.
    """
    local = bone_frames.transpose(-1, -2) @ rotations @ bone_frames
    # asin's derivative is infinite at +-1; the clamp lies 0.08 degrees before it.
    azimuth = torch.asin(local[..., 1, 0].clamp(-1 + 1e-6, 1 - 1e-6))
    pitch = torch.atan2(-local[..., 2, 0], local[..., 0, 0])
    roll = torch.atan2(-local[..., 1, 2], local[..., 1, 1])
    return torch.stack([azimuth, pitch, roll], -1)


def rotations_from_euler(angles: Tensor, bone_frames: Tensor) -> Tensor:
    """The inverse of :func:`euler_angles`: [..., 15, 3] radians to [..., 15, 3, 3]."""
    azimuth, pitch, roll = angles.unbind(-1)
    zero, one = torch.zeros_like(azimuth), torch.ones_like(azimuth)

    def matrix(*entries: Tensor) -> Tensor:
        return torch.stack(entries, -1).reshape(*azimuth.shape, 3, 3)

    ca, sa, cp, sp = torch.cos(azimuth), torch.sin(azimuth), torch.cos(pitch), torch.sin(pitch)
    cr, sr = torch.cos(roll), torch.sin(roll)
    about_y = matrix(cp, zero, sp, zero, one, zero, -sp, zero, cp)
    about_z = matrix(ca, -sa, zero, sa, ca, zero, zero, zero, one)
    about_x = matrix(one, zero, zero, zero, cr, -sr, zero, sr, cr)
    return bone_frames @ about_y @ about_z @ about_x @ bone_frames.transpose(-1, -2)


def mano_angles(axis_angle: Tensor, side: str = "right") -> Tensor:
    """Azimuth, pitch and roll as table 1 reads them from axis-angle vectors (mean pose included).

    Args:
        axis_angle: [..., 15, 3] radians.
        side: a left hand's y and z are mirrored back first.

    Returns:
        [..., 15, 3] radians: azimuth = y, pitch = -z, roll = x.
    """
    x, y, z = axis_angle.unbind(-1)
    if side == "left":
        y, z = -y, -z
    return torch.stack([y, -z, x], -1)


def limit_excess(angles: Tensor, limits: Tensor) -> Tensor:
    """How far each angle lies outside its range (equation 4).

    Args:
        angles: [..., 15, 3] radians.
        limits: [15, 3, 2] radians.

    Returns:
        [..., 15, 3] radians, zero inside.
    """
    return (limits[..., 0] - angles).clamp_min(0) + (angles - limits[..., 1]).clamp_min(0)


def joint_angles(
    rotations: Tensor,
    *,
    convention: str,
    bone_frames: Tensor | None,
    side: str,
    axis_angle: Tensor | None = None,
) -> Tensor:
    """Azimuth, pitch and roll in a model's own convention.

    Args:
        rotations: [..., 15, 3, 3].
        convention: "euler" or "axis_angle".
        bone_frames: [15, 3, 3] of the convention "euler".
        side: of the hand.
        axis_angle: [..., 15, 3] radians, the vectors that the rotations were made from, for "axis_angle": beyond 180
            degrees a matrix no longer tells how far a joint is bent, and equation 4 reads the vector.

    Returns:
        [..., 15, 3] radians.
    """
    if convention == "euler":
        assert bone_frames is not None
        return euler_angles(rotations, bone_frames)
    return mano_angles(matrix_to_axis_angle(rotations) if axis_angle is None else axis_angle, side)
