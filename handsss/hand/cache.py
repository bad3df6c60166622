"""Where converted files are kept between runs."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import numpy as np


def cache_directory() -> Path:
    """``HANDSSS_CACHE`` if it is set, otherwise the platform's place for caches."""
    chosen = os.environ.get("HANDSSS_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return (Path(base) if base else Path.home() / "AppData" / "Local") / "handsss" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "handsss"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "handsss"


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> bool:
    """Write an npz in one step, so that no reader ever sees half of it.

    Returns:
        False where the place cannot be written to: a cache that is missing is not an error.
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
