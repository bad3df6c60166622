"""Checks of the compile cache, disk, shared memory, threads and output."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from handsss.doctor.check import Check, note, ok, problem, reason
from handsss.io.folders import is_writable

SHARED_MEMORY = Path("/dev/shm")
LITTLE_SHARED = 256e6  # bytes; reading processes of a training keep their batches there
LITTLE_DISK, NO_DISK = 1e9, 50e6
_SIGNS = "\u2013\u2014\u2026\u00d7\u00b0\u00b1\u2212"  # that the commands print


def compile_cache() -> Iterator[Check]:
    """Where numba keeps machine code, and whether it is there already."""
    from handsss.rendering.compile_cache import compile_cache

    cache = compile_cache()
    if cache.folder is None:
        advice = "Set NUMBA_CACHE_DIR to a folder that can be written."
        yield note("compile cache", "none can be written: every run compiles for about 20 s", advice)
    elif cache.filled:
        yield ok("compile cache", f"filled: {cache.folder}")
    elif cache.writable:
        text = f"empty: {cache.folder}; the first run compiles about 20 s"
        yield note("compile cache", text, "handsss demo fills it.")
    else:
        advice = "Make it writable, or set NUMBA_CACHE_DIR to a folder that is."
        yield note("compile cache", f"cannot be written: {cache.folder}; every run compiles about 20 s", advice)


def file_cache() -> Iterator[Check]:
    """The folder of converted MANO files and downloads."""
    from handsss.hand.cache import cache_directory

    folder = cache_directory()
    if folder is None:
        advice = "Set HANDSSS_CACHE to a folder, and converted MANO files are kept."
        yield note("file cache", "this user has no home folder; nothing is kept", advice)
    elif is_writable(folder):
        yield ok("file cache", str(folder))
    else:
        yield note("file cache", f"{folder} cannot be written", "Set HANDSSS_CACHE to a folder that can be.")


def disk() -> Iterator[Check]:
    """Room in the working folder and in the temporary one."""
    places = {"disk here": Path.cwd()}
    try:
        places["disk temporary"] = Path(tempfile.gettempdir())
    except OSError as error:
        yield problem("disk temporary", reason(error), "Set TMPDIR to a folder that can be written.")
    for name, folder in places.items():
        free = shutil.disk_usage(folder).free
        text = f"{free / 1e9:.1f} GB free in {folder}"
        if free < NO_DISK:
            yield problem(name, text, "Make room: a mesh with its texture and pictures takes about 2 MB.")
        elif not os.access(folder, os.W_OK):
            yield note(name, f"{text}, which cannot be written", "Go to another folder, or give -o.")
        elif free < LITTLE_DISK:
            yield note(name, text, "Enough for photos; stores and training runs take gigabytes.")
        else:
            yield ok(name, text)


def shared_memory() -> Iterator[Check]:
    """Room in /dev/shm, where several processes exchange what they read."""
    if sys.platform != "linux":
        yield ok("shared memory", "by this system's own means")
        return
    advice = "In a container: docker run --shm-size 1g."
    if not SHARED_MEMORY.is_dir() or not os.access(SHARED_MEMORY, os.W_OK):
        yield note("shared memory", f"no {SHARED_MEMORY} that can be written: one process does the work", advice)
        return
    free = shutil.disk_usage(SHARED_MEMORY).free
    text = f"{free / 1e6:.0f} MB free in {SHARED_MEMORY}"
    yield (
        note("shared memory", f"{text}: training reads with fewer processes", advice)
        if free < LITTLE_SHARED
        else ok("shared memory", text)
    )


def output() -> Iterator[Check]:
    """The encoding of standard output."""
    encoding = getattr(sys.stdout, "encoding", None) or "unknown"
    try:
        _SIGNS.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        text = f"{encoding}: some signs are written plainly, names that it lacks as escapes"
        yield note("output", text, "Set PYTHONIOENCODING=utf-8 if the terminal shows UTF-8.")
    else:
        yield ok("output", encoding)


def threads() -> Iterator[Check]:
    """Processors that this process may use, and what limits them."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    text = f"{allowed} of {os.cpu_count()} processors may be used"
    if limit.isdecimal() and int(limit) < allowed:
        advice = "Unset it where one command runs alone."
        yield note("threads", f"{text}, and OMP_NUM_THREADS={limit} allows {limit} thread(s) a process", advice)
    else:
        yield ok("threads", text)
