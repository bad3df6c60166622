"""``handsss paper``: the paper's tables and figures from trained runs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from handsss.cli.options import DeviceOption, LimitOption, QuietOption

app = typer.Typer(
    help="The tables and figures of the paper's supplement, from trained runs, on whatever data, beside what was "
    "published.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    epilog="""[bold]Examples[/bold]

  handsss paper table4 runs/* --data freihand_evaluation.h5

  handsss paper table5 runs/ours runs/ours-without-con --out paper/

  handsss paper figure1 runs/ours runs/ours-average --samples 3,17

What a run is (ours or MANO-CNN, SSL or FSL, with or without E_con, which
pose prior) is read from the run itself.
""",
)

_EXIT = """[bold]Exit codes[/bold]: 0 done (also if cells have no run: the command that
trains one is shown), 1 full disk, 2 no run fits, wrong usage or file,
130 interrupted."""

_TEST_DATA = (
    "A file of `handsss preprocess`, or a dataset's folder (its evaluation split). Default: as in `handsss evaluate`."
)
_TRAINING_DATA = (
    "Training images with truth and detected keypoints: a file of `handsss preprocess`. Default: what the runs were "
    "trained on."
)
_FIGURES = Path("paper")

Runs = Annotated[
    list[Path] | None,
    typer.Argument(metavar="RUNS...", help="Folders of trained runs, or checkpoints. Default: all in runs/."),
]
FigureOut = Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where .png, .md and .json go.")]


def _table_command(name: str, text: str, data_help: str, *, written: Path | None = None) -> None:
    """Add a command for errors or curves over a whole dataset.

    Args:
        name: of the table or figure.
        text: help.
        data_help: help of --data.
        written: default of --out; None: the table is printed only.
    """

    default = " Default: print only." if written is None else ""

    def command(
        runs: Runs = None,
        data: Annotated[Path | None, typer.Option("--data", metavar="PATH", help=data_help)] = None,
        out: Annotated[
            Path | None,
            typer.Option("--out", "-o", metavar="FOLDER", help=f"Write .md, .json and .png there.{default}"),
        ] = written,
        limit: LimitOption = None,
        device: DeviceOption = "auto",
        quiet: QuietOption = False,
    ) -> None:
        _run(name, runs, data, out, limit=limit, device=device, quiet=quiet)

    app.command(name, help=text, epilog=_EXIT)(command)


def _sheet_command(name: str, text: str, *, pictures: int) -> None:
    """Add a command for a sheet of pictures.

    Args:
        name: of the figure.
        text: help.
        pictures: default of --count.
    """

    def command(
        runs: Runs = None,
        data: Annotated[Path | None, typer.Option("--data", metavar="PATH", help=_TEST_DATA)] = None,
        out: FigureOut = _FIGURES,
        samples: Annotated[
            str | None,
            typer.Option("--samples", metavar="3,17,...", help="Rows to show. Default: spread over the data."),
        ] = None,
        count: Annotated[
            int, typer.Option("--count", min=1, help="Pictures, where no --samples are given.")
        ] = pictures,
        device: DeviceOption = "auto",
        quiet: QuietOption = False,
    ) -> None:
        _run(name, runs, data, out, samples=samples, count=count, device=device, quiet=quiet)

    app.command(name, help=text, epilog=_EXIT)(command)


_table_command(
    "table4",
    "Unaligned errors of MANO-CNN and ours, full and self-supervised, and the degradation between them.",
    _TEST_DATA,
)
_table_command(
    "table5",
    "2D keypoints on the training images: detector, 2D branch and projection, with and without E_con.",
    _TRAINING_DATA,
)
_sheet_command(
    "figure1",
    "Average pose prior and joint limits on the same pictures: input, keypoints, mesh in two views.",
    pictures=2,
)
_table_command(
    "figure2",
    "Share of frames within a largest 2D error, for table 5's keypoints, on the training images.",
    _TRAINING_DATA,
    written=_FIGURES,
)
_sheet_command(
    "figure3",
    "Input, projected joints, projected mesh and the mesh from seven sides (figures 3, 4 and 5).",
    pictures=8,
)


@app.command(epilog=_EXIT)
def figure6(
    runs: Runs = None,
    data: Annotated[Path | None, typer.Option("--data", metavar="PATH", help=_TEST_DATA)] = None,
    out: FigureOut = _FIGURES,
    device: DeviceOption = "auto",
    quiet: QuietOption = False,
) -> None:
    """Four sequences of eight frames: input, projected joints, mesh."""
    _run("figure6", runs, data, out, device=device, quiet=quiet)


def _run(artifact: str, runs: list[Path] | None, data: Path | None, out: Path | None, **options: Any) -> None:
    from handsss.cli.paper_run import run
    from handsss.evaluation.paper.make import MAKERS

    run(MAKERS[artifact], runs, data, out, **options)
