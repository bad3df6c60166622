"""From the camera in which a network predicts to the image's own camera."""

from __future__ import annotations

import torch
from torch import Tensor

from handsss.geometry.framing import CROP
from handsss.geometry.rotations import axis_angle_to_matrix, rotation_to_ray
from handsss.network.regressors import HandVector

_NEAR = 1e-3  # m: near plane


def in_camera(translation: Tensor, K: Tensor, focal: float) -> Tensor:
    """A translation from a camera of given focal length, principal point in the image's centre, to another camera: same
    size in the image, same pixel.

    Args:
        translation: [B, 3] m, in front of the camera.
        K: [B, 3, 3] px, of the other camera.
        focal: px.

    Returns:
        [B, 3] m, in the other camera's frame.
    """
    own = torch.stack([K[:, 0, 0], K[:, 1, 1]], 1).to(translation.dtype)
    depth = translation[:, 2:]
    ahead = torch.where(depth.abs() < _NEAR, torch.full_like(depth, _NEAR), depth)
    pixel = focal * translation[:, :2] / ahead + CROP / 2
    far = depth * own.mean(1, keepdim=True) / focal
    return torch.cat([(pixel - K[:, :2, 2].to(pixel.dtype)) / own * far, far], 1)


def facing_to_camera(vector: HandVector, K: Tensor, focal: float) -> HandVector:
    """A hand before a camera that looks at the crop's middle, as the crop's own camera has it: turned by the smallest
    rotation from the optical axis to the ray of the crop's middle, at the distance that keeps its size in pixels.

    At an angle a from the axis, a picture is magnified by 1 / cos a along circles about the principal point and by
    1 / cos^2 a away from it, compared with a camera that looks there; their geometric mean is taken.

    Args:
        vector: the hand before the camera of given focal length, principal point in the image's centre.
        K: [B, 3, 3] px, of the crop's own camera.
        focal: px.

    Returns:
        the hand with its rotation as a matrix.
    """
    K = K.to(vector.translation.dtype)
    own = torch.stack([K[:, 0, 0], K[:, 1, 1]], 1)
    across = (CROP / 2 - K[:, :2, 2]) / own
    ray = torch.cat([across, torch.ones_like(across[:, :1])], 1)
    turn = rotation_to_ray(ray)
    magnified = own.mean(1, keepdim=True) * ray.norm(dim=1, keepdim=True).pow(1.5)
    x_y, depth = vector.translation[:, :2], vector.translation[:, 2:]
    before = torch.cat([x_y, depth * magnified / focal], 1)
    return vector._replace(rotation=turn @ as_matrix(vector.rotation), translation=(turn @ before[..., None])[..., 0])


def as_matrix(rotation: Tensor) -> Tensor:
    """[B, 3, 3] of axis-angle vectors [B, 3]; matrices are left as they are."""
    return rotation if rotation.ndim == 3 else axis_angle_to_matrix(rotation)
