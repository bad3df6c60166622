"""The part of a photo around a hand, at working resolution, with its camera."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image

from handsss.geometry.cameras import transform_intrinsics


class Crop(NamedTuple):
    """A rectangle of a photo, resized."""

    image: np.ndarray  # [h, w, 3] float32 0..1
    affine: np.ndarray  # [2, 3] photo pixels -> crop pixels
    intrinsics: np.ndarray  # [3, 3] of the crop

    @property
    def size(self) -> tuple[int, int]:
        return self.image.shape[0], self.image.shape[1]


def crop_around(
    image: np.ndarray, intrinsics: np.ndarray, points: np.ndarray, *, margin: float, longer_side: int
) -> Crop | None:
    """Cut out the box of some points, widened, clipped to the photo and resized.

    Args:
        image: [H, W, 3] uint8.
        intrinsics: [3, 3] of the photo.
        points: [N, 2] px, all finite.
        margin: added on each side, as a part of the box's longer side.
        longer_side: of the result, px. Small hands are enlarged to it as well, so that widths in pixels keep
            their meaning.

    Returns:
        None if the box misses the photo.
    """
    height, width = image.shape[:2]
    low, high = points.min(0), points.max(0)
    pad = margin * max(float((high - low).max()), 4.0)
    x0, y0 = np.floor(np.maximum(low - pad, 0)).astype(int)
    x1, y1 = np.ceil(np.minimum(high + pad, [width, height])).astype(int)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return None
    factor = longer_side / max(x1 - x0, y1 - y0)
    new_width, new_height = max(2, round((x1 - x0) * factor)), max(2, round((y1 - y0) * factor))
    part = Image.fromarray(np.ascontiguousarray(image[y0:y1, x0:x1]))
    part = part.resize((new_width, new_height), Image.Resampling.BILINEAR)
    sx, sy = new_width / (x1 - x0), new_height / (y1 - y0)
    affine = np.array([[sx, 0.0, -sx * x0], [0.0, sy, -sy * y0]])
    pixels = np.asarray(part, dtype=np.float32) / 255
    return Crop(pixels, affine, transform_intrinsics(intrinsics, affine))


def apply_affine(points: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Points [..., 2] through a [2, 3] map."""
    mapped: np.ndarray = points @ affine[:, :2].T + affine[:, 2]
    return mapped
