"""Online pictures as training data: rows are random numbers, which become pictures on the device that trains."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handsss.data.dataset import ALWAYS, HandDataset
from handsss.data.online.draws import Draws, draw
from handsss.data.online.painter import OnlineSettings, Painter
from handsss.data.synthetic.background import digest, list_backgrounds
from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model

NAME = "online"  # in place of a store's path; a folder of backgrounds may follow after a colon
UNIFORM, NORMAL, REDUCTION = "uniform", "normal", "reduction"  # fields of a row that is yet to be painted


def is_online(data: Path) -> bool:
    """Whether training data are online pictures: ``online`` or ``online:FOLDER``."""
    return str(data) == NAME or str(data).startswith(f"{NAME}:")


def backgrounds_of(data: Path) -> Path | None:
    """The folder of backgrounds in ``online:FOLDER``; None for ``online``."""
    folder = str(data)[len(NAME) + 1 :]
    return Path(folder) if folder else None


def resolved(data: Path) -> Path:
    """The same with an absolute path of the folder, or of the store that it is."""
    if not is_online(data):
        return data.resolve()
    folder = backgrounds_of(data)
    return data if folder is None else Path(f"{NAME}:{folder.resolve()}")


class OnlineHands(HandDataset):
    """Online pictures, row by row; no two epochs show the same.

    A row holds the random numbers of a picture: :meth:`paint` makes pictures of a batch of them.

    Args:
        settings: of the pictures.
        rows: that count as an epoch.

    Raises:
        InputError: no such folder of backgrounds, or no pictures in it.
    """

    def __init__(self, settings: OnlineSettings, rows: int) -> None:
        photos = [] if settings.backgrounds is None else list_backgrounds(settings.backgrounds, "data", f"{NAME}:")
        self.settings = settings
        self.path = Path(NAME if settings.backgrounds is None else f"{NAME}:{settings.backgrounds}")
        self.augmentation, self.seed, self.epoch = settings.augmentation, settings.seed, 0
        self.reduction, self.defers, self.fields = 1, True, ALWAYS
        self._length, self._store, self._owner = rows, None, -1
        source = "truth" if settings.keypoints == "truth" else "disturbed"
        self.attributes: dict[str, Any] = {
            "dataset": NAME,
            "keypoint_source": {"source": source},
            "keypoint_set": settings.keypoint_set,
            "joints_3d_set": settings.joints_set,
            "backgrounds": digest(photos),
            "mean_bone_9_10": _mean_bone(settings.joints_set),
        }
        self._painters: dict[str, Painter] = {}

    def reduced(self, reduction: int) -> OnlineHands:
        """The same rows with images of 224 / reduction px; keypoints and camera stay in pixels of 224."""
        other = copy(self)
        other.reduction, other._painters = reduction, self._painters
        return other

    def deferred(self) -> OnlineHands:
        """Its rows are never images."""
        return self

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        if not -self._length <= row < self._length:
            raise IndexError(row)
        row %= self._length
        numbers = draw(self.settings.seed, self.epoch, row)
        return {
            UNIFORM: numbers.uniform[0],
            NORMAL: numbers.normal[0],
            REDUCTION: torch.tensor(self.reduction),
            "index": torch.tensor(row),
        }

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_painters": {}}  # readers need none

    def paint(self, rows: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
        """A batch as a store's rows are.

        Args:
            rows: stacked rows of :meth:`__getitem__`, on the CPU.
            device: to paint on.

        Returns:
            ``image`` [B, 3, S, S] 0..1, ``keypoints_2d`` [B, 21, 2] px at 224, ``confidence`` [B, 21], ``K`` [B, 3, 3],
            ``joints_3d`` [B, 21, 3], ``vertices`` [B, 778, 3], ``scale`` [B], ``index`` [B].

        Raises:
            InputError: the backgrounds cannot be read.
        """
        key = str(device)
        if key not in self._painters:
            self._painters[key] = Painter(self.settings, device)
        painted = self._painters[key](Draws(rows[UNIFORM], rows[NORMAL]), int(rows[REDUCTION][0]))
        joints = painted.joints_3d
        return {
            "image": painted.image,
            "keypoints_2d": painted.keypoints_2d,
            "confidence": painted.confidence,
            "K": painted.K,
            "joints_3d": joints,
            "vertices": painted.vertices,
            "scale": (joints[:, 9] - joints[:, 10]).norm(dim=1),
            "index": rows["index"],
        }


def _mean_bone(joints_set: str) -> float:
    """m, average length of bone 9-10 over hands as they are drawn."""
    layer = HandLayer(load_model("open"), flat_hand_mean=True)
    shapes = np.random.default_rng(0).normal(size=(64, 10)).clip(-2.5, 2.5)
    with torch.no_grad():
        hands = layer(axis_angle=torch.zeros(64, 45), shape=torch.as_tensor(shapes, dtype=torch.float32))
        joints = layer.keypoints(hands, joints_set)
    return float((joints[:, 9] - joints[:, 10]).norm(dim=1).mean())
