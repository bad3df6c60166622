"""Images per second, elapsed and remaining time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import NamedTuple

from handsss.training.schedule import Stage


class Remaining(NamedTuple):
    """Time to the end of the schedule."""

    seconds: float
    rough: bool  # a stage was priced at the pace of another one, or at its first step's


NOT_KNOWN = Remaining(0.0, True)


@dataclass
class _Pace:
    first: float  # s of the first step, which compiles and starts readers
    steps: int = 0  # after the first one
    seconds: float = 0.0  # of those

    @property
    def per_step(self) -> float:
        return self.seconds / self.steps if self.steps else self.first


class Throughput:
    """Images per second since the start of the current stage, and the pace of every stage (they differ tenfold).

    Args:
        batch: samples per step.
        before: seconds that the run was trained for before, by earlier processes.
    """

    def __init__(self, batch: int, before: float = 0.0) -> None:
        self.batch, self.before = batch, before
        self.stage, self.first = "", 0
        self.start = self.begin = self.last = time.perf_counter()
        self._paces: dict[str, _Pace] = {}

    def restart(self) -> None:
        """Training begins now."""
        self.start = self.begin = self.last = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Since the training began in this process."""
        return time.perf_counter() - self.start

    @property
    def elapsed(self) -> float:
        """Seconds of training, those of earlier processes included."""
        return self.before + self.seconds

    def update(self, stage: str, number: int) -> float:
        """Images per second after a step of the run, counted from 0."""
        if stage != self.stage:
            self.stage, self.first, self.begin = stage, number, self.last
        now = time.perf_counter()
        took, self.last = now - self.last, now
        if stage in self._paces:
            self._paces[stage].steps += 1
            self._paces[stage].seconds += took
        else:
            self._paces[stage] = _Pace(took)
        return (number + 1 - self.first) * self.batch / (self.last - self.begin)

    def remaining(self, stages: tuple[Stage, ...], done: int) -> Remaining:
        """Time for the steps that are left, each stage's at its own pace, else at the nearest measured one's.

        Args:
            stages: the schedule.
            done: steps of the run.
        """
        known = [number for number, stage in enumerate(stages) if stage.name in self._paces]
        seconds, rough, before = 0.0, False, 0
        for number, stage in enumerate(stages):
            left = stage.steps - min(max(done - before, 0), stage.steps)
            before += stage.steps
            if left and known:
                nearest = min(known, key=lambda other: abs(other - number))
                pace = self._paces[stages[nearest].name]
                seconds += left * pace.per_step
                rough |= nearest != number or pace.steps == 0
        return Remaining(seconds, rough)
