"""Point sets about their weighted middle."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Centred(NamedTuple):
    """Points about their weighted middle, and their size there."""

    points: Tensor  # [..., N, 3]
    mean_square: Tensor  # [..., 1, 1] weighted mean of the squared distances from the middle


def centred(points: Tensor, weight: Tensor) -> Centred:
    """Points about their weighted middle.

    Args:
        points: [..., N, 3].
        weight: [..., N], not negative; only their ratios count. All zero: the points stay, with size 0.
    """
    share = (weight / weight.sum(-1, keepdim=True).clamp_min(1e-12))[..., None]
    moved = points - (share * points).sum(-2, keepdim=True)
    return Centred(moved, (share * moved.square()).sum((-2, -1), keepdim=True))
