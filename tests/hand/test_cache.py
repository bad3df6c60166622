"""The cache folder of users without a home."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import platformdirs
import pytest

from handsss.hand.cache import cache_directory, write_arrays


@pytest.mark.parametrize("unknown", ["raises", "stays"])
def test_without_a_home_there_is_no_cache(monkeypatch: pytest.MonkeyPatch, unknown: str) -> None:
    """As for a number without an entry in passwd and HOME unset: ``Path.home()`` raises, ``expanduser`` leaves "~"."""

    def folder(*_: object, **__: object) -> Path:
        if unknown == "raises":
            raise RuntimeError("Could not determine home directory.")
        return Path("~/.cache/handsss")

    monkeypatch.delenv("HANDSSS_CACHE", raising=False)
    monkeypatch.setattr(platformdirs, "user_cache_path", folder)
    assert cache_directory() is None
    assert not write_arrays(None, {"a": np.zeros(1)})


def test_a_chosen_folder_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HANDSSS_CACHE", str(tmp_path))
    assert cache_directory() == tmp_path
    monkeypatch.setenv("HANDSSS_CACHE", "cache")
    assert cache_directory() == Path("cache")
