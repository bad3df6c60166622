"""E_depth: joints against the detector's 3D points. Not the paper's."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from handsss.geometry.cameras import unproject
from handsss.geometry.centring import centred
from handsss.geometry.rotations import rotation_to_ray
from handsss.losses.common import norm, single_process, smooth_l1, weighted_mean

SIGMA = 0.010  # m: error of a point whose readings agree; knee of the smooth L1
_LEAST_SIZE = 1e-6  # m^2: hands whose points lie within a millimetre are not enlarged further


def e_depth(
    joints: Tensor,
    world: Tensor,
    keypoints: Tensor,
    confidence: Tensor,
    K: Tensor,
    process_mean: Callable[[Tensor], Tensor] = single_process,
) -> Tensor:
    """``E_depth = 1/21 sum_j w_j smooth_l1(|a j_j - R p_j|)``, m, mean over the samples with depth.

    ``w_j = s^2 / (s^2 + spread_j^2)``; ``s`` and the knee of the smooth L1 are 10 mm. Joints and points are taken about
    their middle, weighted by ``w``. ``R`` is the smallest rotation from the optical axis to the ray through the middle
    of the keypoints: the detector sees a hand as if the camera looked straight at it. ``a`` brings the joints to the
    points' size (root mean square distance from the middle): the term pulls neither at the hand's place nor at its
    size. Weight: ``losses.w_depth``.

    Args:
        joints: [B, 21, 3] m, of the detector's definition (:data:`handsss.detect.types.KEYPOINT_SET`).
        world: [B, 21, 4] m: 3D points, and how far the detector's readings of each spread; samples with NaN do not
            count.
        keypoints: [B, 21, 2] px, detected.
        confidence: [B, 21] 0..1; points of 0 do not move the ray.
        K: [B, 3, 3] px.
        process_mean: see :func:`handsss.losses.common.weighted_mean`.
    """
    seen = (confidence > 0).to(joints.dtype)
    known = torch.isfinite(world).flatten(1).all(1) & (confidence > 0).any(1)
    given = torch.where(known[:, None, None], world, torch.zeros_like(world)).to(joints.dtype)
    points, spread = given[..., :3], given[..., 3]
    weight = SIGMA**2 / (SIGMA**2 + spread.square())
    middle = (keypoints * seen[..., None]).sum(1, keepdim=True) / seen.sum(1).clamp_min(1)[:, None, None]
    ray = unproject(middle.to(K.dtype), torch.ones_like(middle[..., 0], dtype=K.dtype), K)[:, 0]
    turned = points @ rotation_to_ray(ray.to(joints.dtype)).transpose(1, 2)
    hand, size = centred(joints, weight)
    target, own = centred(turned, weight)
    scale = own.sqrt() * size.clamp_min(_LEAST_SIZE).rsqrt()
    distance = (weight * smooth_l1(norm(scale * hand - target), SIGMA)).mean(1)
    return weighted_mean(distance, known.to(distance.dtype), process_mean)
