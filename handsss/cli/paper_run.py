"""Makes, prints and writes a table or figure of ``handsss paper``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from handsss.cli.table_printer import TablePrinter
from handsss.evaluation.options import StageProgress
from handsss.evaluation.paper.artifact import PaperArtifact
from handsss.evaluation.paper.make import PaperRequest
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
    printer = TablePrinter(quiet=quiet)
    with printer.progress() as on_progress:
        progress = StageProgress(on_progress)
        artifact = make(PaperRequest(runs or (), data, device=choose_device(device), progress=progress, **options))
    for table in artifact.tables:
        printer.table(table)
    printer.say(artifact.title if not artifact.tables else "")
    for line in artifact.used:
        printer.say(line)
    for line in artifact.left_out:
        printer.say(f"left out: {line}")
    printer.notes(artifact.notes)
    for line in artifact.missing:
        printer.say(f"missing: {line}")
    if out is not None:
        files = write_all(out, artifact.files)
        printer.say(f"wrote {', '.join(str(path) for path in files)}")
