"""Losses of the 2D branch: E_2d and E_con. Method, section 2."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from handsss.losses.geometric import alone, lengths, smooth_l1, weighted_mean


def keypoint_loss(
    keypoints: Tensor, detected: Tensor, confidence: Tensor, across: Callable[[Tensor], Tensor] = alone
) -> Tensor:
    """E_2d: distance between the branch's keypoints and detections, px, weighted by squared confidence, normalised
    over the batch, summed over stacks.

    Args:
        keypoints: [B, S, 21, 2] px.
        detected: [B, 21, 2] px.
        confidence: [B, 21].
        across: see :func:`handsss.losses.geometric.weighted_mean`.
    """
    weights = confidence.square()
    total = keypoints.sum() * 0
    for stack in range(keypoints.shape[1]):
        total = total + weighted_mean(lengths(keypoints[:, stack] - detected), weights, across)
    return total


def consistency_loss(keypoints: Tensor, projected: Tensor) -> Tensor:
    """E_con: smooth L1 between the last stack's keypoints and the projected joints, px, mean over joints and batch.
    Both get gradient.

    Args:
        keypoints: [B, S, 21, 2] px.
        projected: [B, 21, 2] px.
    """
    return smooth_l1(lengths(keypoints[:, -1] - projected)).mean()
