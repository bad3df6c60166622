"""Console output shared by all commands: errors, progress, exit codes. rich is imported where it is used."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn

DONE, INPUT_FAILED, USAGE, NOTHING_FOUND, INTERRUPTED = 0, 1, 2, 3, 130


_FLAGS = {"validation": "--val", "out": "-o", "output": "-o"}


def flag(option: str) -> str:
    """How the command line writes an option that :class:`handsss.errors.UserError` names."""
    return _FLAGS.get(option, "--" + option.replace("_", "-"))


def show_error(message: str) -> None:
    """One message on stderr, "error:" in front. Not wrapped, so that paths can be copied and searched for."""
    errors = error_console()
    errors.print("[bold red]error:[/bold red] ", end="")
    shown = message.encode("utf-8", "backslashreplace").decode()  # file names may be other than UTF-8
    errors.print(shown, markup=False, highlight=False, soft_wrap=True)


def show_note(message: str) -> None:
    """One message on stderr, "note:" in front, that stops nothing."""
    error_console().print(plain(f"note: {message}"), soft_wrap=True)


def output_console(*, quiet: bool = False) -> Console:
    """For results, on stdout."""
    from rich.console import Console

    return Console(quiet=quiet, highlight=False)


def error_console() -> Console:
    """For errors and progress, on stderr."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def progress_bar(console: Console, *, unit: str, shown: bool) -> Progress:
    """A bar with count, rate and remaining time, on a terminal; nothing elsewhere."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: object) -> Text:
            speed = getattr(task, "finished_speed", None) or getattr(task, "speed", None)
            if not speed:
                return Text("")
            return Text(f"{speed:.1f} {unit}s/s" if speed >= 1 else f"{1 / speed:.1f} s/{unit}")

    columns: list[ProgressColumn] = [
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TextColumn("remaining"),
        TimeRemainingColumn(),
    ]
    return Progress(*columns, console=console, transient=True, disable=not (shown and sys.stderr.isatty()))


@contextmanager
def waiting(console: Console, text: str, *, shown: bool) -> Iterator[None]:
    """A spinner on a terminal, for work of unknown length; nothing elsewhere."""
    if not (shown and sys.stderr.isatty()):
        yield
        return
    with console.status(plain(text)):
        yield


def plain(text: str) -> str:
    """Text that rich shows as it is, square brackets included; names that are not UTF-8 with escapes."""
    from rich.markup import escape

    return escape(text.encode("utf-8", "backslashreplace").decode())


@contextmanager
def resumable() -> Iterator[None]:
    """On Ctrl-C in resumable work: say so, and exit with 130."""
    import typer

    try:
        yield
    except KeyboardInterrupt:
        show_error("interrupted. What is finished is kept: run the same command with --resume.")
        raise typer.Exit(INTERRUPTED) from None
