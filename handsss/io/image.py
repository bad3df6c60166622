"""Reading photos: upright 8-bit RGB from whatever file a user has, or a message that says why not."""

from __future__ import annotations

import os
import re
import stat
import struct
import sys
import warnings
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from handsss.errors import InputError
from handsss.io.colour import to_rgb
from handsss.io.image_bytes import EXPECTED, describe, is_raw, raw_error, readable

# Formats that Pillow decodes itself. Others (EPS, ...) would start programs or are no photos.
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF", "JPEG2000")  # MPO is opened as JPEG
IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".jp2", ".heic", ".heif"),
)
_ANIMATED = ("GIF", "TIFF", "WEBP", "PNG", "AVIF", "HEIF")
MAXIMUM_PIXELS = 150_000_000
MINIMUM_SIDE = 16

FRAMES = "frames: the first is used"
STDIN = "-"
_streams: dict[Path, bytes] = {}  # what pipes gave: they can be read only once, and a photo is opened twice

_ORIENTATION, _EXIF_IFD = 0x0112, 0x8769
_FOCAL_35MM, _FOCAL, _WIDTH, _HEIGHT = 0xA405, 0x920A, 0xA002, 0xA003
_PLANE_X, _PLANE_UNIT = 0xA20E, 0xA210
_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
# Pillow's decoders raise all of these of damaged files.
DECODING_ERRORS = (
    *(OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, struct.error, zlib.error),
    *(RuntimeError, ArithmeticError, AttributeError),
)


class ExifCamera(NamedTuple):
    """What a camera wrote about its lens; None for what it did not."""

    focal_35mm: float | None  # mm, as if the sensor were 36 x 24 mm
    focal: float | None  # mm
    plane_resolution: float | None  # sensor pixels per mm
    size: tuple[int, int] | None  # width, height of the picture when it was taken, in stored orientation


class Photo(NamedTuple):
    """A photo as the rest of the package wants it."""

    array: np.ndarray  # [H, W, 3] uint8 sRGB, upright
    exif: ExifCamera | None
    notes: tuple[str, ...]  # what was done to the file's pixels, as sentences


def check_image(path: Path) -> None:
    """Whether a file looks like a photo that can be read, from its header alone.

    Raises:
        InputError: as :func:`read_image`; a picture that is damaged further on passes.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _opened(path)


def read_image(path: Path) -> Photo:
    """Read a photo: EXIF orientation applied, 16 bits scaled to 8, CMYK and other colour spaces turned into sRGB,
    transparency laid on white.

    Args:
        path: an image file.

    Raises:
        InputError: missing, empty, no image, damaged, too small or too large; the header is judged before any pixel
            is decoded, so that a decompression bomb costs nothing.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd EXIF blocks and sizes; sizes are judged here
        picture = _opened(path)
        try:
            picture.load()
        except MemoryError:
            raise InputError(f"{path}: not enough memory for {_size(picture.size)} pixels. Make it smaller.") from None
        except DECODING_ERRORS as error:
            raise InputError(
                f"{path}: the image is damaged or cut off ({error}). Expected a complete {picture.format} file; "
                "copy or download it again."
            ) from error
    return photo_of(picture, str(path))


def photo_of(picture: Image.Image, name: str = "picture") -> Photo:
    """A decoded picture as :func:`read_image` would give it: upright, 8 bits, sRGB, without transparency.

    Args:
        picture: Pillow's.
        name: what messages call it.

    Raises:
        InputError: too small, too large, damaged, or floating-point pixels.
    """
    _check_size(picture.size, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            picture.load()
        except (AssertionError, *DECODING_ERRORS) as error:  # of a file that Pillow opened but has not read yet
            if isinstance(error, AssertionError) or "closed" in str(error):  # Pillow asserts that the file is open
                raise InputError(
                    f"{name}: the picture was closed before its pixels were read. Open it again, or load() it first."
                ) from error
            raise InputError(f"{name}: the image is damaged or cut off ({error}).") from error
        exif = _camera(picture)
        notes: list[str] = []
        try:
            frames = getattr(picture, "n_frames", 1)
        except DECODING_ERRORS:  # of frames that are damaged, and not used
            frames = 1
        if frames > 1 and picture.format in _ANIMATED:
            notes.append(f"{frames} {FRAMES}")
        array = to_rgb(_upright(picture, notes), name, notes)
    return Photo(array, exif, tuple(notes))


def _opened(path: Path) -> Image.Image:
    """The picture of a file, of which the header was read and judged."""
    picture = _open(_read_bytes(path), path)
    _check_size(picture.size, path)
    return picture


def is_stream(path: Path) -> bool:
    """Whether a path is standard input (``-``), a pipe or a device: read once, from its start to its end."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return str(path) == STDIN
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)


def _read_bytes(path: Path) -> bytes:
    if path in _streams:
        return _streams[path]
    try:
        if is_stream(path):
            content = _streams[path] = sys.stdin.buffer.read() if str(path) == STDIN else path.read_bytes()
        else:
            content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Expected {EXPECTED}.") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder. Expected {EXPECTED}.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}). Check its permissions.") from error
    if not content:
        raise InputError(f"{path}: the file is empty (0 bytes). Expected {EXPECTED}; copy or download it again.")
    return content


def _open(content: bytes, path: Path) -> Image.Image:
    content, more = readable(content, path)
    formats = (*_FORMATS, *more)
    try:
        picture = Image.open(BytesIO(content), formats=formats)
    except Image.DecompressionBombError as error:
        found = re.search(r"\d+", str(error))
        pixels = int(found.group()) if found else 0
        raise InputError(_too_large(path, f"{pixels / 1e6:.0f} million pixels")) from None
    except DECODING_ERRORS as error:
        came = describe(content, path)
        raise InputError(f"{path}: not an image that can be read. Expected {EXPECTED}, got {came}.") from error
    if is_raw(picture):
        raise raw_error(path)
    return picture


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _too_large(path: Path | str, came: str) -> str:
    limit = MAXIMUM_PIXELS / 1e6
    return f"{path}: the picture says it has {came}; up to {limit:.0f} million are read. Make it smaller first."


def _check_size(size: tuple[int, int], path: Path | str) -> None:
    if size[0] * size[1] > MAXIMUM_PIXELS:
        raise InputError(_too_large(path, f"{_size(size)} pixels"))
    if min(size) < MINIMUM_SIDE:
        raise InputError(
            f"{path}: the picture has {_size(size)} pixels; expected at least {MINIMUM_SIDE} on each side, and about "
            "100 across the hand for a useful result."
        )


def _upright(picture: Image.Image, notes: list[str]) -> Image.Image:
    """Apply the EXIF orientation; a damaged EXIF block is no reason to refuse a photo."""
    try:
        orientation = picture.getexif().get(_ORIENTATION, 1)
        turned = ImageOps.exif_transpose(picture)
    except DECODING_ERRORS:
        return picture
    if orientation in range(2, 9):
        notes.append("turned upright by its EXIF orientation")
    return turned


def _camera(picture: Image.Image) -> ExifCamera | None:
    try:
        block: dict[int, Any] = dict(picture.getexif().get_ifd(_EXIF_IFD))
    except DECODING_ERRORS:
        return None
    width, height = _number(block.get(_WIDTH)), _number(block.get(_HEIGHT))
    per_unit, unit = _number(block.get(_PLANE_X)), _UNIT_MM.get(block.get(_PLANE_UNIT, 2))
    camera = ExifCamera(
        focal_35mm=_number(block.get(_FOCAL_35MM)),
        focal=_number(block.get(_FOCAL)),
        plane_resolution=None if per_unit is None or unit is None else per_unit / unit,
        size=None if width is None or height is None else (int(width), int(height)),
    )
    return None if camera.focal_35mm is None and camera.focal is None else camera


def _number(value: Any) -> float | None:
    """A positive, finite number of an EXIF field, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if 0 < number < float("inf") else None
