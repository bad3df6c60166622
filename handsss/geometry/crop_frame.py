"""Crops: squares of pictures, their cameras, and JPEG bytes."""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
from PIL import Image

from handsss.geometry.cameras import mirror_intrinsics, transform_intrinsics
from handsss.geometry.framing import CROP
from handsss.geometry.window import warp

JPEG_QUALITY = 95


def encode_crop(crop: np.ndarray | bytes) -> bytes:
    """A crop as a JPEG file (quality 95, full colour resolution); a file stays as it is."""
    if isinstance(crop, bytes):
        return crop
    buffer = io.BytesIO()
    Image.fromarray(crop).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()


def decode_crop(crop: np.ndarray | bytes) -> np.ndarray:
    """A crop as [224, 224, 3] uint8."""
    if not isinstance(crop, bytes):
        return crop
    with Image.open(io.BytesIO(crop), formats=("JPEG",)) as picture:
        return np.asarray(picture.convert("RGB"))


class CropFrame(NamedTuple):
    """A square of a picture as a crop of 224 px; mirrored for left hands."""

    transform: np.ndarray  # [2, 3] picture pixels to crop pixels
    mirrored: bool

    def points(self, points: np.ndarray) -> np.ndarray:
        """Picture points [..., 2] in the crop."""
        moved: np.ndarray = points @ self.transform[:, :2].T + self.transform[:, 2]
        return moved

    def camera(self, intrinsics: np.ndarray) -> np.ndarray:
        """The camera [3, 3] of the crop. A mirrored crop's camera frame is mirrored too: X -> -X."""
        if not self.mirrored:
            return transform_intrinsics(intrinsics, self.transform)
        plain = mirror_affine(self.transform)
        return mirror_intrinsics(transform_intrinsics(intrinsics, plain), CROP)

    def space(self, points: np.ndarray) -> np.ndarray:
        """Camera-frame points [..., 3] in the crop's camera frame."""
        return points * np.array([-1.0, 1.0, 1.0]) if self.mirrored else points

    def cut(self, picture: np.ndarray) -> np.ndarray:
        """The crop [224, 224, 3] uint8; black where the picture ends."""
        linear = np.linalg.inv(self.transform[:, :2])
        inverse = np.concatenate([linear, -linear @ self.transform[:, 2:]], 1)
        return np.round(warp(picture, inverse, CROP, repeat=False) * 255).astype(np.uint8)


def mirror_affine(transform: np.ndarray) -> np.ndarray:
    """The map [2, 3] to the mirrored crop (x -> 224 - x)."""
    return np.array([[-1.0, 0.0, CROP], [0.0, 1.0, 0.0]]) @ np.vstack([transform, [0, 0, 1]])


def whole_frame(width: int, height: int) -> CropFrame:
    """The whole picture in the crop, its longer side filling it."""
    return square_frame(np.array([0.0, 0.0, width, height]), 0.0)


def square_frame(box: np.ndarray, margin: float, *, mirrored: bool = False) -> CropFrame:
    """The square around a box.

    Args:
        box: [4] x0, y0, x1, y1 px.
        margin: added on every side, as a share of the box's longer side.
        mirrored: turn left and right over, as for a left hand.
    """
    centre = (box[:2] + box[2:]) / 2
    side = max(float((box[2:] - box[:2]).max()), 1.0) * (1 + 2 * margin)
    factor = CROP / side
    transform = np.array([[factor, 0, CROP / 2 - factor * centre[0]], [0, factor, CROP / 2 - factor * centre[1]]])
    return CropFrame(mirror_affine(transform) if mirrored else transform, mirrored)
