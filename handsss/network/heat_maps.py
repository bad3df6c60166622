"""Soft-argmax: heat maps as distributions over an image, and their expected positions."""

from __future__ import annotations

import torch
from torch import Tensor


def spatial_softmax(maps: Tensor) -> Tensor:
    """Softmax over the cells of logits [..., H, W], in float32."""
    return maps.float().flatten(-2).softmax(-1).unflatten(-1, maps.shape[-2:])


def spatial_expectation(probability: Tensor) -> Tensor:
    """Expected x and y [..., 2] of distributions [..., H, W]: 0..1 from the left and upper edge."""
    height, width = probability.shape[-2:]
    x, y = ((torch.arange(n, device=probability.device, dtype=probability.dtype) + 0.5) / n for n in (width, height))
    return torch.stack([(probability.sum(-2) * x).sum(-1), (probability.sum(-1) * y).sum(-1)], -1)
