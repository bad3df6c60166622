"""The order in which rows are read: shuffled every epoch by the seed, and resumable at any step."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from handsss.errors import UserError
from handsss.training.batch_rows import stacked

_LOG = logging.getLogger(__name__)
_SHARED_MEMORY = "/dev/shm"
_NO_SHARED = (
    "note: this process reads the data itself: the system gives no shared memory to others (%s). Containers need "
    "/dev/shm: docker run --shm-size 1g."
)
_LITTLE_SHARED = (
    "note: %d reading processes were wanted, %d are used: /dev/shm has %.0f MB free, each needs %.0f MB. More of it: "
    "docker run --shm-size 1g."
)
AHEAD = 4  # batches that every worker reads ahead


class OrderedSampler(Sampler[int]):
    """Shuffled row indices: a new order every epoch, the same for the same seed.

    An index is ``epoch * rows + row``: readers take the epoch from it, which seeds the augmentation.

    Args:
        rows: of the dataset.
        seed: of the order.
        start: rows that were read before, over all epochs.
        count: rows to read.
        share: this process and the number of processes; each reads its part of every batch.
        batch: rows a step, over all processes.
    """

    def __init__(
        self, rows: int, seed: int, start: int, count: int, *, share: tuple[int, int] = (0, 1), batch: int = 1
    ) -> None:
        self.rows, self.seed, self.start, self.count = rows, seed, start, count
        self.rank, self.processes = share
        self.batch = batch

    def __len__(self) -> int:
        return self.count // self.processes

    def __iter__(self) -> Iterator[int]:
        epoch, order = -1, np.zeros(0, dtype=np.int64)
        own = self.batch // self.processes
        for number in range(self.count):
            if self.processes > 1 and number % self.batch // own != self.rank:
                continue
            index = self.start + number
            if index // self.rows != epoch:
                epoch = index // self.rows
                order = np.random.default_rng((self.seed, epoch)).permutation(self.rows)
            yield epoch * self.rows + int(order[index % self.rows])


class EpochIndexedDataset(Dataset[dict[str, Tensor]]):
    """A dataset indexed by ``epoch * rows + row``: see :class:`OrderedSampler`."""

    def __init__(self, dataset: Dataset[dict[str, Tensor]]) -> None:
        self.dataset = dataset
        self.rows = len(dataset)  # type: ignore[arg-type]

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        epoch, row = divmod(index, self.rows)
        if hasattr(self.dataset, "set_epoch"):
            self.dataset.set_epoch(epoch)
        return self.dataset[row]


def loader(
    dataset: Dataset[dict[str, Tensor]],
    *,
    batch: int,
    done: int,
    total: int,
    seed: int,
    workers: int = 0,
    share: tuple[int, int] = (0, 1),
    pin: bool = False,
) -> DataLoader[dict[str, Tensor]]:
    """The batches that are still to come, in the order that an uninterrupted run has.

    Args:
        dataset: rows as :class:`handsss.data.dataset.HandDataset` gives them.
        batch: rows a step, over all processes.
        done: number of steps done.
        total: steps of the whole run.
        seed: of the order.
        workers: processes that read; 0: this one does.
        share: this training process and their number.
        pin: into page-locked memory, for a GPU.
    """
    indexed = EpochIndexedDataset(dataset)
    workers = workers_that_fit(indexed, batch // share[1], workers)
    sampler = OrderedSampler(indexed.rows, seed, done * batch, (total - done) * batch, share=share, batch=batch)
    more: dict[str, Any] = {"prefetch_factor": AHEAD, "persistent_workers": True} if workers else {}
    return DataLoader(
        indexed,
        batch_size=batch // share[1],
        sampler=sampler,
        num_workers=workers,
        drop_last=True,
        collate_fn=stacked,
        pin_memory=pin,
        # A generator of its own: the loader must not draw from the random state that a resumed run restores.
        generator=torch.Generator().manual_seed(seed),
        **more,
    )


def read_batches(batches: DataLoader[dict[str, Tensor]]) -> Iterator[dict[str, Tensor]]:
    """The batches of a loader.

    Raises:
        UserError: a reading process died, or found no shared memory.
    """
    try:
        yield from batches
    except RuntimeError as error:
        text = str(error)
        if "DataLoader worker" not in text and "shared memory" not in text:
            raise
        raise UserError(
            f"a reading process ended ({text.splitlines()[0]}). Read with {{workers}} 0, or give more shared memory: "
            "docker run --shm-size 1g.",
            options=["workers"],
        ) from error


def workers_that_fit(dataset: Dataset[dict[str, Tensor]], rows: int, workers: int) -> int:
    """So many reading processes that their batches find room in shared memory; 0 without any, and the log says so.

    Args:
        dataset: its first row tells how large they are.
        rows: of a batch.
        workers: asked for.
    """
    if workers == 0 or sys.platform != "linux":
        return workers
    try:
        multiprocessing.get_context("fork").Semaphore()
        status = os.statvfs(_SHARED_MEMORY)
    except (OSError, ImportError, NotImplementedError) as error:
        _LOG.warning(_NO_SHARED, getattr(error, "strerror", None) or error)
        return 0
    row = dataset[0]
    size = rows * sum(value.numel() * value.element_size() for value in row.values() if isinstance(value, Tensor))
    room = status.f_bavail * status.f_frsize
    fitting = int(room // max(size * (AHEAD + 1), 1))
    if fitting < workers:
        _LOG.warning(_LITTLE_SHARED, workers, min(fitting, workers), room / 1e6, size * (AHEAD + 1) / 1e6)
    return min(fitting, workers)
