"""Compilation where its cache cannot be written."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba.core import caching

from handsss.geometry import jit, jit_cache


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


def written(folder: Path, kind: str) -> list[Path]:
    return sorted(folder.rglob(f"*.{kind}"))


def test_code_is_written_before_the_list_that_names_it(no_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full for machine code, not for the short list: nothing is listed, and the next call compiles."""
    real = caching.IndexDataCacheFile._save_data

    def full(self: Any, name: str, data: Any) -> None:
        raise OSError(errno.EFBIG, "File too large")

    monkeypatch.setattr(caching.IndexDataCacheFile, "_save_data", full)
    assert jit.njit(cache=True)(doubled)(np.arange(3.0)).tolist() == [0, 2, 4]
    assert not written(no_folder, "nbi") and not written(no_folder, "nbc")
    monkeypatch.setattr(caching.IndexDataCacheFile, "_save_data", real)
    assert jit.njit(cache=True)(doubled)(np.arange(3.0)).tolist() == [0, 2, 4]
    assert len(written(no_folder, "nbc")) == 1


def test_signatures_and_sources_never_share_a_file(no_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes that compile at once see no list of the other's; so do two versions of the source."""
    monkeypatch.setattr(caching.IndexDataCacheFile, "_load_index", lambda self: {})
    jit.njit(cache=True)(doubled)(np.arange(3.0))
    jit.njit(cache=True)(doubled)(np.arange(3, dtype=np.float32))
    assert len(written(no_folder, "nbc")) == 2
    monkeypatch.setattr(jit_cache, "folder_stamp", lambda folder: "another source")
    jit.njit(cache=True)(doubled)(np.arange(3.0))
    assert len(written(no_folder, "nbc")) == 3


def test_kept_code_is_used_until_a_file_beside_it_changes(no_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hits() -> int:
        compiled: Any = jit.njit(cache=True)(doubled)
        assert compiled(np.arange(3.0)).tolist() == [0, 2, 4]
        return sum(compiled.stats.cache_hits.values())

    assert (hits(), hits()) == (0, 1)
    stamp = jit_cache.folder_stamp(no_folder)
    (no_folder / "called.py").write_text("LEAST = 3\n")
    jit_cache.folder_stamp.cache_clear()
    assert jit_cache.folder_stamp(no_folder) != stamp
    monkeypatch.setattr(jit_cache, "folder_stamp", lambda folder: "called.py changed")
    assert hits() == 0


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), EOFError("cut off")])
def test_a_cache_that_fails_later_is_no_error(
    monkeypatch: pytest.MonkeyPatch, no_folder: Path, error: Exception
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(caching.FunctionCache, "save_overload", fail)
    monkeypatch.setattr(caching.FunctionCache, "load_overload", fail)
    assert jit.njit(cache=True)(doubled)(np.arange(2.0)).tolist() == [0, 2]
