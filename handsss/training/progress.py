"""What a run tells of itself while it lasts, when it has to end, and how it may end early."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from handsss.errors import UserError
from handsss.training.collapse import Health


class TimeUpError(Exception):
    """A run's limit of time came before its last step. Nothing went wrong: the run finishes with what there is."""


@dataclass(frozen=True)
class TimeLimit:
    """When a run has to end."""

    end: float  # s, of the clock
    reserve: float  # s that the last validation and the weights' files take
    clock: Callable[[], float] = time.monotonic

    @property
    def left(self) -> float:
        """Seconds that may still be trained."""
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
    validation: dict[str, float] | None  # the newest
