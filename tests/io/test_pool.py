"""Several processes where the system gives them no semaphores."""

from __future__ import annotations

import logging
import multiprocessing.synchronize

import pytest

from handsss.io.pool import run_jobs


@pytest.mark.parametrize("error", [FileNotFoundError(2, "No such file or directory"), OSError(38, "not implemented")])
def test_without_shared_memory_one_process_does_the_work(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: OSError
) -> None:
    def none(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(multiprocessing.synchronize.SemLock, "__init__", none)
    with caplog.at_level(logging.WARNING):
        assert list(run_jobs(str, [1, 2, 3], 2)) == ["1", "2", "3"]
    assert "one process does the work" in caplog.text and "--shm-size" in caplog.text
