"""What several terms share: a smooth L1 with its knee in pixels, norms with safe gradients, weighted batch means."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

MIDDLE_MCP = 9  # OpenPose order: knuckle of the middle finger, the root of root-relative joints
KNEE = 5.0  # px: below it the smooth L1 is quadratic, above it linear


def smooth_l1(distance: Tensor, knee: float = KNEE) -> Tensor:
    """Smooth L1 of distances [...]: ``d^2 / (2 knee)`` below the knee, ``d - knee / 2`` above.

    The default is the released code's, px: ``d^2 / 10`` below 5 px, ``d - 2.5`` above.
    """
    return torch.where(distance < knee, distance.square() / (2 * knee), distance - knee / 2)


def norm(vectors: Tensor) -> Tensor:
    """L2 norms [...] of vectors [..., C]; the gradient is zero, not NaN, where a vector is zero."""
    squared = vectors.square().sum(-1)
    zero = squared == 0
    return torch.where(zero, torch.zeros_like(squared), torch.where(zero, torch.ones_like(squared), squared).sqrt())


def single_process(total: Tensor) -> Tensor:
    """The mean over processes where there is one: the value itself."""
    return total


def weighted_mean(values: Tensor, weights: Tensor, process_mean: Callable[[Tensor], Tensor] = single_process) -> Tensor:
    """``sum(values * weights) / sum(weights)`` over the whole batch; 0 where all weights are 0.

    Args:
        values: any shape.
        weights: the same shape, or one that broadcasts to it.
        process_mean: averages a sum of weights over the processes that share the batch, so that the mean of their
            results is the quotient over the whole batch.
    """
    total = process_mean(weights.sum())
    empty = total <= 0
    return torch.where(empty, torch.zeros_like(total), (values * weights).sum() / torch.where(empty, 1.0, total))
