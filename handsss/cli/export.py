"""``handsss export``: trained networks for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Trained networks for other programs.", no_args_is_help=True, rich_markup_mode="rich")

ONNX_EPILOG = """[bold]Examples[/bold]

  handsss export onnx runs/ours -o ours.onnx

  handsss export onnx runs/ours/final.pt -o ours.onnx --keypoints --opset 20

[bold]Exit codes[/bold]: 0 done, 1 the file would not predict what the network does, 2 wrong usage or file, \
130 interrupted.
"""

WEIGHTS_EPILOG = """[bold]Examples[/bold]

  handsss export weights runs/ours -o ours.safetensors

  handsss export weights runs/ours -o ours.safetensors --evaluation runs/ours-eval/metrics.json --licence CC-BY-4.0

[bold]Exit codes[/bold]: 0 done, 1 the file would not predict what the network does, 2 wrong usage or file, \
130 interrupted.
"""


@app.callback()
def _about() -> None:
    # Makes `export` a group of commands even while it has one.
    pass


@app.command("onnx", epilog=ONNX_EPILOG)
def onnx(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="Of `handsss train`: a file or its folder.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE.onnx", help="Default: the checkpoint's name, beside it."),
    ] = None,
    keypoints: Annotated[
        bool, typer.Option("--keypoints", help="With the 2D keypoint branch, as the output `keypoints`.")
    ] = False,
    opset: Annotated[
        int, typer.Option("--opset", min=18, max=23, help="Version of ONNX's operators; 18 is read most widely.")
    ] = 18,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """A network as an ONNX file: pictures of hands and their cameras in; meshes, joints, pose, texture out.

    Needs the extra: pip install "handsss\\[onnx]". The file is run beside the network before it is written.
    """
    from handsss.cli.export_run import export

    export(checkpoint, output, keypoints=keypoints, opset=opset, overwrite=overwrite, quiet=quiet)


@app.command("weights", epilog=WEIGHTS_EPILOG)
def weights(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="Of `handsss train`: a file or its folder.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE.safetensors", help="Default: the checkpoint's name, beside it."),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="What to call it. Default: the file's name.")] = None,
    evaluation: Annotated[
        Path | None,
        typer.Option("--evaluation", metavar="JSON", help="metrics.json of `handsss evaluate`; kept in the file."),
    ] = None,
    licence: Annotated[str | None, typer.Option("--licence", help="Under which the weights are given.")] = None,
    note: Annotated[
        str | None, typer.Option("--note", help="What readers should know, such as what it was trained on.")
    ] = None,
    keypoints: Annotated[bool, typer.Option("--keypoints", help="With the 2D keypoint branch.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """A network's weights in half precision, to pass on: safetensors, with settings and figures, nothing else.

    Every --checkpoint takes such a file; `handsss info weights FILE` shows what it says of itself.
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
