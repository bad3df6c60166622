"""Heat maps as distributions over the places of a picture."""

from __future__ import annotations

import torch
from torch import Tensor


def shares(maps: Tensor) -> Tensor:
    """The softmax over all cells of logits [..., H, W], in single precision."""
    return maps.float().flatten(-2).softmax(-1).unflatten(-1, maps.shape[-2:])


def mean_place(share: Tensor) -> Tensor:
    """The expected x and y [..., 2] of distributions [..., H, W]: 0..1 from the map's left and upper edge."""
    height, width = share.shape[-2:]
    x, y = ((torch.arange(n, device=share.device, dtype=share.dtype) + 0.5) / n for n in (width, height))
    return torch.stack([(share.sum(-2) * x).sum(-1), (share.sum(-1) * y).sum(-1)], -1)
