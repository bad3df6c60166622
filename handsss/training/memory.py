"""Memory of the process: what is kept, how much it holds at most, and how much there is."""

from __future__ import annotations

import ctypes
import re
import sys
from pathlib import Path

_MMAP_THRESHOLD, _TRIM_THRESHOLD, _TOP_PAD = -3, -1, -2  # mallopt's numbers (malloc.h)


def keep_memory() -> bool:
    """Let glibc keep freed memory, so that a training step on the CPU does not spend a quarter of its time on page
    faults. No effect elsewhere.

    Returns:
        Whether it was done.
    """
    if sys.platform != "linux":
        return False
    try:
        library = ctypes.CDLL("libc.so.6")
        done = [
            library.mallopt(_MMAP_THRESHOLD, 1 << 30),
            library.mallopt(_TRIM_THRESHOLD, (1 << 31) - 1),
            library.mallopt(_TOP_PAD, 1 << 28),
        ]
    except (OSError, AttributeError):  # another C library
        return False
    return all(done)


def available_memory() -> int | None:
    """Bytes that this process may still take, by the system and by its container's limit; None: nobody says."""
    found = _kilobytes(Path("/proc/meminfo"), "MemAvailable")
    if found is None:
        return None
    try:  # control groups, version 2: a container's limit
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text()) - int(
            Path("/sys/fs/cgroup/memory.current").read_text()
        )
    except (OSError, ValueError):  # none, or "max"
        return found
    return max(0, min(found, limit))


def forget_peak() -> int | None:
    """Begin to look for the peak of this process's memory; what it holds now, bytes. None: the system does not tell."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return _kilobytes(Path("/proc/self/status"), "VmRSS")


def peak_memory() -> int | None:
    """Bytes that this process held at most since :func:`forget_peak`."""
    return _kilobytes(Path("/proc/self/status"), "VmHWM")


def _kilobytes(path: Path, name: str) -> int | None:
    """A figure of one of Linux's tables, in bytes."""
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB", path.read_text(), re.MULTILINE)
    except OSError:
        return None
    return None if found is None else 1024 * int(found[1])
