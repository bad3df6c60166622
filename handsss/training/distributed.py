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

_NUMBERS, _MEETING = ("RANK", "LOCAL_RANK"), ("MASTER_ADDR", "MASTER_PORT")
_START = "Start several processes with torchrun, which sets all of them, or unset them to train in one process."


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
    """This process by ``torchrun``'s environment variables; a single process without them, or in a world of one.

    Raises:
        UserError: a world of several processes with a variable missing or wrong: each would train alone into the same
            folder.
    """
    size = _variable("WORLD_SIZE")
    if size is None or size == 1:
        rank = _variable("RANK")
        if rank:
            came = "WORLD_SIZE is not set" if size is None else "WORLD_SIZE=1"
            raise UserError(f"RANK={rank}, but {came}. {_START}")
        return Processes()
    missing = [name for name in (*_NUMBERS, *_MEETING) if not os.environ.get(name, "").strip()]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise UserError(f"WORLD_SIZE={size}, but {' and '.join(missing)} {verb} not set. {_START}")
    rank, local, port = (_variable(name) or 0 for name in ("RANK", "LOCAL_RANK", "MASTER_PORT"))
    if not (0 <= rank < size and 0 <= local < size and 0 < port < 65536):
        raise UserError(
            f"WORLD_SIZE={size}, RANK={rank}, LOCAL_RANK={local}, MASTER_PORT={port}: expected ranks from 0 to "
            f"{size - 1}, and a port. {_START}"
        )
    return Processes(rank, size, local)


def _variable(name: str) -> int | None:
    """A whole number of the environment; None where it is not set.

    Raises:
        UserError: not a number.
    """
    text = os.environ.get(name, "").strip()
    if not text:
        return None
    try:
        value = int(text)
    except ValueError:
        raise UserError(f"{name}={text}: expected a whole number. {_START}") from None
    if name == "WORLD_SIZE" and value < 1:
        raise UserError(f"{name}={text}: expected 1 or more. {_START}")
    return value


@contextmanager
def process_group(processes: Processes, device: torch.device) -> Iterator[None]:
    """Initialises the process group and destroys it at the end; nothing for a single process."""
    if processes.size == 1:
        yield
        return
    try:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    except (ValueError, RuntimeError, OSError) as error:  # torch's own errors are RuntimeErrors
        where = ":".join(os.environ.get(name, "?") for name in _MEETING)
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            f"process {processes.rank} of {processes.size} cannot join the others at {where} (MASTER_ADDR, "
            f"MASTER_PORT): {first}. {_START}"
        ) from error
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
