"""Data-parallel training in the processes of ``torchrun``: one per GPU (NCCL), or on CPUs (gloo)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from handsss.errors import UserError


class Processes(NamedTuple):
    """This process among those that train together."""

    rank: int = 0
    size: int = 1
    local: int = 0  # number on this machine: its GPU

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and prints."""
        return self.rank == 0


def from_environment() -> Processes:
    """This process by ``torchrun``'s environment variables; a single process without them."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    if any(name not in os.environ for name in names):
        return Processes()
    try:
        return Processes(*(int(os.environ[name]) for name in names))
    except ValueError:
        raise UserError(f"{', '.join(names)} are set, but not to numbers. Start the run with torchrun.") from None


@contextmanager
def process_group(processes: Processes, device: torch.device) -> Iterator[None]:
    """Initialises the process group and destroys it at the end; nothing for a single process."""
    if processes.size == 1:
        yield
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of a value (without gradient) over all processes; the value itself for a single one.

    Losses divide by sums of weights over the whole batch. DistributedDataParallel averages gradients over processes, so
    each divides its part by this mean of sums: the average is the quotient over the whole batch.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return value
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()


def any_process(flag: bool, device: torch.device) -> bool:
    """Whether the flag is set in any process; all get the same answer."""
    if not (dist.is_available() and dist.is_initialized()):
        return flag
    votes = torch.tensor(float(flag), device=device)
    dist.all_reduce(votes)
    return bool(votes > 0)


def broadcast_from_first(values: list[float], device: torch.device) -> list[float]:
    """The first process's numbers, in all processes; the numbers themselves for a single one."""
    if not (dist.is_available() and dist.is_initialized()):
        return values
    shared = torch.tensor(values, dtype=torch.float64, device=device)
    dist.broadcast(shared, 0)
    return [float(value) for value in shared.tolist()]


def min_over_processes(value: int, device: torch.device) -> int:
    """The smallest number of all processes; the number itself for a single one."""
    if not (dist.is_available() and dist.is_initialized()):
        return value
    shared = torch.tensor(value, dtype=torch.int64, device=device)
    dist.all_reduce(shared, dist.ReduceOp.MIN)
    return int(shared)
