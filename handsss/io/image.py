"""Reading photos: upright 8-bit RGB from whatever file a user has, or a message that says why not."""

from __future__ import annotations

import re
import struct
import warnings
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from handsss.errors import InputError

# Formats that Pillow decodes itself. Others (EPS, ...) would start programs or are no photos.
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF", "JPEG2000")  # MPO is opened as JPEG
IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".jp2", ".heic", ".heif"),
)
EXPECTED = "a photo as JPEG, PNG, WebP, TIFF, BMP, GIF, PPM, AVIF or JPEG 2000"
MAXIMUM_PIXELS = 150_000_000
MINIMUM_SIDE = 16
MATTE = (255, 255, 255)  # what shows through transparent pixels

_ORIENTATION, _EXIF_IFD = 0x0112, 0x8769
_FOCAL_35MM, _FOCAL, _WIDTH, _HEIGHT = 0xA405, 0x920A, 0xA002, 0xA003
_PLANE_X, _PLANE_UNIT = 0xA20E, 0xA210
_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
_DECODING_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, struct.error, zlib.error)


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
        except _DECODING_ERRORS as error:
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
        except (AssertionError, *_DECODING_ERRORS) as error:  # of a file that Pillow opened but has not read yet
            if isinstance(error, AssertionError) or "closed" in str(error):  # Pillow asserts that the file is open
                raise InputError(
                    f"{name}: the picture was closed before its pixels were read. Open it again, or load() it first."
                ) from error
            raise InputError(f"{name}: the image is damaged or cut off ({error}).") from error
        exif = _camera(picture)
        notes: list[str] = []
        array = _to_rgb(_upright(picture, notes), name, notes)
    return Photo(array, exif, tuple(notes))


def _opened(path: Path) -> Image.Image:
    """The picture of a file, of which the header was read and judged."""
    picture = _open(_read_bytes(path), path)
    _check_size(picture.size, path)
    return picture


def _read_bytes(path: Path) -> bytes:
    try:
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
    formats: tuple[str, ...] = _FORMATS
    if content[4:12] in (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypmif1", b"ftypmsf1"):
        try:
            import pillow_heif  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            raise InputError(
                f"{path}: a HEIC photo, which needs another package: pip install pillow-heif. Or save it as JPEG."
            ) from None
        pillow_heif.register_heif_opener()
        formats = (*_FORMATS, "HEIF")
    try:
        return Image.open(BytesIO(content), formats=formats)
    except Image.DecompressionBombError as error:
        found = re.search(r"\d+", str(error))
        pixels = int(found.group()) if found else 0
        raise InputError(_too_large(path, f"{pixels / 1e6:.0f} million pixels")) from None
    except _DECODING_ERRORS as error:
        start = "a text file" if _is_text(content) else f"{len(content)} bytes that start with {content[:8]!r}"
        raise InputError(f"{path}: not an image that can be read. Expected {EXPECTED}, got {start}.") from error


def _is_text(content: bytes) -> bool:
    try:
        return content[:512].decode("utf-8", errors="strict").isprintable() or b"\n" in content[:512]
    except UnicodeDecodeError:
        return False


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
    except _DECODING_ERRORS:
        return picture
    if orientation in range(2, 9):
        notes.append("turned upright by its EXIF orientation")
    return turned


def _to_rgb(picture: Image.Image, path: Path | str, notes: list[str]) -> np.ndarray:
    if picture.mode == "I" or picture.mode.startswith("I;16"):
        notes.append("16 bits scaled to 8")
        return _from_16_bit(np.asarray(picture), path)
    if picture.mode == "F":
        raise InputError(f"{path}: the picture holds floating-point numbers. Expected 8 or 16 bits a channel.")
    if getattr(picture, "n_frames", 1) > 1 and picture.format in ("GIF", "TIFF", "WEBP", "PNG", "AVIF"):
        notes.append("several frames: the first is used")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        opaque = Image.new("RGBA", layer.size, (*MATTE, 255))
        picture = Image.alpha_composite(opaque, layer).convert("RGB")
        notes.append("transparent parts laid on white")
        return np.asarray(picture)
    if picture.mode == "CMYK":
        notes.append("CMYK turned into RGB")
    converted = _to_srgb(picture, notes)
    return np.asarray(picture.convert("RGB") if converted is None else converted)


def _from_16_bit(values: np.ndarray, path: Path | str) -> np.ndarray:
    high = int(values.max(initial=0))
    if high > 65535 or int(values.min(initial=0)) < 0:
        raise InputError(f"{path}: values reach {high}; expected 8 or 16 bits a channel.")
    grey = np.round(values.astype(np.float32) / 257).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _to_srgb(picture: Image.Image, notes: list[str]) -> Image.Image | None:
    """Through the embedded colour profile, since skin in Display P3 or Adobe RGB looks pale if taken for sRGB."""
    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in ("RGB", "CMYK"):
        return None
    try:
        from PIL import ImageCms

        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        name = ImageCms.getProfileDescription(source).strip()
        if "srgb" in name.lower():
            return None
        target = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(picture, source, target, outputMode="RGB")
    except (ImportError, OSError, ValueError, ImageCms.PyCMSError):
        return None  # a damaged profile: the numbers are taken as they are
    notes.append(f"colours turned into sRGB from {name}")
    return converted


def _camera(picture: Image.Image) -> ExifCamera | None:
    try:
        block: dict[int, Any] = dict(picture.getexif().get_ifd(_EXIF_IFD))
    except (*_DECODING_ERRORS, KeyError):
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
