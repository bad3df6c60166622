"""Writing results so that they are either all there or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from handsss.errors import UserError


def write_files(files: Mapping[Path, bytes]) -> None:
    """Write several files: all under temporary names in their folders first, then renamed in the order given.

    Nothing half-written is left behind, neither on errors nor on an interruption; what stood under these names before
    stays until its successor is complete. Missing folders are made.

    Args:
        files: target -> content.

    Raises:
        UserError: a folder or file that cannot be written, a full disk.
    """
    staged: list[tuple[Path, Path]] = []
    try:
        for target, content in files.items():
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                if target.is_dir():
                    raise IsADirectoryError(21, "a folder has this name")
                temporary = target.parent / f".handsss-{secrets.token_hex(6)}.tmp"
                staged.append((temporary, target))
                with open(temporary, "xb") as stream:
                    stream.write(content)
            except OSError as error:
                raise _unwritable(target, error) from error
        while staged:
            temporary, target = staged[0]
            try:
                os.replace(temporary, target)
            except OSError as error:
                raise _unwritable(target, error) from error
            staged.pop(0)
    finally:
        for temporary, _ in staged:
            with suppress(OSError):
                temporary.unlink()


def check_writable(folder: Path) -> None:
    """Make a folder and try to write in it, before hours are spent on results that would have no place.

    Raises:
        UserError: it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".handsss-{secrets.token_hex(6)}.tmp"
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(path: Path, error: OSError) -> UserError:
    return UserError(
        f"{path}: cannot be written ({error.strerror or error}). Choose another place with -o, or free space and check "
        "permissions there."
    )
