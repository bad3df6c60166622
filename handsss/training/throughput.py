"""How fast a run goes."""

from __future__ import annotations

import time


class Pace:
    """Pictures a second since the stage that runs began: stages differ by ten times."""

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.stage, self.first = "", 0
        self.begin = self.last = time.perf_counter()

    def after(self, stage: str, number: int) -> float:
        """What it is after a step of the run, counted from 0."""
        if stage != self.stage:
            self.stage, self.first, self.begin = stage, number, self.last
        self.last = time.perf_counter()
        return (number + 1 - self.first) * self.batch / (self.last - self.begin)
