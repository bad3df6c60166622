"""Files from elsewhere: byte-order marks, and what stands where another file was expected."""

from __future__ import annotations

import codecs
import tomllib
from pathlib import Path
from typing import Any

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_START = 1024  # bytes


def decode_text(data: bytes) -> str:
    """Text in UTF-8, with or without a byte-order mark, or in UTF-16 and UTF-32 with one, as Windows writes it.

    Raises:
        UnicodeDecodeError: none of these.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    return data.decode(encoding)


def plain_utf8(data: bytes) -> bytes:
    """The same text in UTF-8 without a mark; data without a mark as they are."""
    if data.startswith(codecs.BOM_UTF8):
        return data[len(codecs.BOM_UTF8) :]
    return decode_text(data).encode() if data.startswith(tuple(mark for mark, _ in _MARKS)) else data


def read_text(path: Path) -> str:
    """A text file; see :func:`decode_text`.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: not text.
    """
    return decode_text(path.read_bytes())


def parse_toml(text: str) -> dict[str, Any]:
    """The content of a TOML text.

    Raises:
        ValueError: not TOML, nested too deeply, or with whole numbers of thousands of digits.
    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def mistaken_for(path: Path) -> str:
    """What a file is that came instead of the one expected, as a phrase; empty if nothing is known of it."""
    try:
        with open(path, "rb") as stream:
            return mistaken_content(stream.read(_START))
    except OSError:
        return ""


def why_unreadable(path: Path, error: Exception) -> str:
    """Why a file of weights cannot be read: what it is, or the first line of the error, without torch's advice to run
    what is in it."""
    if path.is_dir():
        return "it is a folder"
    if came := mistaken_for(path):
        return f"it is {came}"
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if "weights_only" in text or "Weights only" in text:
        return "it holds other objects than weights and plain values, or is cut off"
    return text


def mistaken_content(start: bytes) -> str:
    """The same from a file's first bytes."""
    if not start:
        return "an empty file; download or copy it again"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the file itself; fetch it with `git lfs pull`"
    text = start.lstrip(codecs.BOM_UTF8 + b" \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<?xml", b"<head", b"<!--")):
        return "a web page, as a download without permission gives it"
    if start.startswith((b"\x89PNG", b"\xff\xd8\xff", b"GIF8")):
        return "a picture"
    if start.startswith((b"\x1f\x8b", b"Rar!", b"7z\xbc\xaf", b"BZh", b"\xfd7zXZ")):
        return "a packed file; unpack it first"
    if not start.strip(b"\0"):
        return "a file of zeros, as an interrupted download leaves it"
    if start.startswith((b"{", b"[")) or _is_text(start):
        return "a text file"
    return ""


def _is_text(start: bytes) -> bool:
    try:
        text = start.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return all(sign.isprintable() or sign.isspace() for sign in text)
