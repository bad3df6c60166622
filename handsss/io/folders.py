"""Folders that hold no photos of the user: caches, trash, thumbnails, leftovers of archives."""

from __future__ import annotations

from collections.abc import Iterable

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
