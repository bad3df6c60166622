"""Losses of the auxiliary heads: cross-entropy against distributions about the detected keypoints. Not the paper's."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from handsss.losses.geometric import alone, weighted_mean

_LEAST = 0.5  # of a unit bump's mass in one dimension: less is left of a keypoint outside of the picture
SPREAD = 1.125  # bins: standard deviation of the distribution over columns and rows


def map_loss(
    logits: Tensor, keypoints: Tensor, confidence: Tensor, size: int, across: Callable[[Tensor], Tensor] = alone
) -> Tensor:
    """Cross-entropy of heat maps against a Gaussian, one cell wide, at each keypoint; mean weighted by confidence.

    Keypoints outside of the picture count for nothing.

    Args:
        logits: [B, 21, H, W].
        keypoints: [B, 21, 2] px, detected.
        confidence: [B, 21].
        size: side of the picture, px.
        across: see :func:`handsss.losses.geometric.weighted_mean`.
    """
    height, width = logits.shape[-2:]
    x, y = _bumps(keypoints[..., 0], width, size, 1.0), _bumps(keypoints[..., 1], height, size, 1.0)
    wanted = y[..., :, None] * x[..., None, :]
    mass = wanted.sum((-2, -1))
    inside = (mass > _LEAST).to(confidence.dtype)
    wanted = wanted / mass.clamp_min(1e-6)[..., None, None]
    value = -(wanted.flatten(2) * logits.flatten(2).log_softmax(-1)).sum(-1)
    return weighted_mean(value, confidence * inside, across)


def place_loss(
    logits: Tensor, keypoints: Tensor, confidence: Tensor, size: int, across: Callable[[Tensor], Tensor] = alone
) -> Tensor:
    """Cross-entropy of distributions over columns and rows against Gaussians at each keypoint's x and y.

    Args:
        logits: [B, 21, 2, N].
        keypoints: [B, 21, 2] px, detected.
        confidence: [B, 21].
        size: side of the picture, px.
        across: see :func:`handsss.losses.geometric.weighted_mean`.
    """
    wanted = _bumps(keypoints, logits.shape[-1], size, SPREAD)
    mass = wanted.sum(-1)
    inside = (mass > _LEAST).all(-1).to(confidence.dtype)
    wanted = wanted / mass.clamp_min(1e-6)[..., None]
    value = -(wanted * logits.log_softmax(-1)).sum(-1).mean(-1)
    return weighted_mean(value, confidence * inside, across)


def _bumps(places: Tensor, count: int, size: int, spread: float) -> Tensor:
    """Gaussians [..., count] (1 at their middle, ``spread`` cells wide) about places [...] px, over equal cells."""
    cells = torch.arange(count, dtype=places.dtype, device=places.device) + 0.5
    return torch.exp(-0.5 * ((cells - places[..., None] * (count / size)) / spread).square())
