"""A torch dataset over a store: rows are dictionaries of tensors; safe with any number of loader workers."""

from __future__ import annotations

import os
from copy import copy
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from handsss.data import device_augment
from handsss.data.augment import Augmentation, Recolouring, covered, draw_cover, draw_recolouring
from handsss.data.store.reader import Store
from handsss.errors import InputError
from handsss.geometry.framing import CROP
from handsss.geometry.warp import samples_per_pixel
from handsss.geometry.window import Window

ALWAYS = ("keypoints_2d", "confidence", "K", "hand", "index")
OPTIONAL = ("joints_3d", "root_3d", "vertices", "world_3d", "scale", "mask", "has_mask")
EXACT = ("mano_pose", "mano_shape", "mano_translation")  # only without turning: they have frames of their own


class HandDataset(Dataset[dict[str, Tensor]]):
    """A store, row by row.

    A row is ``{"image": [3, 224, 224] float32 0..1, "keypoints_2d": [21, 2], "confidence": [21], "K": [3, 3],
    "hand": (), "index": (), ...}`` with whatever of ``joints_3d, root_3d, vertices, world_3d, scale, mask`` the store
    has; rows without truth, or without depth, hold NaN there. Pictures may be smaller: :meth:`reduced`.

    Args:
        path: of the store.
        augmentation: none by default.
        seed: of the augmentations; the same seed, epoch and row give the same picture, whatever worker reads it.
        fields: further fields by name instead of all that are there.

    Raises:
        InputError: see :func:`handsss.data.store.reader.open_store`; a field that the store does not have; MANO
            parameters together with turning.
    """

    def __init__(
        self,
        path: Path,
        augmentation: Augmentation | None = None,
        *,
        seed: int = 0,
        fields: tuple[str, ...] | None = None,
    ) -> None:
        self.path = Path(path)
        self.augmentation = augmentation or Augmentation()
        self.seed = seed
        self.epoch = 0
        self.reduction = 1
        self.defers = False
        store = Store(self.path)
        self._length = len(store)
        self.attributes: dict[str, Any] = store.attributes
        available = [name for name in (*OPTIONAL, *EXACT) if name in store.file]
        store.close()
        missing = [name for name in fields or () if name not in available]
        if missing:
            raise InputError(f"{path}: has no {', '.join(missing)}; it has {', '.join(available) or 'no truth'}.")
        if fields is None:
            fields = tuple(name for name in available if name in OPTIONAL)
        if self.augmentation.turns and set(fields) & set(EXACT):
            raise InputError(f"{path}: MANO parameters cannot be turned along with the picture. Leave one out.")
        self.fields = (*ALWAYS, *fields)
        self._store: Store | None = None
        self._owner = -1

    def __len__(self) -> int:
        return self._length

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, which is part of the augmentations' seed."""
        self.epoch = epoch

    def reduced(self, reduction: int) -> HandDataset:
        """The same rows with images of 224 / reduction px, for encoders with smaller inputs; keypoints and camera
        stay in pixels of the 224 px crop. Faster to load."""
        other = copy(self)  # without the handle: see __getstate__
        other.reduction = reduction
        return other

    def deferred(self) -> HandDataset:
        """The same rows with unaugmented crops and the parameters of their augmentation, for
        :func:`handsss.data.device_augment.augment_on_device`, which computes ``image`` for a whole batch."""
        other = copy(self)
        other.defers = True
        return other

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_store": None, "_owner": -1}

    @property
    def store(self) -> Store:
        """The store, opened once per process: an HDF5 handle must not cross a fork."""
        if self._store is None or self._owner != os.getpid():
            self._store, self._owner = Store(self.path), os.getpid()
        return self._store

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        if not -self._length <= row < self._length:
            raise IndexError(row)
        row %= self._length
        store = self.store
        values = {name: store.field(name, row) for name in self.fields}
        picture = store.crop(row)
        rng = np.random.default_rng((self.seed, self.epoch, row))
        changes = self._draw(values, rng)
        if changes.window is not None:
            values = _seen_through(changes.window, values)
        result = self._instructions(picture, changes) if self.defers else {"image": self._image(picture, changes)}
        for name, value in values.items():
            array = np.asarray(value)
            kind = array.astype(np.float32) if array.dtype.kind == "f" else array.astype(np.int64)
            result[name] = torch.from_numpy(np.ascontiguousarray(kind)).reshape(kind.shape)
        return result

    def _draw(self, values: dict[str, np.ndarray], rng: np.random.Generator) -> _Changes:
        """Draw the random parameters of a row."""
        how, side = self.augmentation, CROP // self.reduction
        window = how.window(values["keypoints_2d"], values["confidence"], rng) if how.turns else None
        recolouring = draw_recolouring(how.colour, rng) if how.colour > 0 else None
        hidden = how.occlusion > 0 and rng.random() < how.occlusion
        return _Changes(window, recolouring, draw_cover(side, side, rng) if hidden else None)

    def _image(self, picture: np.ndarray, changes: _Changes) -> Tensor:
        """[3, S, S] 0..1."""
        if changes.window is not None:
            window = changes.window.resized(CROP // self.reduction)
            picture = window.sample(picture, repeat=True, samples=self.reduction, dtype=np.uint8)
        elif self.reduction > 1:
            parts = picture.reshape(CROP // self.reduction, self.reduction, -1, self.reduction, 3)
            picture = np.round(parts.mean((1, 3))).astype(np.uint8)
        if changes.recolouring is not None:
            picture = changes.recolouring(picture)
        if changes.cover is not None:
            picture = covered(picture, changes.cover)
        return torch.from_numpy(picture.transpose(2, 0, 1).astype(np.float32) / 255)

    def _instructions(self, picture: np.ndarray, changes: _Changes) -> dict[str, Tensor]:
        """The crop, and what :meth:`_image` would do to it; the same fields for every row, so that rows stack."""
        window = changes.window or Window.around_picture(CROP, CROP, CROP)
        matrix = window.resized(CROP // self.reduction).inverse
        samples = self.reduction if changes.window is None else samples_per_pixel(matrix, self.reduction)
        result = {
            device_augment.RAW: torch.tensor(picture),
            device_augment.WARP: torch.from_numpy(matrix.astype(np.float32)),
            device_augment.SAMPLES: torch.tensor(samples),
            device_augment.REDUCTION: torch.tensor(self.reduction),
        }
        if changes.recolouring is not None:
            result[device_augment.LINEAR] = torch.from_numpy(changes.recolouring.linear.astype(np.float32))
            result[device_augment.GREY] = torch.tensor(changes.recolouring.grey, dtype=torch.float32)
        if self.augmentation.occlusion > 0:
            side = CROP // self.reduction
            nothing = np.zeros((side, side, 4), np.uint8)
            result[device_augment.COVER] = torch.from_numpy(nothing if changes.cover is None else changes.cover)
        return result


class _Changes(NamedTuple):
    """Augmentation of a row's picture, in this order."""

    window: Window | None
    recolouring: Recolouring | None
    cover: np.ndarray | None  # [S, S, 4]


def _seen_through(window: Window, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All fields but the picture, in a window's pixels and camera frame."""
    visible = values["confidence"][:, None] > 0
    values["keypoints_2d"] = np.where(visible, window.to_window(values["keypoints_2d"]), 0.0)
    values["K"] = window.intrinsics(values["K"])
    for name in ("joints_3d", "root_3d", "vertices"):
        if name in values:
            values[name] = window.rotate(values[name].astype(np.float64))
    if "world_3d" in values:
        world = values["world_3d"].astype(np.float64)
        values["world_3d"] = np.concatenate([window.rotate(world[:, :3]), world[:, 3:]], 1)
    if "mask" in values:
        shown = window.sample((values["mask"] * 255).astype(np.uint8), repeat=False)
        values["mask"] = (shown > 0.5).astype(np.uint8)
    return values
