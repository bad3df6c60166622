"""What the subcommands of ``handsss preprocess`` share: keypoint sources, progress, summaries."""

from __future__ import annotations

import time
from pathlib import Path

import typer

from handsss.cli.console import NOTHING_FOUND, error_console, output_console, plain, progress_bar, resumable, waiting
from handsss.data.keypoints.openpose_run import run_openpose
from handsss.data.keypoints.sources import DetectorSource, KeypointSource, ListFile, OpenPoseFolder, TruthSource
from handsss.data.preprocess import PreprocessOptions, PreprocessSummary, Reader, preprocess
from handsss.data.store.inspect import contents, save_sheet
from handsss.data.store.reader import Store
from handsss.errors import UserError

_LISTED = 20  # pictures left out that are named; the store lists all


def make_source(
    keypoints: str,
    binary: Path | None,
    reader: Reader,
    target: Path,
    truth_set: str,
    folders: list[Path],
    *,
    thorough: bool = False,
) -> KeypointSource:
    """The source that --keypoints or --openpose-bin names.

    Raises:
        UserError: neither a word that is known nor a file or folder that is there.
    """
    if binary is not None:
        if keypoints != "detect":
            raise UserError("--openpose-bin makes keypoints and --keypoints names others. Leave one of them out.")
        out = target.with_name(target.name + ".openpose")
        errors = error_console()
        with waiting(errors, "OpenPose is running", shown=True):
            run_openpose(binary, folders, out, announce=lambda text: errors.print(plain(text), soft_wrap=True))
        return OpenPoseFolder(out, ran_here=True)
    if keypoints == "detect":
        return DetectorSource(thorough)
    if keypoints == "truth":
        if not truth_set:
            raise UserError("--keypoints truth: photos have no true joints. Use detect, or OpenPose's JSON.")
        if reader.attributes.get("dataset") == "ho3d" and reader.attributes.get("split") == "evaluation":
            raise UserError("--keypoints truth: HO-3D's evaluation pictures come without true joints. Use detect.")
        return TruthSource(truth_set)
    path = Path(keypoints)
    if path.is_dir():
        return OpenPoseFolder(path)
    if path.is_file():
        source = ListFile(path)
        source.read()  # a mistake to tell before any work
        return source
    raise UserError(
        f"--keypoints {keypoints}: no such file or folder. Expected detect, truth, a folder of OpenPose's JSON or one "
        "JSON file [points, confidences, names]."
    )


def run(
    reader: Reader, source: KeypointSource, target: Path, options: PreprocessOptions, *, quiet: bool, unit: str
) -> None:
    """Make the store, with a bar, and sum up."""
    errors = error_console()
    begin = time.perf_counter()
    with resumable(), progress_bar(errors, unit=unit, shown=not quiet) as progress:
        task = progress.add_task("preprocessing", total=len(reader))
        summary = preprocess(
            reader,
            source,
            target,
            options,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    _sum_up(summary, time.perf_counter() - begin, quiet=quiet, unit=unit)
    if summary.rows == 0:
        raise typer.Exit(NOTHING_FOUND)


def _sum_up(summary: PreprocessSummary, seconds: float, *, quiet: bool, unit: str) -> None:
    from rich import box
    from rich.table import Table

    output = output_console(quiet=quiet)
    table = Table(box=box.SIMPLE, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row(f"{unit}s", str(summary.pictures))
    table.add_row("rows", str(summary.rows))
    for tag, count in summary.counts.items():
        table.add_row(tag, str(count))
    if summary.bad:
        table.add_row("left out", str(len(summary.bad)))
    if summary.mean_bone is not None:
        table.add_row("mean length of bone 9-10", f"{100 * summary.mean_bone:.2f} cm")
    output.print(table)
    for name, message in summary.bad[:_LISTED]:
        output.print(plain(f"left out: {name}: {message}"), soft_wrap=True)
    if len(summary.bad) > _LISTED:
        output.print(f"and {len(summary.bad) - _LISTED} more, listed by `handsss preprocess inspect`")
    size = summary.path.stat().st_size / 1e6
    if summary.already_done:
        output.print(plain(f"{summary.path}: was finished already ({size:.1f} MB)"), soft_wrap=True)
        return
    rate = f", {summary.pictures / seconds:.0f} {unit}s/s" if seconds > 0 else ""
    output.print(plain(f"wrote {summary.path} ({size:.1f} MB) in {seconds:.1f} s{rate}"), soft_wrap=True)


def show_contents(path: Path, sheet: Path, count: int) -> None:
    """Print fields and attributes, write the contact sheet."""
    from rich import box
    from rich.table import Table

    output = output_console()
    store = Store(path)
    try:
        found = contents(store)
        fields = Table("field", "shape", "type", "unit", "MB", "rows that have it", box=box.SIMPLE)
        for line in found.fields:
            fields.add_row(
                line.name,
                " x ".join(map(str, line.shape)),
                line.dtype,
                line.unit,
                f"{line.megabytes:.1f}",
                line.present,
            )
        output.print(fields)
        values = Table("attribute", "value", box=box.SIMPLE)
        for key, value in sorted(found.attributes.items()):
            values.add_row(key, plain(str(value)))
        output.print(values)
        save_sheet(store, sheet, count)
    finally:
        store.close()
    output.print(plain(f"contact sheet: {sheet}"), soft_wrap=True)
