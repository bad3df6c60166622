"""What the subcommands of ``handsss preprocess`` print: progress, summaries, contents of a store."""

from __future__ import annotations

import time
from pathlib import Path

import typer

from handsss.cli.compiling import compile_kernels
from handsss.cli.console import (
    NOTHING_FOUND,
    error_console,
    output_console,
    plain,
    resumable,
    show_note,
    waiting,
)
from handsss.cli.progress import progress_bar, rate_words
from handsss.cli.tables import show_table
from handsss.data.keypoints.sources import KeypointFiles
from handsss.data.preprocess import PreprocessOptions, PreprocessSummary, preprocess
from handsss.data.preprocess_inputs import PreprocessInputs, keypoint_source
from handsss.data.store.inspect import contents, save_sheet
from handsss.data.store.reader import Store

_LISTED = 20  # pictures left out that are named; the store lists all


def run(
    inputs: PreprocessInputs,
    output: Path | None,
    options: PreprocessOptions,
    *,
    keypoints: str,
    openpose_bin: Path | None,
    thorough: bool = False,
    quiet: bool,
    unit: str = "picture",
) -> None:
    """Make the store, with a bar, and sum up.

    Args:
        inputs: the images.
        output: the store; None: the inputs' own name.
        options: see :class:`PreprocessOptions`.
        keypoints, openpose_bin, thorough: see :func:`keypoint_source`.
        quiet: errors only.
        unit: what is counted.
    """
    errors = error_console()
    target = output or inputs.store
    with waiting(errors, "OpenPose is running", shown=openpose_bin is not None):
        source = keypoint_source(
            inputs,
            keypoints,
            openpose_bin=openpose_bin,
            openpose_out=target.with_name(target.name + ".openpose"),
            thorough=thorough,
            announce=lambda text: errors.print(plain(text), soft_wrap=True),
        )
    if isinstance(source, KeypointFiles):
        show_keypoints(source, len(inputs.reader), unit, quiet=quiet)
    compile_kernels("crops", quiet=quiet)
    begin = time.perf_counter()
    with resumable(), progress_bar(errors, unit=unit, shown=not quiet, description="preprocessing") as progress:
        summary = preprocess(inputs.reader, source, target, options, progress=progress.update)
    _sum_up(summary, time.perf_counter() - begin, quiet=quiet, unit=unit)
    if summary.rows == 0:
        raise typer.Exit(NOTHING_FOUND)


def show_keypoints(source: KeypointFiles, count: int, unit: str, *, quiet: bool) -> None:
    """Which kind of keypoint files was recognised."""
    if not quiet:
        text = f"keypoints: {source.describe()} of {count} {unit}s"
        output_console().print(plain(text), soft_wrap=True)
        if source.note:
            show_note(f"{source.note}.")


def _sum_up(summary: PreprocessSummary, seconds: float, *, quiet: bool, unit: str) -> None:
    output = output_console(quiet=quiet)
    rows = [[f"{unit}s", str(summary.pictures)], ["rows", str(summary.rows)]]
    rows += [[tag, str(count)] for tag, count in summary.counts.items()]
    if summary.bad:
        rows.append(["left out", str(len(summary.bad))])
    if summary.mean_bone is not None:
        rows.append(["mean length of bone 9-10", f"{100 * summary.mean_bone:.2f} cm"])
    show_table(output, [], rows, right=(1,))
    for name, message in summary.bad[:_LISTED]:
        output.print(plain(f"left out: {name}: {message}"), soft_wrap=True)
    if len(summary.bad) > _LISTED:
        output.print(f"and {len(summary.bad) - _LISTED} more, listed by `handsss preprocess inspect`")
    size = summary.path.stat().st_size / 1e6
    if summary.already_done:
        output.print(plain(f"{summary.path}: was finished already ({size:.1f} MB)"), soft_wrap=True)
        return
    rate = f", {rate_words(summary.pictures / seconds, unit)}" if seconds > 0 and summary.pictures else ""
    output.print(plain(f"wrote {summary.path} ({size:.1f} MB) in {seconds:.1f} s{rate}"), soft_wrap=True)


def show_contents(path: Path, sheet: Path, count: int) -> None:
    """Print fields and attributes, write the contact sheet."""
    output = output_console()
    store = Store(path)
    try:
        listing = contents(store)
        fields = [
            [line.name, " x ".join(map(str, line.shape)), line.dtype, line.unit, f"{line.megabytes:.1f}", line.present]
            for line in listing.fields
        ]
        header = ["field", "shape", "type", "unit", "MB", "rows that have it"]
        show_table(output, header, fields, right=(4,), text=(3, 5))
        values = [[key, str(value)] for key, value in sorted(listing.attributes.items())]
        show_table(output, ["attribute", "value"], values, text=(1,))
        save_sheet(store, sheet, count)
    finally:
        store.close()
    output.print(plain(f"contact sheet: {sheet}"), soft_wrap=True)
