"""``handsss evaluate``: a network, or predictions of any method, against ground truth."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from handsss.cli.options import (
    BatchOption,
    DeviceOption,
    EvaluationData,
    LimitOption,
    Precision,
    PrecisionOption,
    QuietOption,
    Split,
)

EPILOG = """[bold]Examples[/bold]

  handsss evaluate --checkpoint runs/first --data freihand_evaluation.h5

  handsss evaluate --checkpoint runs/first --data ~/FreiHAND_pub_v2 --no-procrustes

  handsss evaluate --predictions pred.zip --data ~/FreiHAND_pub_v2

  handsss evaluate --checkpoint runs/first --data ~/HO3D_v2 --submission pred.zip

[bold]Exit codes[/bold]: 0 done, 1 full disk, 2 wrong usage, file or dataset, 130 interrupted.
"""


ProtocolName = StrEnum("ProtocolName", ["freihand", "ho3d"])  # --protocol


def evaluate(
    checkpoint: Annotated[
        Path | None,
        typer.Option("--checkpoint", metavar="FILE|RUN", rich_help_panel="What", help="Trained network: a "
                     "checkpoint, a run's folder, weights, or handsss-open-lite0, which comes along. Default: the "
                     "newest run in runs/."),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option("--predictions", metavar="FILE", rich_help_panel="What", help="Score a pred.json or pred.zip "
                     "(\\[xyz, verts] in FreiHAND's or HO-3D's order) instead of a network."),
    ] = None,
    data: EvaluationData = None,
    split: Annotated[
        Split | None,
        typer.Option("--split", rich_help_panel="What", help="Of a dataset's folder. Default: evaluation, or training "
                     "where the evaluation split has no ground truth."),
    ] = None,
    protocol: Annotated[
        ProtocolName | None,
        typer.Option("--protocol", rich_help_panel="How", help="The benchmark's protocol. Default: the data's own."),
    ] = None,
    procrustes: Annotated[
        bool,
        typer.Option("--procrustes/--no-procrustes", rich_help_panel="How", help="Print all alignments, or "
                     "camera-space errors alone, in cm (table 4 of the paper)."),
    ] = True,
    proper: Annotated[
        bool,
        typer.Option("--proper", rich_help_panel="How", help="Forbid reflections in the Procrustes alignment, which "
                     "the official evaluations allow; both are printed."),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="DIR", rich_help_panel="Output", help="Folder of the report. Default: "
                     "evaluation_DATA beside a run's result, evaluation_DATA_FILE beside predictions."),
    ] = None,
    submission: Annotated[
        Path | None,
        typer.Option("--submission", metavar="pred.zip", rich_help_panel="Output", help="Write the predictions as the "
                     "benchmark's official file as well."),
    ] = None,
    align_root: Annotated[
        bool,
        typer.Option("--align-root", rich_help_panel="Output", help="In the submission, shift hands to the root joints "
                     "that the dataset gives (the paper does not)."),
    ] = False,
    limit: LimitOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = Precision.float32,
    batch: BatchOption = 32,
    quiet: QuietOption = False,
) -> None:  # fmt: skip
    """Score a trained network, or predictions of any method: errors, AUC, F-scores, 2D keypoints, a report."""
    from handsss.cli.compiling import compile_kernels
    from handsss.cli.table_printer import TablePrinter
    from handsss.evaluation.evaluate import check_inputs
    from handsss.evaluation.evaluate import evaluate as run

    inputs = check_inputs(checkpoint, predictions, data, submission=submission, align_root=align_root)
    printer = TablePrinter(quiet=quiet)
    printer.say(f"{'network' if inputs.is_network else 'predictions'}: {inputs.source}")
    printer.say(f"data: {inputs.data}")
    compile_kernels("crops", "renderer", quiet=quiet)
    with printer.progress() as on_progress:
        result = run(
            checkpoint=inputs.source if inputs.is_network else None,
            predictions=predictions,
            data=inputs.data,
            protocol=protocol,
            split=split,
            limit=limit,
            proper=proper,
            procrustes=procrustes,
            submission=submission,
            align_root=align_root,
            device=device,
            precision=precision.value,
            batch=batch,
            on_progress=on_progress,
        )
    page = None
    folder = report or inputs.report_folder(split)
    earlier = inputs.replaces(folder)
    if result.evaluation is not None:  # the report first: what fails on a terminal must not lose it
        with printer.progress() as on_progress:
            page = result.write_report(folder, on_progress=on_progress)
        scored = result.evaluation.metrics
        printer.say(
            f"{scored['count']} frames of {scored['dataset']}, {scored['split']}; protocol {scored['protocol']}"
        )
        for table in result.tables:
            printer.table(table)
        printer.notes(result.notes)
    if result.submission is not None:
        printer.say(f"submission: {result.submission.path} ({result.submission.frames} frames)")
        printer.notes(result.submission.notes)
        if result.evaluation is None:
            printer.say("not scored: these pictures have no ground truth")
    if page is not None:
        printer.say(f"report: {page} (all figures: {folder / 'metrics.json'})")
        if earlier is not None:
            printer.say(f"replaced the earlier report in {folder}" + ("" if earlier else ", of another source"))
