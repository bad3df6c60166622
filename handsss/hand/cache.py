"""The cache folder for converted files."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import platformdirs


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
        handle, name = tempfile.mkstemp(prefix=path.stem, suffix=".part", dir=path.parent)
    except OSError:
        return False
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        os.replace(name, path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        return False
    return True
