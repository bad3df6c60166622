"""``handsss evaluate``: a network, or anyone's predictions, against the truth."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from handsss.cli.network_options import DEVICE_HELP, PRECISION_HELP, Precision
from handsss.cli.preprocess_options import Split

if TYPE_CHECKING:
    from handsss.evaluation.samples import Evaluation

EPILOG = """[bold]Examples[/bold]

  handsss evaluate --checkpoint runs/first --data freihand_evaluation.h5

  handsss evaluate --checkpoint runs/first --data ~/FreiHAND_pub_v2 --no-procrustes

  handsss evaluate --predictions pred.zip --data ~/FreiHAND_pub_v2

  handsss evaluate --checkpoint runs/first --data ~/HO3D_v2 --submission pred.zip

[bold]Exit codes[/bold]: 0 done, 1 full disk, 2 wrong usage, file or dataset, 130 interrupted.
"""


class ProtocolName(StrEnum):
    """Values of --protocol."""

    freihand = "freihand"
    ho3d = "ho3d"


def evaluate(
    checkpoint: Annotated[
        Path | None,
        typer.Option("--checkpoint", metavar="FILE|RUN", rich_help_panel="What", help="TrainedNetwork network: a "
                     "checkpoint, a run's folder, weights, or handsss-open-b0, which comes along. Default: the newest "
                     "run in runs/."),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option("--predictions", metavar="FILE", rich_help_panel="What", help="Score a pred.json or pred.zip "
                     "(\\[xyz, verts] in FreiHAND's or HO-3D's order) instead of a network."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="PATH", rich_help_panel="What", help="A file of `handsss preprocess`, or the "
                     "folder of FreiHAND, HO-3D or a dataset in FreiHAND's layout. Default: freihand_evaluation.h5, "
                     "ho3d_v2_evaluation.h5 or ho3d_v3_evaluation.h5, here, in data/ or in HANDSSS_DATA."),
    ] = None,
    split: Annotated[
        Split | None,
        typer.Option("--split", rich_help_panel="What", help="Of a dataset's folder. Default: evaluation, or training "
                     "where there is none with truth."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, rich_help_panel="What", help="Only the first N pictures.")
    ] = None,
    protocol: Annotated[
        ProtocolName | None,
        typer.Option("--protocol", rich_help_panel="How", help="Whose rules. Default: the data's own."),
    ] = None,
    procrustes: Annotated[
        bool,
        typer.Option("--procrustes/--no-procrustes", rich_help_panel="How", help="Print aligned and raw figures, or "
                     "the camera-space ones alone, in cm (table 4 of the paper)."),
    ] = True,
    proper: Annotated[
        bool,
        typer.Option("--proper", rich_help_panel="How", help="Forbid mirroring in the alignment, which the official "
                     "evaluations allow; the difference is shown."),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="DIR", rich_help_panel="Output", help="Folder of the report. Default: "
                     "evaluation_DATA beside the checkpoint or the predictions."),
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
    device: Annotated[str, typer.Option("--device", rich_help_panel="Run", help=DEVICE_HELP)] = "auto",
    precision: Annotated[
        Precision, typer.Option("--precision", rich_help_panel="Run", help=PRECISION_HELP)
    ] = Precision.float32,
    batch: Annotated[int, typer.Option("--batch", min=1, rich_help_panel="Run", help="Pictures at a time.")] = 32,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", rich_help_panel="Run", help="Print errors only.")] = False,
) -> None:  # fmt: skip
    """Score a trained network, or anyone's predictions: errors, areas under curves, F-scores, keypoints, a report."""
    from handsss.errors import UserError

    if checkpoint is not None and predictions is not None:
        raise UserError("--checkpoint and --predictions were both given. Leave one of them out.")
    if predictions is not None and submission is not None:
        raise UserError("--submission is written from a network's predictions. Give --checkpoint, not --predictions.")
    if align_root and submission is None:
        raise UserError("--align-root changes a submission, but no --submission was given.")

    from handsss.cli import evaluate_report as shown
    from handsss.evaluation.defaults import default_evaluation_data, newest_checkpoint
    from handsss.network.device import choose_device
    from handsss.training.memory import keep_memory

    keep_memory()

    source = predictions or checkpoint or newest_checkpoint()
    where = data or default_evaluation_data()
    printer = shown.Printer(quiet=quiet)
    printer.say(f"{'predictions' if predictions is not None else 'network'}: {source}")
    printer.say(f"data: {where}")
    options: dict[str, Any] = {
        "protocol": None if protocol is None else protocol.value,
        "proper": proper,
        "split": None if split is None else split.value,
        "limit": limit,
    }
    network: dict[str, Any] = {"device": choose_device(device), "precision": precision.value, "batch": batch}
    evaluation: Evaluation | None
    with printer.progress() as steps:
        if predictions is not None:
            from handsss.evaluation.evaluate import evaluate_predictions

            evaluation = evaluate_predictions(source, where, **options, **steps)
        elif submission is not None:
            from handsss.evaluation.evaluate import submit_checkpoint

            submitted = submit_checkpoint(
                source, where, submission, align_root=align_root, **network, **options, **steps
            )
            evaluation = submitted.evaluation
        else:
            from handsss.evaluation.evaluate import evaluate_checkpoint

            evaluation = evaluate_checkpoint(source, where, **network, **options, **steps)
    if evaluation is not None:
        printer.figures(evaluation.metrics, camera_space=not procrustes)
        printer.notes(evaluation.notes)
    if submission is not None:
        printer.submission(submitted)
    if evaluation is not None:
        folder = report or shown.report_folder(source, where, options["split"])
        drawn = None if predictions is not None else source
        printer.report(evaluation, folder, drawn, network["device"], precision.value)
