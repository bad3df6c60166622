"""Images per second."""

from __future__ import annotations

import time


class Throughput:
    """Images per second since the start of the current stage; stages differ by a factor of ten.

    Args:
        batch: samples per step.
    """

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.stage, self.first = "", 0
        self.begin = self.last = time.perf_counter()

    def update(self, stage: str, number: int) -> float:
        """Images per second after a step of the run, counted from 0."""
        if stage != self.stage:
            self.stage, self.first, self.begin = stage, number, self.last
        self.last = time.perf_counter()
        return (number + 1 - self.first) * self.batch / (self.last - self.begin)
