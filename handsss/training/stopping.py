"""Ctrl-C and SIGTERM end a run after its current step, with the state saved."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from handsss.training.run import TrainingRun

_SAME_INTERRUPT = 3.0  # s


@contextmanager
def stopping(run: TrainingRun, wanted: bool) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run after the current step; a second Ctrl-C at once."""
    if not wanted or threading.current_thread() is not threading.main_thread():
        yield
        return

    asked = 0.0

    def ask(number: int, _frame: object) -> None:
        nonlocal asked
        # torchrun passes on the Ctrl-C that the terminal sent to its processes as well: both are one.
        again = run.processes.size == 1 or time.monotonic() - asked > _SAME_INTERRUPT
        if run.stop_asked and number == signal.SIGINT and again:
            raise KeyboardInterrupt
        asked = time.monotonic()
        run.stop_asked = "interrupted" if number == signal.SIGINT else "stopped by SIGTERM"

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
