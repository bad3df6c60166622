"""Whether the CPU renderer's machine code is there already, or the first picture waits for numba's compiler."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from handsss.io.folders import is_writable


class CompileCache(NamedTuple):
    """numba's cache of the renderer's kernels."""

    folder: Path | None  # None: nothing is kept
    writable: bool
    filled: bool


def compile_cache() -> CompileCache:
    """The cache of the kernels that every rendering needs."""
    from handsss.geometry.jit import cache_folder, is_cached
    from handsss.rendering.cpu.edges import find_crossings
    from handsss.rendering.cpu.kernels import rasterise

    kernels = (rasterise, find_crossings)
    folder = cache_folder(rasterise)
    writable = folder is not None and is_writable(folder)
    return CompileCache(folder, writable, all(is_cached(kernel) for kernel in kernels))
