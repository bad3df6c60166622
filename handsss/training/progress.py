"""Progress of a run, its time limit, and its early ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from handsss.errors import UserError
from handsss.training.collapse import Health
from handsss.training.throughput import NOT_KNOWN, Remaining


class TimeUpError(Exception):
    """The time limit was reached before the last step; the run finishes with its present weights."""


@dataclass(frozen=True)
class TimeLimit:
    """When a run must end."""

    end: float  # s, of the clock
    reserve: float  # s for the last validation and the checkpoints
    clock: Callable[[], float] = time.monotonic

    @property
    def left(self) -> float:
        """Seconds left for training."""
        return self.end - self.reserve - self.clock()

    def is_over(self) -> bool:
        """Whether it is time to finish."""
        return self.left <= 0


class StoppedError(UserError):
    """The run was asked to stop, and has saved its state."""

    exit_code = 130

    def __init__(self, message: str, folder: Path) -> None:
        super().__init__(message)
        self.folder = folder  # to resume


class NotFiniteStopError(UserError):
    """The run met a number that is not finite; the message says where, and where the batch is kept."""

    exit_code = 1

    def __init__(self, message: str, batch: Path) -> None:
        super().__init__(message)
        self.batch = batch  # file to replay


@dataclass(frozen=True)
class Progress:
    """State of a run after a step, for displays."""

    step: int  # done
    total: int
    stage: str
    lr: float
    total_loss: float
    parts: dict[str, float]  # unweighted
    gradient: float
    health: Health | None
    seconds: float  # since this process began to train
    images_per_second: float  # in this stage
    validation: dict[str, float] | None  # the newest, with its "step"
    warning: str = ""  # that the newest validation is worse than an earlier one
    elapsed: float = 0.0  # s of training, those before a resume included
    remaining: Remaining = NOT_KNOWN  # time to the end of the schedule
