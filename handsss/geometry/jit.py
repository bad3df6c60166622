"""numba's ``njit`` for places where its cache cannot be written: another user's installation, no home, a full disk."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core import config as _config

from handsss.geometry.jit_cache import make_safe

config: Any = _config  # its attributes are set at run time
_Function = TypeVar("_Function", bound=Callable[..., Any])


def njit(*, cache: bool = False, **options: Any) -> Callable[[_Function], _Function]:
    """As ``numba.njit``; a cache that cannot be written costs compilation time, never an error.

    Args:
        cache: keep the machine code: beside the source, in the user's cache folder, or else in the temporary folder.
        options: numba's.
    """

    def compiled(function: _Function) -> _Function:
        dispatcher: Any = numba.njit(**options)(function)
        if cache and hasattr(dispatcher, "enable_caching"):  # a plain function where NUMBA_DISABLE_JIT is set
            _enable_cache(dispatcher, Path(function.__code__.co_filename))
        result: _Function = dispatcher
        return result

    return compiled


def cache_folder(function: Callable[..., Any]) -> Path | None:
    """Where the machine code of a compiled function is kept; None where it is not."""
    path = getattr(getattr(function, "_cache", None), "cache_path", "")
    return Path(path) if path else None


def is_cached(function: Callable[..., Any]) -> bool:
    """Whether machine code of the present source is kept, for one signature at least; else a call compiles."""
    if getattr(function, "signatures", None):
        return True  # compiled in this process
    index: Any = getattr(getattr(function, "_cache", None), "_cache_file", None)
    if index is None:
        return not hasattr(function, "signatures")  # with NUMBA_DISABLE_JIT nothing is ever compiled
    try:
        return bool(index._load_index())
    except Exception:  # a damaged file: numba's pickle may raise anything, and compiles
        return False


def _enable_cache(dispatcher: Any, source: Path) -> None:
    if config.CACHE_DIR or _writable(source.parent / "__pycache__") or _home_is_known():
        try:
            dispatcher.enable_caching()
        except (RuntimeError, OSError):  # no folder that can be written
            _enable_elsewhere(dispatcher)
    else:  # numba would make a folder called "~" here
        _enable_elsewhere(dispatcher)
    own: Any = getattr(dispatcher, "_cache", None)
    if hasattr(own, "save_overload"):
        try:
            make_safe(own, source)
        except (AttributeError, OSError):  # another version of numba, or a source that is no file: nothing is kept
            own.disable()
        own.save_overload = _forgiving(own.save_overload)
        own.load_overload = _forgiving(own.load_overload)


def _enable_elsewhere(dispatcher: Any) -> None:
    folder = temporary_folder()
    if folder is None:
        return
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder)
    try:
        dispatcher.enable_caching()
    except (RuntimeError, OSError):
        pass
    finally:
        config.CACHE_DIR = before


def temporary_folder() -> Path | None:
    """A folder of this user's alone below the temporary one; None where there is none.

    Machine code is run as it is read, so a folder that others can write to is not used.
    """
    try:
        user = os.getuid() if hasattr(os, "getuid") else 0
        folder = Path(tempfile.gettempdir()) / f"handsss-compiled-{user}"
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    own = not hasattr(os, "getuid") or (status.st_uid == user and not status.st_mode & 0o022)
    return folder if stat.S_ISDIR(status.st_mode) and own else None


def _writable(folder: Path) -> bool:
    return os.access(folder if folder.is_dir() else folder.parent, os.W_OK)


def _home_is_known() -> bool:
    """Whether the user has a cache folder by name: without HOME and an entry in passwd, ``~`` stays ``~``."""
    return os.path.isabs(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~"))


def _forgiving(method: Callable[..., Any]) -> Callable[..., Any]:
    """Reading and writing of the cache, without its errors: a full disk, a file that another process cut off."""

    def tried(*arguments: Any, **named: Any) -> Any:
        try:
            return method(*arguments, **named)
        except (OSError, EOFError, ValueError, KeyError, AttributeError, ImportError):
            return None

    return tried
