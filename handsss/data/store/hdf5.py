"""Opens HDF5 files, on file systems without locks too.

Stores are written under a name of their own and renamed when they are complete, so that no lock is needed; file systems
without a lock daemon (NFS, Lustre, FUSE) refuse them.
"""

from __future__ import annotations

import errno
import re
from pathlib import Path

import h5py

NO_LOCKS = "Its file system has no locks: set HDF5_USE_FILE_LOCKING=FALSE."


def read_hdf5(path: Path) -> h5py.File:
    """Open for reading.

    Raises:
        OSError: it cannot be opened, or another program is writing it.
    """
    try:
        return h5py.File(path, "r")
    except OSError as error:
        if not about_locks(error) or is_in_use(error):
            raise
        return h5py.File(path, "r", locking=False)


def new_hdf5(path: Path) -> h5py.File:
    """Create a file that HDF5 1.10 and later read.

    Raises:
        OSError: it cannot be written.
    """
    return h5py.File(path, "w", libver=("v110", "v110"), locking=False)


def about_locks(error: OSError) -> bool:
    """Whether HDF5 failed at a lock, as it does where HDF5_USE_FILE_LOCKING asks for them."""
    return "unable to lock file" in str(error)


def is_in_use(error: OSError) -> bool:
    """Whether another program holds the lock."""
    found = re.search(r"unable to lock file, errno = (\d+)", str(error))
    return found is not None and int(found[1]) in (errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES)
