"""Pictures that a GPU turns and recolours are those that it would have got from the CPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils.data import default_collate

from handsss.data.augment import Augmentation
from handsss.data.dataset import HandDataset
from handsss.data.device_augment import augment_on_device
from handsss.training.config import PRESETS
from tests.cuda.device import DEVICE, pytestmark

__all__ = ["pytestmark"]


@pytest.mark.parametrize("reduction", [1, 2])
@pytest.mark.parametrize(
    "augmentation",
    [
        Augmentation(),
        Augmentation(rotation_deg=180, zoom=0.6),
        PRESETS["small"].augmentation,
        Augmentation(
            upright=True,
            crop_fill=0.8,
            rotation_deg=20,
            zoom=0.1,
            detection_dropout=0.3,
            colour=0.3,
            occlusion=0.6,
        ),
    ],
    ids=["none", "turned", "small", "all"],
)
def test_the_same_pictures(stores: tuple[Path, Path], augmentation: Augmentation, reduction: int) -> None:
    data = HandDataset(stores[0], augmentation, seed=3).reduced(reduction)
    data.set_epoch(2)
    rows = default_collate([data.deferred()[row] for row in range(len(data))])
    made = augment_on_device(rows, DEVICE)
    assert made.device.type == DEVICE.type
    read = default_collate([data[row]["image"] for row in range(len(data))])
    for expected in (augment_on_device(rows, torch.device("cpu")), read):
        apart = (made.cpu() - expected).abs() * 255
        # Coordinates are rounded otherwise: a level of 255 in single pixels, more where contrast is stretched.
        assert float(apart.max()) < (4.5 if augmentation.colour else 1.5)
        assert float((apart > 0.1).float().mean()) < 0.03
    assert float(read.std()) > 0.05
