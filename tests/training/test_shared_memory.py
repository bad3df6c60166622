"""Reading processes where shared memory is absent or small."""

from __future__ import annotations

import logging
import os
import sys
from collections import namedtuple
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils.data import Dataset

from handsss.errors import UserError
from handsss.training.sampler import AHEAD, loader, read_batches, workers_that_fit

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at Linux's /dev/shm")
Status = namedtuple("Status", "f_bavail f_frsize")


class Rows(Dataset[dict[str, torch.Tensor]]):
    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"image": torch.zeros(1000, 1000, dtype=torch.uint8)}


@pytest.mark.parametrize(("megabytes", "workers"), [(1, 0), (64, 3), (10_000, 8)])
def test_as_many_as_have_room(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, megabytes: int, workers: int
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda path: Status(megabytes * 1000, 1000))
    with caplog.at_level(logging.WARNING):
        assert workers_that_fit(Rows(), 4, 8) == workers  # 4 MB a batch
    assert ("--shm-size" in caplog.text) == (workers < 8)
    assert 64 // (4 * (AHEAD + 1)) == 3


def test_none_without_shared_memory(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def absent(path: str) -> Any:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(os, "statvfs", absent)
    with caplog.at_level(logging.WARNING):
        batches = loader(Rows(), batch=2, done=0, total=2, seed=0, workers=4)
    assert batches.num_workers == 0 and len(list(read_batches(batches))) == 2
    assert "this process reads the data itself" in caplog.text


@pytest.mark.parametrize("text", ["DataLoader worker (pid 7) is killed by signal: Bus error.", "no shared memory"])
def test_processes_that_die_are_told(text: str) -> None:
    class Broken:
        def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
            raise RuntimeError(text)

    with pytest.raises(UserError, match="Read with workers 0.*--shm-size"):
        list(read_batches(Broken()))  # type: ignore[arg-type]
