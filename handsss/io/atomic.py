"""Files that are complete or absent: written under a temporary name, then renamed."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from handsss.errors import UserError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DiskFullError(UserError):
    """No space left on the disk."""

    exit_code = 1


@contextmanager
def atomic_path(target: Path, *, temporary: Path | None = None, resumable: bool = False) -> Iterator[Path]:
    """A temporary path to write a file to. On success the file is synced to disk and renamed to its target; on an
    error or an interruption it is removed, and what stood at the target stays.

    Args:
        target: its folder must exist.
        temporary: the temporary path, on the same file system; by default a hidden file beside the target.
        resumable: the run can be resumed; the message for a full disk says so.

    Raises:
        DiskFullError: no space.
        UserError: the file cannot be written for another reason.
    """
    temporary = temporary or _beside(target)
    try:
        yield temporary
        with open(temporary, "rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(temporary, target)
    except OSError as error:
        raise write_error(target, error, resumable=resumable) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_file(target: Path, content: bytes, *, resumable: bool = False) -> None:
    """Write one file atomically; see :func:`atomic_path`."""
    with atomic_path(target, resumable=resumable) as temporary, open(temporary, "xb") as stream:
        stream.write(content)


def write_files(files: Mapping[Path, bytes]) -> None:
    """Write several files: all under temporary names first, then renamed in the order given.

    On an error or an interruption no incomplete file is left; a target that was not reached keeps what stood there.
    Missing folders are created. Files are not synced to disk one by one: a batch of photos writes thousands.

    Args:
        files: target -> content.

    Raises:
        DiskFullError: no space.
        UserError: a folder or file that cannot be written for another reason.
    """
    staged: list[tuple[Path, Path]] = []
    try:
        for target, content in files.items():
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                if target.is_dir():
                    raise IsADirectoryError(errno.EISDIR, "a folder has this name")
                temporary = _beside(target)
                staged.append((temporary, target))
                with open(temporary, "xb") as stream:
                    stream.write(content)
            except OSError as error:
                raise write_error(target, error) from error
        while staged:
            temporary, target = staged[0]
            try:
                os.replace(temporary, target)
            except OSError as error:
                raise write_error(target, error) from error
            staged.pop(0)
    finally:
        for temporary, _ in staged:
            with suppress(OSError):
                temporary.unlink()


def remove_temporary_files(folder: Path) -> None:
    """Remove the temporary files that killed runs left in a folder.

    Raises:
        UserError: they cannot be removed.
    """
    try:
        for stray in folder.glob(".*.tmp"):
            stray.unlink(missing_ok=True)
    except OSError as error:
        raise write_error(folder, error) from error


def check_writable(folder: Path) -> None:
    """Create a folder and try to write in it, before any long computation.

    Raises:
        UserError: it cannot be created or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = _beside(folder / "probe")
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise write_error(folder, error) from error


def is_full(error: OSError) -> bool:
    """Whether a write failed for want of space; h5py gives the system's message in its text only."""
    text = str(error)
    return error.errno in _FULL or "No space left" in text or "File too large" in text


def make_folder(folder: Path, *, resumable: bool = False) -> None:
    """Create a folder, and those above it.

    Raises:
        DiskFullError: no space.
        UserError: it cannot be created for another reason.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(folder, error, resumable=resumable) from error


def write_error(target: Path, error: OSError, *, resumable: bool = False) -> UserError:
    """The message for a failed write.

    Args:
        target: what was to be written.
        error: the system's. h5py gives the system's message in its text only.
        resumable: whether the same command with ``resume`` goes on.
    """
    text = str(error)
    full = is_full(error)
    if full and resumable:
        return DiskFullError(
            f"{target}: no space left on the disk. What is finished is kept: make room and run the same command with "
            "{resume}.",
            options=("resume",),
        )
    reason = error.strerror or text
    if "unable to lock file" in text:  # HDF5's, where HDF5_USE_FILE_LOCKING asks for locks
        return UserError(f"{target}: its file system has no locks. Set HDF5_USE_FILE_LOCKING=FALSE.")
    if full:
        return DiskFullError(f"{target}: cannot be written ({reason}). Make room, or choose another folder.")
    return UserError(
        f"{target}: cannot be written ({reason}). Check the path and its permissions, or choose another folder."
    )


def _beside(target: Path) -> Path:
    return target.parent / f".handsss-{secrets.token_hex(6)}.tmp"
