"""Schema of a store: fields with shapes, units and types; see docs/guides/store.md."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from handsss.geometry.framing import CROP

FORMAT = "handsss-store"
FORMAT_VERSION = 1
KEYPOINTS = 21
HANDS = ("right", "left")  # values 0 and 1 of the field `hand`


@dataclass(frozen=True)
class Field:
    """One field of a store; the first dimension is the row."""

    shape: tuple[int | None, ...]  # of one row; None: any length, the same in all rows of a file
    dtype: str
    unit: str
    text: str
    missing: float | int | None = None  # what a row without it holds; None: every row has it
    packed: bool = False  # compressed without loss


FIELDS = MappingProxyType(
    {
        "keypoints_2d": Field((21, 2), "float32", "px of the crop, pixel centres at +0.5", "2D keypoints"),
        "confidence": Field((21,), "float32", "0..1", "of each keypoint; 0: not seen, to be given no weight"),
        "K": Field((3, 3), "float64", "px", "camera of the crop; for mirrored rows the camera of the mirrored picture"),
        "crop_transform": Field((2, 3), "float64", "px", "pixels of the source picture to pixels of the crop"),
        "hand": Field((), "uint8", "0 right, 1 left", "side of the hand in the source; left ones are stored mirrored"),
        "name": Field((), "S", "UTF-8", "path of the source picture below the dataset's root"),
        "index": Field((), "int64", "", "number of the sample in the dataset's own counting"),
        "joints_3d": Field((21, 3), "float32", "m, camera frame", "true joints, OpenPose order", np.nan),
        "root_3d": Field((3,), "float32", "m, camera frame", "the dataset's root joint (attribute root_joint)", np.nan),
        "vertices": Field((None, 3), "float32", "m, camera frame", "true mesh (attribute vertices_model)", np.nan),
        "mano_pose": Field((48,), "float32", "radians", "axis-angle, root first, as the dataset has it", np.nan),
        "mano_shape": Field((10,), "float32", "", "shape coefficients", np.nan),
        "mano_translation": Field((3,), "float32", "m", "as the dataset has it (attribute mano_frame)", np.nan),
        "world_3d": Field(
            (KEYPOINTS, 4),
            "float32",
            "m, as if the camera looked straight at the hand",
            "the detector's 3D points about their middle, and the spread of its readings of each",
            np.nan,
        ),
        "scale": Field((), "float32", "m", "length of the bone 9-10, the middle finger's proximal phalanx", np.nan),
        "mask": Field((CROP, CROP), "uint8", "0 or 1", "1: hand", 0, packed=True),
        "has_mask": Field((), "uint8", "0 or 1", "whether the row has a mask", 0),
    }
)
REQUIRED = ("keypoints_2d", "confidence", "K", "crop_transform", "hand", "name", "index")
ENCODINGS = ("raw", "lzf", "gzip", "jpeg")  # of the crops


@dataclass
class Row:
    """One hand: a row to be written."""

    crop: np.ndarray | bytes  # [224, 224, 3] uint8 RGB, or a JPEG file of that size that is kept as it is
    keypoints_2d: np.ndarray  # [21, 2]
    confidence: np.ndarray  # [21]
    K: np.ndarray  # [3, 3]
    crop_transform: np.ndarray  # [2, 3]
    hand: str  # "right" | "left"
    name: str
    index: int
    extra: dict[str, Any] = field(default_factory=dict)  # further FIELDS by name

    def values(self) -> dict[str, Any]:
        """All fields but the crop."""
        return {
            "keypoints_2d": self.keypoints_2d,
            "confidence": self.confidence,
            "K": self.K,
            "crop_transform": self.crop_transform,
            "hand": HANDS.index(self.hand),
            "name": self.name.encode("utf-8", "surrogateescape"),  # file names may be other than UTF-8
            "index": self.index,
            **self.extra,
        }


def stack_rows(rows: list[Row], names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Fields of rows as arrays; missing entries get the field's missing value.

    Args:
        rows: any number.
        names: fields to make, in order; fields of free length need at least one row that has them, or are left out.

    Raises:
        ValueError: a shape that is not the field's, or a required field missing.
    """
    values = [row.values() for row in rows]
    result: dict[str, np.ndarray] = {}
    for name in names:
        spec = FIELDS[name]
        if spec.dtype == "S":
            longest = max((len(value[name]) for value in values), default=1)
            result[name] = np.array([value[name] for value in values], dtype=f"S{max(longest, 1)}")
            continue
        shape = _row_shape(name, values)
        if shape is None:
            continue
        array = np.empty((len(rows), *shape), dtype=spec.dtype)
        for i, value in enumerate(values):
            given = value.get(name)
            if given is None:
                if spec.missing is None:
                    raise ValueError(f"row {rows[i].name!r} lacks the field {name}")
                array[i] = spec.missing
                continue
            given = np.asarray(given)
            if given.shape != shape:
                raise ValueError(f"row {rows[i].name!r}: {name} should have the shape {shape}, got {given.shape}")
            array[i] = given
        result[name] = array
    return result


def _row_shape(name: str, values: list[dict[str, Any]]) -> tuple[int, ...] | None:
    shape = FIELDS[name].shape
    if None not in shape:
        return tuple(int(size) for size in shape if size is not None)
    for value in values:
        if value.get(name) is not None:
            return tuple(np.asarray(value[name]).shape)
    return None
