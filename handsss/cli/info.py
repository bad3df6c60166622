"""``handsss info``: networks and weights."""

from __future__ import annotations

from typing import Annotated

import typer

from handsss.cli.options import DEVICE_HELP

app = typer.Typer(
    help="Architecture of the network, and contents of weights.", no_args_is_help=True, rich_markup_mode="rich"
)


@app.command(
    epilog="[bold]Examples[/bold]\n\n  handsss info model\n\n  handsss info model --preset small\n\n"
    "  handsss info model --set network.encoder=efficientnet-b0 --batch 4"
)
def model(
    preset: Annotated[str, typer.Option("--preset", help="full or small.")] = "full",
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="A.B=C", help="Override one setting.")] = None,
    batch: Annotated[int, typer.Option("--batch", min=2, help="Images of the measured pass.")] = 2,
    device: Annotated[str, typer.Option("--device", help=DEVICE_HELP)] = "auto",
) -> None:
    """Parameters and output shapes of every part, and the time of a training pass of each stage."""
    from handsss.cli.info_model import show_model

    show_model(preset, tuple(settings or ()), batch, device)


@app.command(
    epilog="[bold]Examples[/bold]\n\n  handsss info weights\n\n  handsss info weights runs/ours\n\n"
    "  handsss info weights ours.safetensors"
)
def weights(
    checkpoint: Annotated[
        str | None,
        typer.Argument(metavar="FILE", help="A checkpoint, a run's folder, or a weights file. Default: the bundled "
                       "handsss-open-lite0."),
    ] = None,
) -> None:  # fmt: skip
    """A trained network: its hand model, data, settings, metrics, licence, size and checksum."""
    from handsss.cli.info_weights import show_weights

    show_weights(checkpoint)
