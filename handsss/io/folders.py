"""Names of files and folders: their spelling, those that hold no photos of the user, those that can be written."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

_CLUTTER = {
    *("@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "$recycle.bin", "recycler"),
    *("__macosx", "__pycache__", "lost+found", "system volume information"),
}


def is_clutter(folders: Iterable[str]) -> bool:
    """Whether a file lies below a hidden folder or one that programs keep for themselves.

    Args:
        folders: names of the folders between what the user named and the file.
    """
    return any((name.startswith(".") and name not in (".", "..")) or name.lower() in _CLUTTER for name in folders)


def plain_name(name: str) -> str:
    """Equal for names with composed accents (Linux, Windows) and decomposed ones (macOS), and any separator."""
    return unicodedata.normalize("NFC", name).replace("\\", "/")


def is_writable(folder: Path) -> bool:
    """Whether a folder, or the first one above it that exists, can be written."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK)


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts ``img2`` before ``img10``."""
    parts = re.split(r"(\d+)", text.casefold())
    return tuple((0, int(p), p) if p.isascii() and p.isdigit() else (1, 0, p) for p in parts if p)
