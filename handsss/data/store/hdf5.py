"""Opens HDF5 files, on file systems without locks too.

Stores are written under a name of their own and renamed when they are complete, so that no lock is needed; file systems
without a lock daemon (NFS, Lustre, FUSE) refuse them.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import h5py

from handsss.errors import InputError

_OBJECT = re.compile("decrement id ref count|file write failed")
NO_LOCKS = "Its file system has no locks: set HDF5_USE_FILE_LOCKING=FALSE."


def read_hdf5(path: Path) -> h5py.File:
    """Open for reading.

    Raises:
        OSError: it cannot be opened.
        InputError: another program is writing it.
    """
    try:
        return h5py.File(path, "r")
    except OSError as error:
        if _is_in_use(error):
            raise InputError(f"{path}: another program is writing it. Wait until it is closed.") from error
        if not about_locks(error):
            raise
        return h5py.File(path, "r", locking=False)


@contextmanager
def new_hdf5(path: Path) -> Iterator[h5py.File]:
    """Create a file that HDF5 1.10 and later read; it is closed at the end.

    Raises:
        OSError: it cannot be written; with the number of the system's error.
    """
    before = sys.unraisablehook, sys.excepthook
    _silence_objects()
    try:
        with h5py.File(path, "w", libver=("v110", "v110"), locking=False) as file:
            yield file
        sys.unraisablehook, sys.excepthook = before  # else its objects go when nobody looks any more
    except (OSError, RuntimeError) as error:  # h5py puts the system's error into its text
        found = re.search(r"file write failed.*errno = (\d+)", str(error), re.DOTALL)
        if found is None:
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1])), str(path)) from error


def _silence_objects() -> None:
    """Let the objects of a file that could not be written go without a traceback each; h5py prints each twice."""
    unraisable, uncaught = sys.unraisablehook, sys.excepthook

    def quiet_unraisable(arguments: sys.UnraisableHookArgs) -> None:
        if not _OBJECT.search(str(arguments.exc_value)):
            unraisable(arguments)

    def quiet_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not _OBJECT.search(str(error)):
            uncaught(kind, error, trace)

    sys.unraisablehook, sys.excepthook = quiet_unraisable, quiet_uncaught


def about_locks(error: OSError) -> bool:
    """Whether HDF5 failed at a lock, as it does where HDF5_USE_FILE_LOCKING asks for them."""
    return "unable to lock file" in str(error)


def _is_in_use(error: OSError) -> bool:
    """Whether another program holds the lock."""
    found = re.search(r"unable to lock file, errno = (\d+)", str(error))
    return found is not None and int(found[1]) in (errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES)
