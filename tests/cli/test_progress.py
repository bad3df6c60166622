"""Rates and remaining times of work whose units come in bursts."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from handsss.cli.progress import Pace, clock_time, progress_bar, rate_words


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def played(ends: list[tuple[float, int]], *, before: int = 0) -> tuple[Pace, Clock]:
    """A pace after units that were complete at these seconds."""
    clock = Clock()
    pace = Pace(clock)
    pace.begin(before)
    for seconds, done in ends:
        clock.now = 100 + seconds
        pace.update(done)
    return pace, clock


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("unit_by_unit", [False, True])
def test_bursts_of_several_processes(workers: int, unit_by_unit: bool) -> None:
    """Processes start for 16 s, then each gives blocks of 8 every 4 s: 2 units a second and process."""
    ends = sorted((16 + 0.3 * worker + 4 * (block + 1)) for worker in range(workers) for block in range(6))
    done, events = 0, []
    for end in ends:
        for unit in range(8):
            done += 1
            if unit_by_unit:
                events.append((end + 0.01 * unit, done))
        if not unit_by_unit:
            events.append((end, done))
    early, _ = played(events[: 8 if unit_by_unit else 1])
    assert early.rate is not None and early.rate <= 8 / 20 + 0.01  # the start counts while nothing else is known
    pace, _ = played(events)
    assert pace.rate == pytest.approx(2 * workers, rel=0.25)
    remaining = pace.remaining(done + 80 * workers)
    assert remaining == pytest.approx(40, rel=0.25)


def test_what_was_complete_before_is_not_counted() -> None:
    pace, clock = played([(10, 5010), (20, 5020)], before=5000)
    assert pace.rate == pytest.approx(1.0)
    assert pace.remaining(5030) == pytest.approx(10)
    clock.now += 4  # the time goes on between units
    assert pace.remaining(5030) == pytest.approx(6)


def test_nothing_is_said_before_the_first_unit() -> None:
    pace, clock = played([])
    clock.now += 7
    assert pace.rate is None and pace.remaining(10) is None and pace.elapsed == 7


def test_lines_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handsss.cli.progress._LINE_SECONDS", -1.0)
    text = io.StringIO()
    with progress_bar(Console(file=text), unit="photo", shown=True, description="reconstructing") as bar:
        bar.update(0, 20)
        bar.update(5)
    lines = text.getvalue().splitlines()
    assert len(lines) == 2 and lines[1].startswith("reconstructing: 5/20 photos, ")
    assert "left" in lines[1]
    quiet = io.StringIO()
    with progress_bar(Console(file=quiet), unit="photo", shown=False) as bar:
        bar.update(5, 20)
    assert quiet.getvalue() == ""


def test_times() -> None:
    assert [clock_time(seconds) for seconds in (0, 61, 3723)] == ["0:00", "1:01", "1:02:03"]


def test_no_rate_is_zero() -> None:
    assert rate_words(12.54, "photo") == "12.5 photos/s"
    assert rate_words(0.04, "picture") == "25.0 s/picture"
