"""Console output shared by all commands: errors, progress, exit codes. rich is imported where it is used."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

DONE, INPUT_FAILED, USAGE, NOTHING_FOUND, INTERRUPTED = 0, 1, 2, 3, 130


_FLAGS = {"validation": "--val", "out": "-o", "output": "-o", "start": "--init", "film_start": "--start"}


def flag(option: str) -> str:
    """How the command line writes an option that :class:`handsss.errors.UserError` names."""
    return _FLAGS.get(option, "--" + option.replace("_", "-"))


def show_error(message: str) -> None:
    """One message on stderr, "error:" in front. Not wrapped, so that paths can be copied and searched for."""
    errors = error_console()
    errors.print("[bold red]error:[/bold red] ", end="")
    shown = message.encode("utf-8", "backslashreplace").decode()  # file names may be other than UTF-8
    errors.print(shown, markup=False, highlight=False, soft_wrap=True)


def tell_torchrun(message: str) -> None:
    """Put a message where ``torchrun`` looks for the reason of a failed process.

    It always ends with a traceback of its own and a summary, which else says "To enable traceback see ..." and hides
    the message above it. With this file the summary repeats the message.
    """
    path = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if not path:
        return
    content = {"message": {"message": f"error: {message}", "extraInfo": {"timestamp": str(int(time.time()))}}}
    with suppress(OSError), open(path, "w", encoding="utf-8") as file:
        json.dump(content, file)


def show_note(message: str) -> None:
    """One message on stderr, "note:" in front, that stops nothing."""
    error_console().print(plain(f"note: {message}"), soft_wrap=True)


def output_console(*, quiet: bool = False) -> Console:
    """For results, on stdout."""
    from rich.console import Console

    return Console(quiet=quiet, highlight=False, emoji=False)


def error_console() -> Console:
    """For errors and progress, on stderr."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, emoji=False)


@contextmanager
def waiting(console: Console, text: str, *, shown: bool) -> Iterator[None]:
    """A spinner on a terminal, for work of unknown length; nothing elsewhere."""
    if not (shown and sys.stderr.isatty()) or console.is_dumb_terminal:
        yield
        return
    with console.status(plain(text)):
        yield


def plain(text: str) -> str:
    """Text that rich shows as it is, square brackets included; names that are not UTF-8 with escapes."""
    from rich.markup import escape

    return escape(text.encode("utf-8", "backslashreplace").decode())


def typed_command(*more: str) -> str:
    """The command that the user typed, with further options where it lacks them, to be typed again."""
    words = ["handsss", *sys.argv[1:]]
    words += [word for word in more if word not in words]
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


@contextmanager
def resumable() -> Iterator[None]:
    """On Ctrl-C in resumable work: say how to go on, and exit with 130."""
    import typer

    try:
        yield
    except KeyboardInterrupt:
        show_error(f"interrupted. What is finished is kept. Go on with: {typed_command('--resume')}")
        raise typer.Exit(INTERRUPTED) from None
