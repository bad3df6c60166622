"""Regressors of pose, shape, rotation, translation, scale, texture and light (supplement, tables 2 and 3)."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn

from handsss.geometry.rotations import six_numbers_to_matrix
from handsss.rendering.shading import MEAN_SKIN

POSE, SHAPE, LIGHT = 30, 10, 11
SCALE_START, DEPTH_START = 0.95, 0.65  # initial hands: about life size, at arm's length (m)
# Initial light: ambient and directional intensity, their colours (RGB), direction towards the light.
LIGHT_START = (0.6, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.2, -0.5, -0.8)
_SMALL = 1e-3  # standard deviation of initial weights whose outputs start at their bias


class HandVector(NamedTuple):
    """The regressed hand, before any geometry."""

    pose: Tensor  # [B, 30] principal components of the pose; the mean pose is added by the hand layer
    shape: Tensor  # [B, 10]
    rotation: Tensor  # [B, 3] axis-angle, or [B, 3, 3] matrices
    translation: Tensor  # [B, 3] m
    scale: Tensor  # [B]


def _head(*sizes: int, hidden_relu: bool = True) -> nn.Sequential:
    """Linear layers; a ReLU after the first, and after the others but the last if asked for."""
    layers: list[nn.Module] = []
    for number, (a, b) in enumerate(itertools.pairwise(sizes)):
        layers.append(nn.Linear(a, b))
        last = number == len(sizes) - 2
        if not last and (number == 0 or hidden_relu):
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def _start_at(layer: nn.Module, bias: Tensor) -> None:
    assert isinstance(layer, nn.Linear)
    nn.init.normal_(layer.weight, std=_SMALL)
    with torch.no_grad():
        layer.bias.copy_(bias)


class HandRegressor(nn.Module):
    """Table 2: f_base and the heads of pose, shape, rotation, translation and scale.

    Args:
        channels: C_h of the encoder.
        rotation: "axis-angle", as in the paper, or "6d".
    """

    def __init__(self, channels: int, rotation: str = "axis-angle") -> None:
        super().__init__()
        self.base = nn.Sequential(
            nn.Linear(channels, 1024),
            nn.BatchNorm1d(1024),
            nn.ReLU(),
            nn.Linear(1024, 512),
            nn.BatchNorm1d(512),
            nn.ReLU(),
        )
        self.pose = _head(512, 128, POSE)
        self.shape = _head(512, 128, SHAPE)
        self.translation = _head(512, 128, 32, 3, hidden_relu=False)
        self.rotation = _head(512, 128, 32, 3 if rotation == "axis-angle" else 6, hidden_relu=False)
        self.scale = _head(512, 128, 32, 1, hidden_relu=False)
        _start_at(self.scale[-1], torch.tensor([SCALE_START]))
        _start_at(self.translation[-1], torch.tensor([0.0, 0.0, DEPTH_START]))
        if rotation != "axis-angle":
            _start_at(self.rotation[-1], torch.tensor([1.0, 0, 0, 0, 1, 0]))

    def forward(self, vector: Tensor) -> HandVector:
        """Regress from pooled features [B, C_h]; rotations of six numbers become matrices."""
        base = self.base(vector)
        rotation = self.rotation(base)
        if rotation.shape[1] == 6:
            rotation = six_numbers_to_matrix(rotation.float())
        return HandVector(self.pose(base), self.shape(base), rotation, self.translation(base), self.scale(base)[:, 0])


class AppearanceRegressor(nn.Module):
    """Table 3: f_conv, f_tex and f_light.

    Args:
        channels: C_l of the encoder.
        vertices: of the hand model: three colour channels each (778 x 3 = 2334).
    """

    def __init__(self, channels: int, vertices: int = 778) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(channels, 48, 10, stride=4, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(48, 64, 3, stride=1, padding=0),
            nn.ReLU(),
            nn.MaxPool2d(2, 2),
            nn.Flatten(),
        )
        self.texture = _head(256, 64, 3 * vertices)
        self.light = _head(256, 64, LIGHT)
        self.register_buffer("mean_skin", torch.tensor(MEAN_SKIN), persistent=False)
        _start_at(self.texture[-1], torch.zeros(3 * vertices))
        _start_at(self.light[-1], torch.tensor(LIGHT_START))

    def forward(self, low: Tensor) -> tuple[Tensor, Tensor]:
        """Vertex colours [B, V, 3] (about 0..1) and light [B, 11] from low-level features [B, C_l, 56, 56]."""
        vector = self.conv(low)
        colours = self.texture(vector)
        return colours.unflatten(1, (-1, 3)) + self.mean_skin, self.light(vector)
