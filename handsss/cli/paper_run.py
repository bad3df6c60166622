"""What the subcommands of ``handsss paper`` share: making, printing, writing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from handsss.cli.evaluate_report import Printer
from handsss.evaluation.paper.make import PaperArtifact, PaperRequest
from handsss.evaluation.report.write import write_all
from handsss.io.atomic import check_writable
from handsss.network.device import choose_device
from handsss.training.memory import keep_memory


def run(
    make: Callable[[PaperRequest], PaperArtifact],
    runs: list[Path] | None,
    data: Path | None,
    out: Path | None,
    *,
    device: str,
    quiet: bool,
    **options: Any,
) -> None:
    """Make a table or figure, print it, write it.

    Args:
        make: one of :mod:`handsss.evaluation.paper.make`.
        runs: folders or checkpoints.
        data: to score or show.
        out: folder for the files; None writes none.
        device: that computes: auto, cpu, cuda or cuda:NUMBER.
        quiet: print errors only.
        options: further fields of the request.
    """
    if out is not None:
        check_writable(out)
    keep_memory()
    printer = Printer(quiet=quiet)
    with printer.progress() as steps:
        made = make(PaperRequest(runs or (), data, device=choose_device(device), **steps, **options))
    for table in made.tables:
        printer.table(table)
        for note in table.notes:
            printer.say(note)
    printer.say(made.title if not made.tables else "")
    for line in made.used:
        printer.say(line)
    for line in made.left_out:
        printer.say(f"left out: {line}")
    printer.notes(made.notes)
    for line in made.missing:
        printer.say(f"missing: {line}")
    if out is not None:
        files = write_all(out, made.files)
        printer.say(f"wrote {', '.join(str(path) for path in files)}")
