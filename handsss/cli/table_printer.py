"""Prints tables, notes and progress of ``handsss evaluate`` and ``handsss paper``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from handsss.cli.console import error_console, output_console, plain
from handsss.cli.progress import progress_bar
from handsss.cli.tables import show_table

if TYPE_CHECKING:
    from handsss.evaluation.options import OnProgress
    from handsss.evaluation.tables import Table


class TablePrinter:
    """Prints to the terminal, with a bar for long work.

    Args:
        quiet: errors only.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._output = output_console(quiet=quiet)

    def say(self, text: str) -> None:
        """One line, not wrapped."""
        self._output.print(plain(text), soft_wrap=True)

    @contextmanager
    def progress(self) -> Iterator[OnProgress]:
        """A bar for the current stage; gives the ``on_progress`` of the functions that work."""
        with progress_bar(error_console(), unit="picture", shown=not self._quiet) as bar:
            current = ""

            def on_progress(stage: str, done: int, total: int) -> None:
                nonlocal current
                if stage != current:
                    current = stage
                    bar.stage(stage, total, done=done)
                bar.update(done, total)

            yield on_progress

    def table(self, table: Table) -> None:
        """A table under its title, with its notes."""
        self.say(table.title)
        show_table(self._output, table.header, table.rows, right=range(1, len(table.header)))
        for note in table.notes:
            self.say(note)

    def notes(self, notes: Sequence[str]) -> None:
        """Remarks on the predictions."""
        for note in notes:
            self._output.print(f"[yellow]note:[/yellow] {plain(note)}", soft_wrap=True)
