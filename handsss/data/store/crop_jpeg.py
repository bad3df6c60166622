"""Crops as JPEG files, as stores keep them."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

JPEG_QUALITY = 95


def encode_crop(crop: np.ndarray | bytes) -> bytes:
    """A crop [224, 224, 3] uint8 as a JPEG file (quality 95, no chroma subsampling); bytes are returned as they are."""
    if isinstance(crop, bytes):
        return crop
    buffer = io.BytesIO()
    Image.fromarray(crop).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()


def decode_crop(crop: np.ndarray | bytes) -> np.ndarray:
    """A crop as [224, 224, 3] uint8.

    Raises:
        OSError: bytes that are no JPEG file; other damage raises SyntaxError or ValueError.
    """
    if not isinstance(crop, bytes):
        return crop
    with Image.open(io.BytesIO(crop), formats=("JPEG",)) as picture:
        return np.asarray(picture.convert("RGB"))
