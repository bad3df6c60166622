"""E_C: texture regularisation."""

from __future__ import annotations

import torch
from torch import Tensor


def e_c(texture: Tensor, confidence: Tensor) -> Tensor:
    """``E_C = con_sum / n sum_i f(c_i)``, mean over the batch; ``f(c) = 0`` for a vertex whose channels all lie within
    two standard deviations of the mean colour, ``|c - mean|^2`` otherwise.

    The standard deviation gets no gradient: it only decides which vertices are outliers. Source: supplement,
    eq. 1-2. Weight: ``losses.w_C``. See docs/method.md, losses.

    Args:
        texture: [B, V, 3] RGB about 0..1.
        confidence: [B, 21] 0..1; its sum is ``con_sum``.
    """
    mean = texture.mean(1, keepdim=True)
    deviation = (texture - mean).square().mean(1, keepdim=True).sqrt().detach()
    inlier = ((texture - mean).abs() <= 2 * deviation).all(-1)
    squared = torch.where(inlier, torch.zeros_like(inlier, dtype=texture.dtype), (texture - mean).square().sum(-1))
    return (confidence.sum(1) * squared.mean(1)).mean()
