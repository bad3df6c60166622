"""E_heatmap and E_simcc: cross-entropies of the encoder's auxiliary heads. Not the paper's."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from handsss.losses.common import single_process, weighted_mean

_MIN_MASS = 0.5  # of a Gaussian's mass in one dimension: a keypoint with less inside lies outside the image
SIGMA = 1.125  # bins: standard deviation of the target distributions over columns and rows


def e_heatmap(
    logits: Tensor,
    keypoints: Tensor,
    confidence: Tensor,
    size: int,
    process_mean: Callable[[Tensor], Tensor] = single_process,
) -> Tensor:
    """Cross-entropy of heat maps against a Gaussian, one cell wide, at each keypoint; mean weighted by confidence.

    Keypoints outside the image do not count. Weight: ``losses.w_auxiliary``.

    Args:
        logits: [B, 21, H, W].
        keypoints: [B, 21, 2] px, detected.
        confidence: [B, 21] 0..1.
        size: side of the image, px.
        process_mean: see :func:`handsss.losses.common.weighted_mean`.
    """
    height, width = logits.shape[-2:]
    x, y = _gaussians(keypoints[..., 0], width, size, 1.0), _gaussians(keypoints[..., 1], height, size, 1.0)
    target = y[..., :, None] * x[..., None, :]
    mass = target.sum((-2, -1))
    inside = (mass > _MIN_MASS).to(confidence.dtype)
    target = target / mass.clamp_min(1e-6)[..., None, None]
    value = -(target.flatten(2) * logits.flatten(2).log_softmax(-1)).sum(-1)
    return weighted_mean(value, confidence * inside, process_mean)


def e_simcc(
    logits: Tensor,
    keypoints: Tensor,
    confidence: Tensor,
    size: int,
    process_mean: Callable[[Tensor], Tensor] = single_process,
) -> Tensor:
    """Cross-entropy of distributions over columns and rows (SimCC) against Gaussians at each keypoint's x and y.

    Keypoints outside the image do not count. Weight: ``losses.w_auxiliary`` times ``losses.w_simcc``.

    Args:
        logits: [B, 21, 2, N] over columns (x) and rows (y).
        keypoints: [B, 21, 2] px, detected.
        confidence: [B, 21] 0..1.
        size: side of the image, px.
        process_mean: see :func:`handsss.losses.common.weighted_mean`.
    """
    target = _gaussians(keypoints, logits.shape[-1], size, SIGMA)
    mass = target.sum(-1)
    inside = (mass > _MIN_MASS).all(-1).to(confidence.dtype)
    target = target / mass.clamp_min(1e-6)[..., None]
    value = -(target * logits.log_softmax(-1)).sum(-1).mean(-1)
    return weighted_mean(value, confidence * inside, process_mean)


def _gaussians(centres: Tensor, count: int, size: int, sigma: float) -> Tensor:
    """Gaussians [..., count] of height 1 and width ``sigma`` cells at positions [...] px, over equal cells."""
    cells = torch.arange(count, dtype=centres.dtype, device=centres.device) + 0.5
    return torch.exp(-0.5 * ((cells - centres[..., None] * (count / size)) / sigma).square())
