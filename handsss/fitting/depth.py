"""The detector's metric 3D points as evidence of depth: residuals of the keypoint fit."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from handsss.geometry.centring import centred
from handsss.geometry.rotations import rotation_to_ray


def world_in_camera(world: np.ndarray, keypoints: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """The detector's points in the camera's axes.

    The network sees a crop as if the camera looked straight at the hand: its points are turned by the smallest rotation
    from the optical axis to the ray through the middle of the keypoints.

    Args:
        world: [21, 3 or 4] metres about their middle, as in :class:`handsss.detect.types.Detection`; a fourth column
            (the spread) is passed on.
        keypoints: [21, 3] x, y (px), confidence: those that are finite with confidence above 0 give the middle.
        intrinsics: [3, 3] px.

    Returns:
        an array of the same shape.
    """
    used = np.isfinite(keypoints).all(1) & (keypoints[:, 2] > 0)
    ray = np.linalg.solve(intrinsics, np.array([*keypoints[used, :2].mean(0), 1.0]))
    turned = np.array(world, dtype=np.float64)
    turned[:, :3] = turned[:, :3] @ rotation_to_ray(torch.tensor(ray)[None])[0].numpy().T
    return turned


def depth_distances(points: Tensor, world: Tensor) -> Tensor:
    """[B, 21] metres between a hand's keypoints and the detector's 3D points, about their middle and at one size.

    Args:
        points: [B, 21, 3] metres, camera axes.
        world: [21, 4] as in :class:`handsss.fitting.observation.Observation`.
    """
    return depth_residuals(points, world[:, :3], torch.ones(21, dtype=torch.float64)).norm(dim=-1)


def depth_residuals(points: Tensor, world: Tensor, certainty: Tensor) -> Tensor:
    """How far a hand's keypoints lie from the detector's 3D points, in standard deviations.

    Both are taken about their weighted middle, and the detector's are scaled to the hand's size (root mean square
    distance from the middle): place and size are left to the keypoints in the picture and to the hand model.

    Args:
        points: [B, 21, 3] metres, camera axes.
        world: [21, 3] or [B, 21, 3] metres, camera axes.
        certainty: [21] or [B, 21] reciprocal standard deviations, 1/metres; 0: no evidence.

    Returns:
        [B, 21, 3].
    """
    weight = certainty.square()
    hand, size = centred(points, weight)
    given, own = centred(world, weight)
    scale = (size / own.clamp_min(1e-12)).sqrt()
    return (hand - scale * given) * certainty[..., None]
