"""Backgrounds: crops of photos, or procedural textures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from handsss.data.synthetic.noise import plane_noise
from handsss.errors import InputError
from handsss.io.image import IMAGE_SUFFIXES, read_image

_LONGER = 720  # px to which photos are reduced when they are read


def list_backgrounds(folder: Path, option: str = "backgrounds", prefix: str = "") -> list[Path]:
    """Pictures of a folder, by name.

    Args:
        folder: of photos.
        option: that gave it, for messages.
        prefix: before the folder in that option.

    Raises:
        InputError: no folder, or no pictures in it.
    """
    if not folder.is_dir():
        raise InputError(
            f"{{{option}}} {prefix}{folder}: no such folder. Expected a folder of photos without hands.",
            options=(option,),
        )
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise InputError(f"{{{option}}} {prefix}{folder}: holds no pictures.", options=(option,))
    return paths


def digest(paths: Iterable[Path]) -> str:
    """Sixteen hexadecimal digits that change with the names and sizes of files."""
    listed = hashlib.sha256()
    for path in paths:
        listed.update(f"{path.name} {path.stat().st_size}\n".encode())
    return listed.hexdigest()[:16]


@lru_cache(maxsize=256)
def _photo(path: Path) -> np.ndarray:
    picture = Image.fromarray(read_image(path).array)
    factor = _LONGER / max(picture.size)
    if factor < 1:
        picture = picture.resize((round(picture.width * factor), round(picture.height * factor)), Image.Resampling.BOX)
    return np.asarray(picture)


def to_linear(srgb: np.ndarray) -> np.ndarray:
    """sRGB 0..1 to linear light."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """Linear light to sRGB 0..1."""
    clipped = np.clip(linear, 0, 1)
    return np.where(clipped <= 0.0031308, clipped * 12.92, 1.055 * clipped ** (1 / 2.4) - 0.055)


def make_background(size: int, paths: list[Path], rng: np.random.Generator) -> np.ndarray:
    """A picture [size, size, 3], linear light.

    Args:
        size: px.
        paths: photos to choose from; one in eight pictures is procedural all the same, all are without photos.
        rng: decides.
    """
    if paths and rng.random() > 0.125:
        srgb = _piece(_photo(paths[rng.integers(len(paths))]), size, rng)
    else:
        srgb = procedural(size, rng)
    linear = to_linear(srgb) * np.exp(rng.normal(0, 0.25))
    blur = rng.choice([0.0, rng.uniform(0.4, 3.5)])
    if blur > 0:
        linear = ndimage.gaussian_filter(linear, (blur, blur, 0))
    return linear


def _piece(photo: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    height, width = photo.shape[:2]
    side = int(min(height, width) * rng.uniform(0.4, 1.0))
    top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    piece = Image.fromarray(photo[top : top + side, left : left + side])
    if rng.random() < 0.5:
        piece = piece.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    piece = piece.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(piece, dtype=np.float64) / 255


def procedural(size: int, rng: np.random.Generator) -> np.ndarray:
    """A wall or table with light falling off, and things on it: rectangles, stripes, blobs, grain."""
    rows, columns = np.mgrid[:size, :size] / size
    base = rng.uniform(0.08, 0.92, 3) * 0.4 + rng.uniform(0.1, 0.6)
    picture = np.broadcast_to(base, (size, size, 3)).copy()
    slope = rng.normal(0, 0.25, 2)
    picture = picture * (1 + slope[0] * (rows - 0.5) + slope[1] * (columns - 0.5))[..., None]
    if rng.random() < 0.6:  # an edge between wall and table
        angle, offset = rng.normal(0, 0.5), rng.uniform(0.25, 0.8)
        below = (rows - offset) * np.cos(angle) + (columns - 0.5) * np.sin(angle) > 0
        picture[below] = picture[below] * rng.uniform(0.4, 1.4, 3)
    for _ in range(rng.integers(0, 9)):
        centre, half, angle = rng.uniform(0, 1, 2), rng.uniform(0.03, 0.35, 2), rng.uniform(0, np.pi)
        u = (columns - centre[0]) * np.cos(angle) + (rows - centre[1]) * np.sin(angle)
        v = (rows - centre[1]) * np.cos(angle) - (columns - centre[0]) * np.sin(angle)
        inside = (np.abs(u) < half[0]) & (np.abs(v) < half[1])
        if rng.random() < 0.4:
            inside = (u / half[0]) ** 2 + (v / half[1]) ** 2 < 1
        colour = rng.uniform(0, 1, 3)
        if rng.random() < 0.3:
            stripes = np.sin(u / rng.uniform(0.006, 0.04)) > 0
            inside &= stripes
        picture[inside] = colour * (0.8 + 0.4 * (u / half[0]))[inside, None]
    picture = picture * (1 + rng.uniform(0.02, 0.2) * plane_noise(size, size, int(rng.integers(3, 40)), rng))[..., None]
    picture = picture + rng.normal(0, rng.uniform(0, 0.03), picture.shape)
    return np.clip(picture, 0, 1)
