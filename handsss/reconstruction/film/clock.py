"""Times of a film's stages."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class StageClock:
    """Seconds and processor seconds of named stages. A stage within another counts for itself alone."""

    def __init__(self) -> None:
        self.spent: dict[str, tuple[float, float]] = {}
        self._stack: list[str] = []
        self._mark = self._now()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """What happens within belongs to a stage."""
        self._count()
        self._stack.append(name)
        try:
            yield
        finally:
            self._count()
            self._stack.pop()

    @staticmethod
    def _now() -> tuple[float, float]:
        return time.perf_counter(), time.process_time()

    def _count(self) -> None:
        before, self._mark = self._mark, self._now()
        if self._stack:
            wall, cpu = self.spent.get(self._stack[-1], (0.0, 0.0))
            self.spent[self._stack[-1]] = wall + self._mark[0] - before[0], cpu + self._mark[1] - before[1]
