"""Compilation where its cache cannot be written."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba.core import caching

from handsss.geometry import jit


def doubled(values: np.ndarray) -> np.ndarray:
    return values * 2


@pytest.fixture
def no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """As for another user: neither beside the source nor in the home can anything be written."""
    real = caching._CacheLocator.ensure_cache_path

    def ensure(self: Any) -> None:
        if not self.get_cache_path().startswith(str(tmp_path)):
            raise PermissionError(errno.EACCES, "Permission denied")
        real(self)

    monkeypatch.setattr(caching._CacheLocator, "ensure_cache_path", ensure)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    return tmp_path


def test_without_a_writable_folder_the_temporary_one_is_used(no_folder: Path) -> None:
    compiled = jit.njit(cache=True)(doubled)
    assert compiled(np.arange(3.0)).tolist() == [0, 2, 4]
    (folder,) = no_folder.iterdir()
    assert folder.name.startswith("handsss-compiled-") and list(folder.rglob("*.nbi"))


def test_a_folder_of_somebody_else_is_not_used(no_folder: Path) -> None:
    folder = jit.temporary_folder()
    assert folder is not None
    if hasattr(os, "getuid"):
        folder.chmod(0o777)
        assert jit.temporary_folder() is None
    folder.rmdir()
    folder.symlink_to(no_folder)
    assert jit.temporary_folder() is None
    assert jit.njit(cache=True)(doubled)(np.arange(2.0)).tolist() == [0, 2]  # compiled, not kept


def test_without_a_home_no_folder_called_tilde_is_made(monkeypatch: pytest.MonkeyPatch, no_folder: Path) -> None:
    monkeypatch.chdir(no_folder)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    monkeypatch.setattr(jit, "_writable", lambda folder: False)
    assert jit.njit(cache=True)(doubled)(np.arange(2.0)).tolist() == [0, 2]
    assert not (no_folder / "~").exists()


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), EOFError("cut off")])
def test_a_cache_that_fails_later_is_no_error(
    monkeypatch: pytest.MonkeyPatch, no_folder: Path, error: Exception
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(caching.FunctionCache, "save_overload", fail)
    monkeypatch.setattr(caching.FunctionCache, "load_overload", fail)
    assert jit.njit(cache=True)(doubled)(np.arange(2.0)).tolist() == [0, 2]
