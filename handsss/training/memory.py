"""Memory of the process: allocator settings, peak use, available memory."""

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
    """Bytes available to this process, by the system and its container's limit; None if unknown."""
    value = _kilobytes(Path("/proc/meminfo"), "MemAvailable")
    if value is None:
        return None
    try:  # control groups, version 2: a container's limit
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text()) - int(
            Path("/sys/fs/cgroup/memory.current").read_text()
        )
    except (OSError, ValueError):  # none, or "max"
        return value
    return max(0, min(value, limit))


def reset_peak_memory() -> int | None:
    """Reset the peak of this process's memory; returns its present use, bytes. None if unknown."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return _kilobytes(Path("/proc/self/status"), "VmRSS")


def peak_memory() -> int | None:
    """Peak bytes of this process since :func:`reset_peak_memory`; None if unknown."""
    return _kilobytes(Path("/proc/self/status"), "VmHWM")


def _kilobytes(path: Path, name: str) -> int | None:
    """An entry of a table in /proc, in bytes."""
    try:
        value = re.search(rf"^{name}:\s+(\d+) kB", path.read_text(), re.MULTILINE)
    except OSError:
        return None
    return None if value is None else 1024 * int(value[1])
