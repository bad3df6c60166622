"""Hands that a GPU paints are those that the CPU paints."""

from __future__ import annotations

import torch

from handsss.data.online.dataset import OnlineHands
from handsss.data.online.painter import OnlineSettings
from handsss.training.batch_rows import stacked
from handsss.training.config import PRESETS
from tests.cuda.device import DEVICE, pytestmark

__all__ = ["pytestmark"]


def test_the_same_hands() -> None:
    how = OnlineSettings(keypoints="detector", augmentation=PRESETS["small"].augmentation, poses=64)
    data = OnlineHands(how, 8).reduced(4)
    rows = stacked([data[row] for row in range(4)])
    ours, theirs = data.paint(rows, DEVICE), data.paint(rows, torch.device("cpu"))
    for name in ("keypoints_2d", "confidence", "K", "joints_3d", "vertices", "scale"):
        assert ours[name].device.type == DEVICE.type
        assert torch.allclose(
            ours[name].cpu(), theirs[name], rtol=1e-4, atol=2e-3 if name in ("keypoints_2d", "K") else 1e-5
        )
    apart = (ours["image"].cpu() - theirs["image"]).abs() * 255
    # A pixel at an edge may go to the other side of it, a coefficient of the file to the next step.
    assert float((apart > 2.5).float().mean()) < 0.01
