"""``handsss doctor``: what is installed, what is missing, and what to do."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from handsss.doctor.check import Check

EPILOG = """[bold]Examples[/bold]

  handsss doctor

  handsss doctor --json > doctor.json

[bold]Exit codes[/bold]: 0 reconstruct can work (notes are optional things), 1 it cannot.
"""
_WIDTH, _MARGIN = 80, 9


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
) -> None:
    """Check this installation: libraries, device, caches, models, datasets, disk, output. Changes nothing."""
    import json
    import time

    from handsss.doctor.report import all_checks, document, is_usable, summary

    start = time.perf_counter()
    checks = all_checks()
    if as_json:
        typer.echo(json.dumps(document(checks), indent=2))
    else:
        for check in checks:
            typer.echo(terminal_line(check) if sys.stdout.isatty() else pipe_line(check))
        typer.echo(f"{summary(checks)}, checked in {time.perf_counter() - start:.1f} s")
    if not is_usable(checks):
        raise typer.Exit(1)


def pipe_line(check: Check) -> str:
    """One line, whatever its length."""
    advice = f" -> {check.advice}" if check.advice else ""
    return f"{check.state}: {check.name}: {check.text}{advice}"


def terminal_line(check: Check) -> str:
    """The same in lines of 80 columns, the advice below. Paths are not broken."""
    indent = " " * _MARGIN
    lines = _wrapped(f"{check.name}: {check.text}", f"{check.state:<{_MARGIN}}", indent)
    if check.advice:
        lines += _wrapped(check.advice, f"{indent}-> ", f"{indent}   ")
    return "\n".join(lines)


def _wrapped(text: str, first: str, further: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=further, break_long_words=False, break_on_hyphens=False
    )
