"""Heads that teach an encoder without ImageNet weights to see keypoints. Only guided networks predict with one of them.

Not the paper's. A direct regression gives an encoder that begins at random weights next to nothing to follow: heat maps
over its own feature maps do, as the same filters are taught at every place of the picture, and a distribution over rows
and columns read from the pooled vector makes that vector carry places. Guided networks tell their regressor where the
heat maps have the keypoints, which is nearer than what the pooled vector can say.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from handsss.network.heat_maps import mean_place, shares

KEYPOINTS = 21
GUIDE = 3 * KEYPOINTS  # length of what :func:`guide` gives
_LOUD = 8.0  # half the picture's side in the guide: beside a thousand features, numbers up to 1 would hardly be heard
BINS = 64  # columns, and rows, that the pooled vector tells apart
_WIDTH = 64  # channels of the feature maps' common form


class AuxiliaryOutput(NamedTuple):
    """Where the encoder sees the keypoints, as logits."""

    maps: Tensor  # [B, 21, H, W] over the places of the largest feature map
    places: Tensor | None  # [B, 21, 2, 64] over columns (x) and over rows (y); None without that head


class AuxiliaryHeads(nn.Module):
    """Heat maps from a pyramid of the encoder's feature maps, and places from its vector.

    Args:
        channels: of the feature maps, largest map first.
        vector: length of the pooled vector; 0: no places.
    """

    def __init__(self, channels: tuple[int, ...], vector: int = 0) -> None:
        super().__init__()
        self.sides = nn.ModuleList(nn.Conv2d(count, _WIDTH, 1) for count in channels)
        self.mixing = nn.ModuleList(
            nn.Sequential(nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1, bias=False), nn.BatchNorm2d(_WIDTH), nn.ReLU())
            for _ in channels[:-1]
        )
        self.maps = nn.Conv2d(_WIDTH, KEYPOINTS, 1)
        self.places = nn.Linear(vector, KEYPOINTS * 2 * BINS) if vector else None

    def forward(self, pyramid: tuple[Tensor, ...], vector: Tensor) -> AuxiliaryOutput:
        """Read feature maps [B, C_i, H_i, W_i], largest first, and the vector [B, C]."""
        merged = self.sides[-1](pyramid[-1])
        for number in reversed(range(len(pyramid) - 1)):
            finer = self.sides[number](pyramid[number])
            size = list(finer.shape[-2:])
            coarser = nn.functional.interpolate(merged, size=size, mode="bilinear", align_corners=False)
            merged = self.mixing[number](finer + coarser)
        places = None if self.places is None else self.places(vector).unflatten(1, (KEYPOINTS, 2, BINS))
        return AuxiliaryOutput(self.maps(merged), places)


def guide(maps: Tensor) -> Tensor:
    """Where heat maps have the keypoints: expected x and y (the picture is -8..8) and the largest cell's probability.

    Args:
        maps: [B, 21, H, W] logits.

    Returns:
        [B, 63].
    """
    share = shares(maps)
    x, y = ((2 * mean_place(share) - 1) * _LOUD).unbind(-1)
    return torch.cat([x, y, share.flatten(2).amax(-1)], 1)
