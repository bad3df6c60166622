"""The cache folder for converted files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import platformdirs

from handsss.errors import UserError
from handsss.io.atomic import atomic_path


def cache_directory() -> Path | None:
    """``HANDSSS_CACHE`` if it is set, otherwise the user's cache folder of the platform; None for users without a home,
    as in containers that are run under another number."""
    chosen = os.environ.get("HANDSSS_CACHE")
    try:
        if chosen:
            return Path(os.path.expanduser(chosen))
        folder = platformdirs.user_cache_path("handsss", appauthor=False)
    except RuntimeError:  # "Could not determine home directory."
        return None
    return folder if folder.is_absolute() else None  # an unknown home leaves "~" as it is


def write_arrays(path: Path | None, arrays: dict[str, np.ndarray]) -> bool:
    """Write an npz in one step, so that no reader sees a partial file.

    Returns:
        False without a folder, or where it is not writable: a missing cache is not an error.
    """
    if path is None:
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary, open(temporary, "xb") as file:
            np.savez(file, allow_pickle=False, **arrays)
    except (OSError, UserError):
        return False
    return True
