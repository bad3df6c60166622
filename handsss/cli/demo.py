"""``handsss demo``: a sample photo of the package to a mesh."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

EPILOG = """[bold]Examples[/bold]

  handsss demo

  handsss demo -o first

  handsss demo --photo back

[bold]Exit codes[/bold]: as `handsss reconstruct`: 0 done, 1 the photo or an output failed, 2 usage, 3 no hand, \
130 interrupted.
"""
SAMPLES = Path(__file__).parents[1] / "samples"


class SamplePhoto(StrEnum):
    """Values of --photo: a finger from the side, an open palm, the back of a hand against the light."""

    nocurl = "nocurl"
    palm = "palm"
    back = "back"


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where the mesh and the overview are written.")
    ] = Path("demo-output"),
    photo: Annotated[
        SamplePhoto,
        typer.Option("--photo", help="Which photo: a palm, a pointing finger (nocurl), or the back of a hand."),
    ] = SamplePhoto.palm,
) -> None:
    """Turn a bundled sample photo into a textured mesh and an overview. Needs no file of yours and no network."""
    from handsss.cli.console import output_console, plain
    from handsss.cli.reconstruct import reconstruct
    from handsss.errors import UserError

    if output.exists() and not output.is_dir():
        raise UserError(f"{{output}} {output}: expected a folder, got a file. Give another name.", options=("output",))
    mesh, sample = output / "hand.obj", SAMPLES / f"{photo.value}.jpg"
    try:
        reconstruct([str(sample)], output=str(mesh))
    except typer.Exit as end:
        if end.exit_code:
            raise
    console = output_console()
    files = f"{mesh} (with hand.mtl and hand_texture.png; Blender, MeshLab and others open it)"
    for line in ("", f"photo:    {sample}", f"mesh:     {files}", f"overview: {mesh.with_suffix('.png')}"):
        console.print(plain(line), soft_wrap=True)
