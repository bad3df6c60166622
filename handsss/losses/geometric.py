"""Losses on projected joints: E_loc, E_ori; and on true ones: E_3dj. Method, section 2."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from handsss.hand.joints import BONES, OPENPOSE_TIP_ROWS

MIDDLE = 9  # the middle finger's knuckle
KNEE = 5.0  # px where the smooth L1 turns from a square into a line
_WRIST, _TIP = 2.0, 1.5  # joint weights


def smooth_l1(distance: Tensor) -> Tensor:
    """``d^2 / 10`` below 5 px, ``d - 2.5`` above."""
    return torch.where(distance < KNEE, distance.square() / (2 * KNEE), distance - KNEE / 2)


def lengths(offsets: Tensor) -> Tensor:
    """Lengths [...] of vectors [..., C], with a zero gradient where a vector is zero."""
    squared = offsets.square().sum(-1)
    still = squared == 0
    return torch.where(still, torch.zeros_like(squared), torch.where(still, torch.ones_like(squared), squared).sqrt())


def joint_weights(confidence: Tensor) -> Tensor:
    """[B, 21]: wrist 2, tips 1.5, others 1, times the confidence."""
    weights = torch.ones(21, dtype=confidence.dtype, device=confidence.device)
    weights[0] = _WRIST
    weights[list(OPENPOSE_TIP_ROWS)] = _TIP
    return weights * confidence


def alone(total: Tensor) -> Tensor:
    """The sum of the only process."""
    return total


def weighted_mean(values: Tensor, weights: Tensor, across: Callable[[Tensor], Tensor] = alone) -> Tensor:
    """Sum of values times weights over the sum of weights, over the whole batch; 0 where all weights are 0.

    Args:
        values: any shape.
        weights: the same, or one that can be expanded to it.
        across: the mean of such sums over all processes that share the batch; then the mean of the results over the
            processes is the whole batch's.
    """
    total = across(weights.sum())
    empty = total <= 0
    return torch.where(empty, torch.zeros_like(total), (values * weights).sum() / torch.where(empty, 1.0, total))


def location_loss(
    projected: Tensor, detected: Tensor, confidence: Tensor, across: Callable[[Tensor], Tensor] = alone
) -> Tensor:
    """E_loc: confidence-weighted smooth L1 between projected joints and detected keypoints, px.

    Weights are squared, as in the released form, and normalised over the batch.

    Args:
        projected: [B, 21, 2] px.
        detected: [B, 21, 2] px.
        confidence: [B, 21].
        across: see :func:`weighted_mean`.
    """
    return weighted_mean(smooth_l1(lengths(projected - detected)), joint_weights(confidence).square(), across)


def orientation_loss(projected: Tensor, detected: Tensor, confidence: Tensor) -> Tensor:
    """E_ori: mean over the 20 bones (and the batch) of the product of the two end confidences times the squared
    distance between unit 2D bone directions. A bone without length has the direction zero.

    Args:
        projected, detected: [B, 21, 2] px.
        confidence: [B, 21].
    """
    bones = torch.tensor(BONES, device=projected.device)
    start, end = bones[:, 0], bones[:, 1]
    made, seen = _directions(projected, start, end), _directions(detected, start, end)
    trust = confidence[:, start] * confidence[:, end]
    return (trust * (made - seen).square().sum(-1)).mean()


def _directions(points: Tensor, start: Tensor, end: Tensor) -> Tensor:
    bone = points[:, end] - points[:, start]
    length = lengths(bone)[..., None]
    return bone / torch.where(length == 0, torch.ones_like(length), length)


def lifted_joints_loss(
    joints: Tensor,
    lifted: Tensor,
    probability: Tensor,
    trust: Tensor,
    across: Callable[[Tensor], Tensor] = alone,
) -> Tensor:
    """E_lifted (not the paper's): mean distance, m, of the joints from those that keypoints were lifted to, both about
    the middle finger's knuckle; expected over the readings of the keypoints, weighted by how far a row is trusted.

    A distance that is not squared prefers the likeliest reading to a hand between two of them.

    Args:
        joints: [B, 21, 3] m.
        lifted: [B, H, 21, 3] m, readings.
        probability: [B, H] of the readings.
        trust: [B] weights of the rows.
        across: see :func:`weighted_mean`.
    """
    offsets = (joints - joints[:, MIDDLE, None])[:, None] - (lifted - lifted[:, :, MIDDLE, None])
    return weighted_mean((probability * lengths(offsets).mean(-1)).sum(1), trust, across)


def true_joints_loss(joints: Tensor, truth: Tensor, across: Callable[[Tensor], Tensor] = alone) -> Tensor:
    """E_3dj (supplement, equation 5): mean over the 21 joints of the squared 3D distance, m^2. Rows without truth
    (NaN) do not count.

    Args:
        joints: [B, 21, 3] m.
        truth: [B, 21, 3] m.
        across: see :func:`weighted_mean`.
    """
    known = torch.isfinite(truth).all(-1).all(-1)
    squared = (joints - torch.where(known[:, None, None], truth, joints.detach())).square().sum(-1).mean(-1)
    return weighted_mean(squared, known.to(squared.dtype), across)
