"""Auxiliary keypoint heads of the encoder: heat maps and SimCC. Not the paper's.

An encoder at random weights gets a weak gradient from direct regression. Heat maps over its feature maps train the same
filters at every position; distributions over rows and columns, read from the pooled vector (SimCC), make that vector
carry positions. With ``network.keypoint_features`` the regressor also gets the keypoints' expected positions from the
heat maps, which are more precise than the pooled vector.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from handsss.network.heat_maps import spatial_expectation, spatial_softmax

KEYPOINTS = 21
KEYPOINT_FEATURES = 3 * KEYPOINTS  # length of :func:`keypoint_features`
_RANGE = 8.0  # coordinates are scaled to -8..8: up to 1 they would drown among a thousand pooled features
BINS = 64  # of SimCC, over columns and over rows
_WIDTH = 64  # channels that the feature maps are projected to


class AuxiliaryOutput(NamedTuple):
    """Keypoints as logits."""

    maps: Tensor  # [B, 21, H, W] heat maps, of the largest feature map's size
    simcc: Tensor | None  # [B, 21, 2, 64] over columns (x) and over rows (y); None without that head


class AuxiliaryHeads(nn.Module):
    """Heat maps from a pyramid of the encoder's feature maps, and SimCC distributions from its pooled vector.

    Args:
        channels: of the feature maps, largest map first.
        vector: length of the pooled vector; 0: no SimCC head.
    """

    def __init__(self, channels: tuple[int, ...], vector: int = 0) -> None:
        super().__init__()
        self.sides = nn.ModuleList(nn.Conv2d(count, _WIDTH, 1) for count in channels)
        self.mixing = nn.ModuleList(
            nn.Sequential(nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1, bias=False), nn.BatchNorm2d(_WIDTH), nn.ReLU())
            for _ in channels[:-1]
        )
        self.maps = nn.Conv2d(_WIDTH, KEYPOINTS, 1)
        self.simcc = nn.Linear(vector, KEYPOINTS * 2 * BINS) if vector else None

    def forward(self, pyramid: tuple[Tensor, ...], vector: Tensor) -> AuxiliaryOutput:
        """Predict from feature maps [B, C_i, H_i, W_i], largest first, and the vector [B, C]."""
        merged = self.sides[-1](pyramid[-1])
        for number in reversed(range(len(pyramid) - 1)):
            finer = self.sides[number](pyramid[number])
            size = list(finer.shape[-2:])
            coarser = nn.functional.interpolate(merged, size=size, mode="bilinear", align_corners=False)
            merged = self.mixing[number](finer + coarser)
        simcc = None if self.simcc is None else self.simcc(vector).unflatten(1, (KEYPOINTS, 2, BINS))
        return AuxiliaryOutput(self.maps(merged), simcc)


def keypoint_features(maps: Tensor) -> Tensor:
    """Expected x and y of every heat map (-8..8 over the image), and the probability of its largest cell.

    Args:
        maps: [B, 21, H, W] logits.

    Returns:
        [B, 63].
    """
    probability = spatial_softmax(maps)
    x, y = ((2 * spatial_expectation(probability) - 1) * _RANGE).unbind(-1)
    return torch.cat([x, y, probability.flatten(2).amax(-1)], 1)
