"""Photos of all kinds of files: what is read, what is said of it, and what is refused."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
import zlib
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, TiffImagePlugin, features

from handsss.errors import InputError
from handsss.io.folders import is_clutter
from handsss.io.image import check_image, read_image

ROOT = Path(__file__).parents[2]
RAMP = np.add.outer(np.arange(48), np.arange(64)).astype(np.uint8)
RGB = np.stack([RAMP + 90, RAMP + 60, RAMP + 40], 2)
needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
needs_heif = pytest.mark.skipif(find_spec("pillow_heif") is None, reason="the extra heic is not installed")


def put(tmp_path: Path, name: str, content: bytes) -> Path:
    (tmp_path / name).write_bytes(content)
    return tmp_path / name


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    stream = BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize(
    "text",
    [
        chunk(b"zTXt", b"prompt\0\0" + zlib.compress(b"x" * 1_500_000)),
        chunk(b"iTXt", b"workflow\0\1\0en\0w\0" + zlib.compress(b"y" * 2_000_000)),
        chunk(b"tEXt", b"history\0" + b"z" * 1_200_000),
        chunk(b"zTXt", b"broken\0\0" + b"no zlib"),
    ],
)
@pytest.mark.parametrize("place", ["before", "after"])
def test_png_with_long_texts(tmp_path: Path, text: bytes, place: str) -> None:
    png = encoded(Image.fromarray(RGB), "PNG")
    at = png.index(b"IDAT") - 4 if place == "before" else len(png) - 12
    path = put(tmp_path, "a.png", png[:at] + text + png[at:])
    check_image(path)
    np.testing.assert_array_equal(read_image(path).array, RGB)


def test_short_texts_of_a_png_stay() -> None:
    """ImageMagick keeps EXIF in one."""
    from handsss.io.image_bytes import readable

    png = encoded(Image.fromarray(RGB), "PNG")
    text = chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"exif"))
    content = png[:33] + text + png[33:]
    assert readable(content, Path("a.png")) == (content, ())


@needs_avif
@pytest.mark.parametrize("brand", [b"mif1", b"miaf", b"MA1B", b"avio", b"msf1"])
def test_avif_of_other_major_brands(tmp_path: Path, brand: bytes) -> None:
    avif = encoded(Image.fromarray(RGB), "AVIF", quality=90)
    assert b"avif" in avif[16:32]
    path = put(tmp_path, "a.avif", avif[:8] + brand + avif[12:])
    check_image(path)
    assert read_image(path).array.shape == (48, 64, 3)


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1"])
@pytest.mark.parametrize("installed", [False, pytest.param(True, marks=needs_heif)])
def test_heic_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, brand: bytes, installed: bool) -> None:
    path = put(tmp_path, "a.heic", struct.pack(">I", 24) + b"ftyp" + brand + bytes(4) + b"mif1heic" + bytes(50))
    if not installed:
        monkeypatch.setitem(sys.modules, "pillow_heif", None)
    expected = "not an image" if installed else "a HEIC photo, which needs another package"
    with pytest.raises(InputError, match=expected):
        read_image(path)


@needs_heif
def test_heic(tmp_path: Path) -> None:
    __import__("pillow_heif").register_heif_opener()
    path = put(tmp_path, "IMG_0001.HEIC", encoded(Image.fromarray(RGB), "HEIF", quality=95))
    array = read_image(path).array
    assert array.shape == RGB.shape and np.abs(array.astype(int) - RGB).max() < 12


@needs_avif
@pytest.mark.parametrize("at", [0.5, 0.8])
def test_damaged_avif(tmp_path: Path, at: float) -> None:
    avif = bytearray(encoded(Image.fromarray(RGB), "AVIF", quality=90))
    start = avif.index(b"mdat") + 4 + int(at * 40)
    avif[start : start + 40] = bytes(255 - value for value in avif[start : start + 40])
    with pytest.raises(InputError, match="damaged"):
        read_image(put(tmp_path, "a.avif", bytes(avif)))


def dng(tmp_path: Path, tags: dict[int, Any]) -> Path:
    info = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in tags.items():
        info[tag] = value
    path = tmp_path / "raw.tif"
    Image.fromarray(RGB).save(path, "TIFF", tiffinfo=info)
    return path


@pytest.mark.parametrize("tags", [{50706: b"\1\4\0\0"}, {254: 1, 330: 8}])
def test_raw_files_that_look_like_tiff(tmp_path: Path, tags: dict[int, Any]) -> None:
    with pytest.raises(InputError, match="a camera's raw file, of which only a preview"):
        read_image(dng(tmp_path, tags))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.cr2", b"II*\0\x10\0\0\0CR\2\0" + bytes(99)),
        ("a.raf", b"FUJIFILMCCD-RAW 0201" + bytes(99)),
        ("a.cr3", struct.pack(">I", 24) + b"ftypcrx \0\0\0\1crx isom" + bytes(50)),
        ("a.nef", b"\xfe\xff" * 60),
    ],
)
def test_raw_files_by_content_or_name(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(InputError, match="a camera's raw file"):
        read_image(put(tmp_path, name, content))


def test_plain_tiff_of_several_sizes_is_read(tmp_path: Path) -> None:
    assert read_image(dng(tmp_path, {254: 0})).array.shape == (48, 64, 3)


def wide_profile() -> bytes:
    """sRGB's profile with Display P3's red, under another name."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    at = srgb.index(b"rXYZ")
    offset, _ = struct.unpack(">II", srgb[at + 4 : at + 12])
    changed = bytearray(srgb)
    changed[offset + 8 : offset + 20] = struct.pack(">iii", 33700, 15800, -75)  # Display P3's red
    return bytes(changed).replace("sRGB".encode("utf-16-be"), "P3 !".encode("utf-16-be")).replace(b"sRGB", b"P3 !")


@pytest.mark.parametrize("mode", ["RGBA", "P", "transparent P"])
def test_profiles_count_with_alpha_and_palettes_too(tmp_path: Path, mode: str) -> None:
    colours = Image.fromarray(RGB).quantize(64)
    plain = colours.convert("RGB")
    picture: Image.Image = plain.convert("RGBA") if mode == "RGBA" else colours
    extra = {"transparency": 255} if mode == "transparent P" else {}
    profile = wide_profile()
    reference = read_image(put(tmp_path, "a.png", encoded(plain, "PNG", icc_profile=profile)))
    assert any("sRGB from" in note for note in reference.notes)
    assert np.abs(reference.array.astype(int) - np.asarray(plain)).max() > 3
    other = read_image(put(tmp_path, "b.png", encoded(picture, "PNG", icc_profile=profile, **extra)))
    np.testing.assert_array_equal(other.array, reference.array)
    assert "transparent parts laid on white" not in other.notes  # every pixel is opaque
    if mode == "RGBA":
        picture.putpixel((0, 0), (0, 0, 0, 0))
        other = read_image(put(tmp_path, "c.png", encoded(picture, "PNG", icc_profile=profile)))
        assert "transparent parts laid on white" in other.notes and other.array[0, 0].tolist() == [255] * 3


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_several_frames_are_told(tmp_path: Path, kind: str) -> None:
    frames = [Image.fromarray(np.full((40, 40, 3), value, np.uint8)) for value in (255, 90, 30)]
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    photo = read_image(put(tmp_path, f"a.{kind}", content))
    assert any(note == "3 frames: the first is used" for note in photo.notes)
    assert photo.array.mean() > 250


@pytest.mark.parametrize("tag", [256, 258])  # width, bits of a sample
def test_damage_of_a_further_frame_does_not_matter(tmp_path: Path, tag: int) -> None:
    frames = [Image.fromarray(RGB), Image.fromarray(RGB[:40])]
    content = bytearray(encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:]))
    entry = struct.pack("<H", tag)
    at = content.rindex(entry + b"\x04\0" if tag == 256 else entry + b"\x03\0")
    content[at : at + 2] = b"\xff\xff"
    np.testing.assert_array_equal(read_image(put(tmp_path, "a.tif", bytes(content))).array, RGB)


@pytest.mark.parametrize(("high", "bits"), [(3312, 12), (1000, 10), (16000, 14)])
def test_few_bits_in_16_are_stretched(tmp_path: Path, high: int, bits: int) -> None:
    grey = np.linspace(0, high, 48 * 64).reshape(48, 64).astype(np.uint16)
    grey[0, :2] = 65535  # hot pixels
    photo = read_image(put(tmp_path, "ir.png", encoded(Image.fromarray(grey), "PNG")))
    assert photo.notes[0].startswith(f"{bits} bits in 16")
    assert photo.array[1:].max() == round(255 * high / (2**bits - 1))


@pytest.mark.parametrize("value", [0, 6])
def test_dark_pictures_are_told(tmp_path: Path, value: int) -> None:
    photo = read_image(put(tmp_path, "a.png", encoded(Image.new("RGB", (40, 40), (value,) * 3), "PNG")))
    assert photo.notes == (f"very dark: mean brightness {value}.0 of 255",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "got a Git LFS pointer.*git lfs pull"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "got a web page"),
        (struct.pack(">I", 24) + b"ftypisom\0\0\2\0isomiso2" + bytes(80), "got a video"),
    ],
)
def test_other_files_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_image(put(tmp_path, "a.jpg", content))


@pytest.mark.skipif(sys.platform == "win32", reason="has no named pipes")
def test_pipes_are_read_once_and_opened_twice(tmp_path: Path) -> None:
    content = encoded(Image.fromarray(RGB), "PNG")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_bytes, args=(content,), daemon=True).start()
    check_image(pipe)
    np.testing.assert_array_equal(read_image(pipe).array, RGB)


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
@pytest.mark.skipif(not Path("/dev/stdin").exists(), reason="has no /dev/stdin")
def test_standard_input(name: str) -> None:
    program = (
        "import sys, pathlib; from handsss.io.image import check_image, read_image\n"
        "path = pathlib.Path(sys.argv[1]); check_image(path); print(read_image(path).array.shape)"
    )
    content = encoded(Image.fromarray(RGB), "PNG")
    done = subprocess.run(
        [sys.executable, "-c", program, name], input=content, capture_output=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == b"(48, 64, 3)"


@pytest.mark.parametrize(
    "folder", [".ipynb_checkpoints", ".Trash-1000", "@eaDir", "__MACOSX", "#recycle", "$RECYCLE.BIN"]
)
def test_folders_of_programs(folder: str) -> None:
    assert is_clutter(["a", folder]) and is_clutter([folder, "b"])
    assert not is_clutter(["a", "eaDir", "MACOSX", "..", "."])
