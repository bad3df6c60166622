"""What a file of a picture is, from its bytes, before Pillow decodes it."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from PIL import Image, features

from handsss.errors import InputError
from handsss.io.content import mistaken_content

EXPECTED = "a photo as JPEG, PNG, WebP, TIFF, BMP, GIF, PPM, AVIF or JPEG 2000"
_RAW_SUFFIXES = (
    *(".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".raf", ".orf", ".rw2", ".rwl", ".pef"),
    *(".srw", ".3fr", ".fff", ".iiq", ".dcr", ".kdc", ".mrw", ".x3f", ".erf", ".mef", ".mos"),
)
_RAW_STARTS = (b"FUJIFILMCCD-RAW", b"FOVb", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"\0MRM", b"II\x1a\0\0\0HEAPCCDR")
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_DNG_VERSION, _SUBFILE, _SUB_IFDS, _PHOTOMETRIC = 50706, 254, 330, 262
_CFA, _LINEAR_RAW = 32803, 34892
_AVIF = {b"avif", b"avis"}
_HEIC = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"}
_VIDEO = {b"isom", b"iso2", b"mp41", b"mp42", b"qt  ", b"M4V ", b"avc1"}
_PNG = b"\x89PNG\r\n\x1a\n"
_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
_LONGEST_TEXT = 1 << 20  # bytes of a chunk, uncompressed: Pillow refuses files with longer ones


def readable(content: bytes, path: Path) -> tuple[bytes, tuple[str, ...]]:
    """The bytes as Pillow takes them, and the formats to try beyond the usual ones.

    Args:
        content: of the file.
        path: its name, for messages.

    Raises:
        InputError: a camera's raw file, or a HEIC or AVIF photo that needs what is not installed.
    """
    if content.startswith(_RAW_STARTS) or (content[8:10] == b"CR" and content.startswith(_TIFF_STARTS)):
        raise raw_error(path)
    brands = _brands(content)
    if b"crx " in brands:
        raise raw_error(path)
    if brands & _AVIF:
        if not features.check("avif"):
            raise InputError(f"{path}: an AVIF photo, which this Pillow cannot read. Update it, or save it as JPEG.")
        # Pillow looks at the first brand only, which may be a general one; the compatible brands say AVIF.
        return content[:8] + b"avif" + content[12:], ()
    if brands & _HEIC:
        _register_heif(path)
        return content, ("HEIF",)
    if content.startswith(_PNG):
        return _without_long_texts(content), ()
    return content, ()


def raw_error(path: Path) -> InputError:
    """The error for a camera's raw file: what other readers see of it is a small preview."""
    return InputError(f"{path}: a camera's raw file, of which only a preview could be read. Export it as JPEG or PNG.")


def is_raw(picture: Image.Image) -> bool:
    """Whether an opened TIFF is a camera's raw file: a DNG, or a preview with the sensor's pixels behind it."""
    tags = getattr(picture, "tag_v2", None)
    if tags is None:
        return False
    preview = bool(int(tags.get(_SUBFILE, 0) or 0) & 1) and _SUB_IFDS in tags
    return _DNG_VERSION in tags or preview or tags.get(_PHOTOMETRIC) in (_CFA, _LINEAR_RAW)


def describe(content: bytes, path: Path) -> str:
    """What bytes are that no reader takes, for a message."""
    if path.suffix.lower() in _RAW_SUFFIXES and not mistaken_content(content[:1024]):
        return "a camera's raw file; export it as JPEG or PNG"
    if _brands(content) & _VIDEO:
        return "a video; save a frame of it"
    came = mistaken_content(content[:1024])
    return came if came and came != "a picture" else f"{len(content)} bytes that start with {content[:8]!r}"


def _brands(content: bytes) -> set[bytes]:
    """The major and compatible brands of an ISO base media file; empty for others."""
    if content[4:8] != b"ftyp":
        return set()
    end = min(struct.unpack(">I", content[:4])[0], 1024, len(content))
    return {content[8:12]} | {content[at : at + 4] for at in range(16, end - 3, 4)}


def _register_heif(path: Path) -> None:
    try:
        import pillow_heif  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise InputError(
            f"{path}: a HEIC photo, which needs another package: pip install pillow-heif. Or save it as JPEG."
        ) from None
    pillow_heif.register_heif_opener()


def _without_long_texts(content: bytes) -> bytes:
    """A PNG without its long texts (prompts, histories): valid, but refused by Pillow, and of no use here."""
    kept, at = [content[:8]], 8
    while at + 12 <= len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        end = at + 12 + length
        if end > len(content):
            break
        kind = content[at + 4 : at + 8]
        if kind not in _TEXT_CHUNKS or not _is_long(kind, content[at + 8 : at + 8 + length]):
            kept.append(content[at:end])
        at = end
    return content if sum(map(len, kept)) == at else b"".join([*kept, content[at:]])


def _is_long(kind: bytes, data: bytes) -> bool:
    if len(data) > _LONGEST_TEXT:
        return True
    _, _, rest = data.partition(b"\0")
    if kind == b"tEXt" or (kind == b"iTXt" and rest[:1] != b"\1"):
        return False
    packed = rest[1:] if kind == b"zTXt" else rest[2:].split(b"\0", 2)[-1]
    inflate = zlib.decompressobj()
    try:
        return len(inflate.decompress(packed, _LONGEST_TEXT)) >= _LONGEST_TEXT
    except zlib.error:
        return True  # damaged text is no reason to refuse the picture
