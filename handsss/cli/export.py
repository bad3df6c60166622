"""``handsss export``: trained networks for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Trained networks for other programs.", no_args_is_help=True, rich_markup_mode="rich")

ONNX_EPILOG = """[bold]Examples[/bold]

  handsss export onnx runs/ours -o ours.onnx

  handsss export onnx runs/ours/final.pt -o ours.onnx --keypoints --opset 20

[bold]Exit codes[/bold]: 0 done, 1 the exported file differs from the network, 2 wrong usage or file, \
130 interrupted.
"""

WEIGHTS_EPILOG = """[bold]Examples[/bold]

  handsss export weights runs/ours -o ours.safetensors

  handsss export weights runs/ours -o ours.safetensors --evaluation runs/ours-eval/metrics.json --licence CC-BY-4.0

[bold]Exit codes[/bold]: 0 done, 1 the exported file differs from the network, 2 wrong usage or file, \
130 interrupted.
"""


@app.callback()
def _about() -> None:
    # Makes `export` a group of commands even while it has one.
    pass


CheckpointArgument = Annotated[
    Path, typer.Argument(metavar="CHECKPOINT", help="Checkpoint of `handsss train`: a file or the run's folder.")
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Overwrite an existing file.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]


@app.command("onnx", epilog=ONNX_EPILOG)
def onnx(
    checkpoint: CheckpointArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE.onnx", help="Default: the checkpoint's name, beside it."),
    ] = None,
    keypoints: Annotated[
        bool, typer.Option("--keypoints", help="Include the 2D keypoint branch, as the output `keypoints`.")
    ] = False,
    opset: Annotated[
        int, typer.Option("--opset", min=18, max=23, help="ONNX opset version; 18 is the most widely supported.")
    ] = 18,
    overwrite: OverwriteOption = False,
    quiet: QuietOption = False,
) -> None:
    """Export a network as ONNX: hand crops and cameras in; mesh, joints, pose and texture out.

    Needs the extra: pip install "handsss\\[onnx]". The result is compared with the network before it is written.
    """
    from handsss.cli.export_run import export

    export(checkpoint, output, keypoints=keypoints, opset=opset, overwrite=overwrite, quiet=quiet)


@app.command("weights", epilog=WEIGHTS_EPILOG)
def weights(
    checkpoint: CheckpointArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE.safetensors", help="Default: the checkpoint's name, beside it."),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the network. Default: the file's name.")] = None,
    evaluation: Annotated[
        Path | None,
        typer.Option("--evaluation", metavar="JSON", help="metrics.json of `handsss evaluate` to store in the file."),
    ] = None,
    licence: Annotated[str | None, typer.Option("--licence", help="Licence of the weights.")] = None,
    note: Annotated[str | None, typer.Option("--note", help="Note for users, such as the training data.")] = None,
    keypoints: Annotated[bool, typer.Option("--keypoints", help="Include the 2D keypoint branch.")] = False,
    overwrite: OverwriteOption = False,
    quiet: QuietOption = False,
) -> None:
    """Export weights in half precision for sharing: safetensors with settings and metrics.

    Every --checkpoint accepts such a file; `handsss info weights FILE` describes it.
    """
    from handsss.cli.export_weights_run import export_weights

    facts = {"name": name, "licence": licence, "note": note}
    export_weights(
        checkpoint,
        output,
        {key: value for key, value in facts.items() if value},
        evaluation=evaluation,
        keypoints=keypoints,
        overwrite=overwrite,
        quiet=quiet,
    )
