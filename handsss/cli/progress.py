"""Progress of long work: count, honest rate and remaining time; a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from handsss.cli.console import plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

_BURST = 0.5  # s: units that end within it were done together
_LINE_SECONDS = 30.0  # between lines where there is no terminal


class Pace:
    """Completed units over the time that they took.

    Units come in bursts (blocks and batches of several processes), so a rate is taken between the ends of bursts. The
    first burst includes the start of processes and libraries: once others have lasted half as long, it no longer
    counts.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.begin(0)

    def begin(self, done: int) -> None:
        """Work begins now.

        Args:
            done: units that were complete before.
        """
        self.done = done
        self._start = clock = self._clock()
        self._marks: list[tuple[float, int]] = []  # end of each burst's first unit, units done with the burst
        self._before = clock, done

    def update(self, done: int) -> None:
        """Units are complete."""
        if done <= self.done:
            return
        self.done = done
        now = self._clock()
        if self._marks and now - self._marks[-1][0] < _BURST:
            self._marks[-1] = self._marks[-1][0], done
        else:
            self._marks.append((now, done))
            del self._marks[1:-1]  # the first and the last count

    @property
    def elapsed(self) -> float:
        """Seconds since the work began."""
        return self._clock() - self._start

    @property
    def rate(self) -> float | None:
        """Units a second; None before the first is complete."""
        if not self._marks:
            return None
        (first, first_done), (last, last_done) = self._marks[0], self._marks[-1]
        if last > first and last - first >= 0.5 * (first - self._start):
            return (last_done - first_done) / (last - first)
        return (last_done - self._before[1]) / max(last - self._start, 1e-3)

    def remaining(self, total: int) -> float | None:
        """Seconds until all units are complete; None where no pace is known."""
        rate = self.rate
        if rate is None:
            return None
        since = self._clock() - self._marks[-1][0]
        return max((total - self.done) / rate - since, 0.0)


class Bar:
    """What progress shows of one kind of work; see :func:`progress_bar`."""

    def __init__(self, console: Console, bar: Progress | None, *, unit: str, lines: bool) -> None:
        self.pace = Pace()
        self._console, self._bar, self._unit, self._lines = console, bar, unit, lines
        self._description, self._total = "", 0
        self._task = bar.add_task("", total=None) if bar else None
        self._line = time.monotonic()

    def stage(self, description: str, total: int = 0, *, done: int = 0) -> None:
        """Begin some work.

        Args:
            description: of the work.
            total: units in all; 0: not known.
            done: units that are complete already.
        """
        self._description, self._total = description, total
        self.pace.begin(done)
        self._line = time.monotonic()
        if self._bar is not None and self._task is not None:
            self._bar.reset(self._task, total=total or None, completed=done, description=plain(description))

    def update(self, done: int, total: int | None = None) -> None:
        """Units are complete; with another total, a first call begins with what was complete before."""
        if total is not None and total != self._total:
            self.stage(self._description, total, done=done)
        self.pace.update(done)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done)
        elif self._lines and time.monotonic() - self._line > _LINE_SECONDS:
            self._line = time.monotonic()
            count = f"{done}/{self._total}" if self._total else str(done)
            self._console.print(plain(f"{self._description}: {count} {self._unit}s, {self.words()}"), soft_wrap=True)

    def advance(self) -> None:
        """One unit more is complete."""
        self.update(self.pace.done + 1)

    def words(self) -> str:
        """Rate and remaining time; the time that passed, before the first unit."""
        rate, remaining = self.pace.rate, self.pace.remaining(self._total)
        if not rate:
            return f"{clock_time(self.pace.elapsed)} so far"
        text = rate_words(rate, self._unit)
        return text if remaining is None or not self._total else f"{text}, {clock_time(remaining)} left"


def rate_words(rate: float, unit: str) -> str:
    """``12.5 photos/s``, and ``4.0 s/photo`` where it is less than one a second.

    Args:
        rate: units a second, above 0.
        unit: what is counted.
    """
    return f"{rate:.1f} {unit}s/s" if rate >= 1 else f"{1 / rate:.1f} s/{unit}"


def clock_time(seconds: float) -> str:
    """``1:02:03``, ``2:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@contextmanager
def progress_bar(console: Console, *, unit: str, shown: bool, description: str = "starting") -> Iterator[Bar]:
    """A bar with count, rate and remaining time on a terminal; a line every half a minute elsewhere.

    Args:
        console: of errors.
        unit: what is counted.
        shown: False shows nothing.
        description: of the first work.
    """
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn
    from rich.text import Text

    if not (shown and sys.stderr.isatty()) or console.is_dumb_terminal:
        bar = Bar(console, None, unit=unit, lines=shown)
        bar.stage(description)
        yield bar
        return

    class Words(ProgressColumn):
        max_refresh = 0.5

        def render(self, task: object) -> Text:
            return Text(drawn.words())

    class Count(ProgressColumn):
        def render(self, task: object) -> Text:
            return Text(f"{drawn.pace.done}/{drawn._total}" if drawn._total else "")

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), Count(), Words())
    progress = Progress(*columns, console=console, transient=True)
    drawn = Bar(console, progress, unit=unit, lines=False)
    drawn.stage(description)
    with progress:
        yield drawn
