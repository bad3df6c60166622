"""Memory of the process: glibc gives large blocks back to the system at once, and the next step asks for them again."""

from __future__ import annotations

import ctypes
import sys

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
