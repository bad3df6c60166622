"""The 2D branch: stacked hourglasses, heat maps, soft-argmax.

After "Stacked Hourglass Networks for Human Pose Estimation" (Newell, Yang, Deng, 2016), as the method uses it.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from handsss.network.heat_maps import spatial_expectation, spatial_softmax

KEYPOINTS = 21
PADDED, HEAT = 256, 64  # px: sides of the padded image and of a heat map
_DEPTH = 4


class Residual(nn.Module):
    """Pre-activation bottleneck: 1 x 1, 3 x 3, 1 x 1."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        middle = outputs // 2
        self.body = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.ReLU(),
            nn.Conv2d(inputs, middle, 1),
            nn.BatchNorm2d(middle),
            nn.ReLU(),
            nn.Conv2d(middle, middle, 3, padding=1),
            nn.BatchNorm2d(middle),
            nn.ReLU(),
            nn.Conv2d(middle, outputs, 1),
        )
        self.skip = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.skip(x) + self.body(x))


def _residuals(features: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(Residual(features, features) for _ in range(count)))


class Hourglass(nn.Module):
    """Down to a sixteenth of the resolution and up again, with a skip branch at every level."""

    def __init__(self, depth: int, features: int, modules: int) -> None:
        super().__init__()
        self.upper = _residuals(features, modules)
        self.pool = nn.MaxPool2d(2)
        self.down = _residuals(features, modules)
        self.inner: nn.Module = Hourglass(depth - 1, features, modules) if depth > 1 else _residuals(features, modules)
        self.up = _residuals(features, modules)

    def forward(self, x: Tensor) -> Tensor:
        lower = self.up(self.inner(self.down(self.pool(x))))
        return cast(Tensor, self.upper(x) + nn.functional.interpolate(lower, scale_factor=2.0, mode="nearest"))


class KeypointBranch(nn.Module):
    """Keypoints of an image, one set per stack.

    Args:
        stacks: 2 in the paper.
        features: 256 in the paper.
        modules: residual modules per level, 2 in the paper.
    """

    def __init__(self, stacks: int = 2, features: int = 256, modules: int = 2) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, stride=2, padding=3),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            Residual(64, 128),
            nn.MaxPool2d(2),
            Residual(128, 128),
            Residual(128, features),
        )
        self.hourglasses = nn.ModuleList(Hourglass(_DEPTH, features, modules) for _ in range(stacks))
        self.after = nn.ModuleList(
            nn.Sequential(
                _residuals(features, modules), nn.Conv2d(features, features, 1), nn.BatchNorm2d(features), nn.ReLU()
            )
            for _ in range(stacks)
        )
        self.heat = nn.ModuleList(nn.Conv2d(features, KEYPOINTS, 1) for _ in range(stacks))
        self.back = nn.ModuleList(nn.Conv2d(features, features, 1) for _ in range(stacks - 1))
        self.heat_back = nn.ModuleList(nn.Conv2d(KEYPOINTS, features, 1) for _ in range(stacks - 1))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Keypoints [B, S, 21, 2] px of the crop, and heat maps [B, S, 21, 64, 64], of images [B, 3, 224, 224]
        with values 0..1."""
        right, below = PADDED - image.shape[3], PADDED - image.shape[2]
        padded = nn.functional.pad(image - 0.5, (0, right, 0, below))
        x = self.stem(padded.contiguous(memory_format=torch.channels_last))
        maps = []
        for number, hourglass in enumerate(self.hourglasses):
            features = self.after[number](hourglass(x))
            heat = self.heat[number](features)
            maps.append(heat)
            if number < len(self.back):
                x = x + self.back[number](features) + self.heat_back[number](heat)
        stacked = torch.stack(maps, 1)
        return soft_argmax(stacked), stacked


def soft_argmax(heat: Tensor) -> Tensor:
    """Soft-argmax: expected positions [..., 2] of heat maps [..., h, w], in pixels of the padded image.

    The crop is its upper left part, so pixels of the crop are the same.
    """
    return PADDED * spatial_expectation(spatial_softmax(heat))
