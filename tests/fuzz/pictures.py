"""Pictures of all formats that are read, with bytes changed, cut off, mixed, or with other sizes in their headers."""

from __future__ import annotations

import contextlib
import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from PIL import Image, features

from handsss.io.image import check_image, read_image
from tests.fuzz.mutate import mutated_bytes
from tests.fuzz.target import Check, Draw, Target

_SIZES = (0, 1, 15, 16, 1000, 12_000, 16_000, 65_535, 100_000, 2**31 - 1, 2**32 - 1)


def seeds() -> dict[str, bytes]:
    """Right files: formats, modes and compressions."""
    ramp = np.add.outer(np.arange(40), np.arange(50)).astype(np.uint8)
    rgb = Image.fromarray(np.stack([ramp + 90, ramp + 60, ramp + 40], 2))
    grey16 = Image.fromarray(ramp.astype(np.uint16) * 500)
    rgba = rgb.copy()
    rgba.putalpha(Image.fromarray(ramp * 2))
    exif = rgb.getexif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769)[0xA405] = 28
    frames: dict[str, Any] = {"save_all": True, "append_images": [rgb.rotate(90), rgb.rotate(180)]}
    wanted: list[tuple[str, Image.Image, str, dict[str, Any]]] = [
        ("jpeg", rgb, "JPEG", {"exif": exif}),
        ("jpeg progressive", rgb, "JPEG", {"progressive": True, "quality": 30}),
        ("jpeg cmyk", rgb.convert("CMYK"), "JPEG", {}),
        ("png", rgba, "PNG", {"exif": exif}),
        ("png 16", grey16, "PNG", {}),
        ("png palette", rgb.quantize(16), "PNG", {"transparency": 3}),
        ("apng", rgb, "PNG", frames),
        ("gif", rgb.quantize(16), "GIF", {"save_all": True, "append_images": [rgb.rotate(90).quantize(16)]}),
        ("webp", rgba, "WEBP", {"exif": exif}),
        ("webp lossless", rgb, "WEBP", {"lossless": True, **frames}),
        ("bmp", rgb, "BMP", {}),
        ("bmp palette", rgb.quantize(16), "BMP", {}),
        ("tiff", rgb, "TIFF", {"exif": exif}),
        ("tiff lzw", rgb, "TIFF", {"compression": "tiff_lzw", **frames}),
        ("tiff deflate", grey16, "TIFF", {"compression": "tiff_adobe_deflate"}),
        ("tiff jpeg", rgb, "TIFF", {"compression": "jpeg"}),
        ("ppm", rgb, "PPM", {}),
        ("pgm", rgb.convert("L"), "PPM", {}),
    ]
    if features.check("avif"):
        wanted.append(("avif", rgb, "AVIF", {"exif": exif}))
    with contextlib.suppress(ImportError):  # the extra heic
        import pillow_heif

        pillow_heif.register_heif_opener()
        wanted += [("heic", rgb, "HEIF", {"exif": exif}), ("heic alpha", rgba, "HEIF", {})]
    if features.check("jpg_2000"):
        wanted.append(("jpeg 2000", rgb, "JPEG2000", {}))
    files = {}
    for name, picture, kind, options in wanted:
        stream = BytesIO()
        picture.save(stream, kind, **options)
        files[name] = stream.getvalue()
    return files


def _resized(name: str, data: bytes, rng: Generator) -> bytes:
    """A header that says another size: a bomb, if it is large."""
    width, height = (int(rng.choice(_SIZES)) for _ in range(2))
    changed = bytearray(data)
    if "png" in name:
        changed[16:24] = struct.pack(">II", width % 2**32, height % 2**32)
        changed[29:33] = struct.pack(">I", zlib.crc32(changed[12:29]))
    elif name.startswith("gif"):
        changed[6:10] = struct.pack("<HH", width % 65536, height % 65536)
    elif name.startswith("bmp"):
        changed[18:26] = struct.pack("<II", width % 2**32, height % 2**32)
    elif name.startswith(("ppm", "pgm")):
        return data[:2] + f"\n{width} {height}\n255\n".encode() + data[15:]
    else:  # wherever the size stands
        for size, value in ((50, width), (40, height)):
            for form in (">I", "<I", ">H", "<H"):
                limit = 1 << 8 * struct.calcsize(form)
                changed = bytearray(changed.replace(struct.pack(form, size), struct.pack(form, value % limit), 2))
    return bytes(changed)


def prepare(folder: Path) -> Draw:
    files = seeds()
    names, contents = list(files), list(files.values())
    path = folder / "a.jpg"
    for content in contents:
        path.write_bytes(content)
        assert read_image(path).array.shape[2] == 3

    def draw(rng: Generator) -> Check:
        name = names[int(rng.integers(len(names)))]
        data = files[name]
        if rng.random() < 0.15:
            data = _resized(name, data, rng)
        if rng.random() < 0.9:
            data = mutated_bytes(data, rng, contents)
        path.write_bytes(data)
        return check

    def check() -> None:
        check_image(path)
        array = read_image(path).array
        assert array.ndim == 3 and array.shape[2] == 3 and array.dtype == np.uint8

    return draw


# The largest picture that is read has 150 million pixels: 0.45 GB of colours, and as much again while it is converted.
TARGET = Target(prepare, count=3000, seconds=20.0, megabytes=3500.0)
