"""The order in which rows are read: shuffled every epoch by the seed, and resumable at any step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

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
    sampler = OrderedSampler(indexed.rows, seed, done * batch, (total - done) * batch, share=share, batch=batch)
    more: dict[str, Any] = {"prefetch_factor": AHEAD, "persistent_workers": True} if workers else {}
    return DataLoader(
        indexed,
        batch_size=batch // share[1],
        sampler=sampler,
        num_workers=workers,
        drop_last=True,
        pin_memory=pin,
        # A generator of its own: the loader must not draw from the random state that a resumed run restores.
        generator=torch.Generator().manual_seed(seed),
        **more,
    )
