"""The cache folder for converted files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import platformdirs

from handsss.errors import UserError
from handsss.io.atomic import atomic_path


def cache_directory() -> Path:
    """``HANDSSS_CACHE`` if it is set, otherwise the user's cache folder of the platform."""
    chosen = os.environ.get("HANDSSS_CACHE")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("handsss", appauthor=False)


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> bool:
    """Write an npz in one step, so that no reader sees a partial file.

    Returns:
        False where the folder is not writable: a missing cache is not an error.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary, open(temporary, "xb") as file:
            np.savez(file, allow_pickle=False, **arrays)
    except (OSError, UserError):
        return False
    return True
