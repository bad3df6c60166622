"""Deferred augmentation on the device gives the pictures that the readers would have made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, default_collate

from handsss.data.augment import Augmentation
from handsss.data.dataset import HandDataset
from handsss.data.device_augment import COVER, LINEAR, RAW, SAMPLES, augment_on_device
from handsss.data.keypoints.sources import TruthSource
from handsss.data.preprocess import PreprocessOptions, preprocess
from handsss.data.readers.freihand import open_freihand

CPU = torch.device("cpu")


@pytest.fixture
def store(freihand: Path, tmp_path: Path) -> Path:
    preprocess(open_freihand(freihand), TruthSource("freihand"), tmp_path / "s.h5", PreprocessOptions())
    return tmp_path / "s.h5"


@pytest.mark.parametrize(
    ("augmentation", "reduction"),
    [
        (Augmentation(), 1),
        (Augmentation(), 2),
        (Augmentation(rotation_deg=180, zoom=0.6), 1),  # some rows shrink, and take more samples
        (Augmentation(rotation_deg=40, colour=1), 2),
        (Augmentation(colour=0.8), 1),
        (
            Augmentation(
                upright=True, crop_fill=0.8, rotation_deg=20, zoom=0.1, detection_dropout=0.3, colour=0.3, occlusion=0.6
            ),
            1,
        ),
    ],
)
def test_a_batch_is_what_readers_make_of_its_rows(store: Path, augmentation: Augmentation, reduction: int) -> None:
    data = HandDataset(store, augmentation, seed=3).reduced(reduction)
    data.set_epoch(2)
    expected = default_collate([data[row] for row in range(len(data))])
    rows = default_collate([data.deferred()[row] for row in range(len(data))])
    made = augment_on_device(rows, CPU)
    assert made.dtype == torch.float32 and made.shape == expected["image"].shape
    apart = (made - expected["image"]).abs() * 255
    # Coordinates are single precision here and double there: a rounding to the other side is one level, and contrast
    # and saturation stretch it.
    assert float(apart.max()) < (4.5 if augmentation.colour else 1.5)
    assert float((apart > 0.1).float().mean()) < 0.03  # means of four bytes are often halves
    assert float((expected["image"].std((0, 1)) > 0).float().mean()) > 0.5  # there is something to see
    for name in expected:
        if name != "image":
            torch.testing.assert_close(rows[name], expected[name], rtol=0, atol=0, equal_nan=True)
    assert (LINEAR in rows) == (augmentation.colour > 0)
    assert (COVER in rows) == (augmentation.occlusion > 0)
    if augmentation.zoom > 0.5:
        assert len(rows[SAMPLES].unique()) > 1
    if augmentation.occlusion:
        assert bool((rows[COVER][..., 3] > 0).any((1, 2)).any()) and not bool(
            (rows[COVER][..., 3] > 0).any((1, 2)).all()
        )


def test_readers_hand_over_bytes(store: Path) -> None:
    data = HandDataset(store, Augmentation(colour=0.5), fields=()).deferred()
    batch = next(iter(DataLoader(data, batch_size=8, num_workers=1)))
    assert batch[RAW].dtype == torch.uint8 and batch[RAW].shape == (8, 224, 224, 3)
    assert "image" not in batch
    picture = HandDataset(store).deferred()[2][RAW].numpy()
    np.testing.assert_array_equal(picture, HandDataset(store).store.crop(2))
