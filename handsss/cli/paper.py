"""``handsss paper``: the paper's tables and figures from trained runs."""

from __future__ import annotations

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
pose prior) is read from the run itself. See docs/guides/paper.md.
""",
)

EPILOG = """[bold]Exit codes[/bold]: 0 done (also if places have no run: the command that
trains one is shown), 1 full disk, 2 no run fits, wrong usage or file,
130 interrupted."""

Runs = Annotated[
    list[Path] | None,
    typer.Argument(metavar="RUNS...", help="Folders of trained runs, or checkpoints. Default: all in runs/."),
]
TestData = Annotated[
    Path | None,
    typer.Option("--data", metavar="PATH", help="A file of `handsss preprocess`, or a dataset's folder (its evaluation "
                 "split). Default: as in `handsss evaluate`."),
]  # fmt: skip
TrainingData = Annotated[
    Path | None,
    typer.Option("--data", metavar="PATH", help="Training images with truth and detected keypoints: a file of `handsss "
                 "preprocess`. Default: what the runs were trained on."),
]  # fmt: skip
Out = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="FOLDER", help="Write .md, .json and .png there. Default: print.")
]
FigureOut = Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where .png, .md and .json go.")]
Samples = Annotated[
    str | None, typer.Option("--samples", metavar="3,17,...", help="Rows to show. Default: spread over the data.")
]
Count = Annotated[int, typer.Option("--count", min=1, help="Number of pictures, where no --samples are named.")]

_FIGURES = Path("paper")


@app.command(epilog=EPILOG)
def table4(
    runs: Runs = None,
    data: TestData = None,
    out: Out = None,
    limit: LimitOption = None,
    device: DeviceOption = "auto",
    quiet: QuietOption = False,
) -> None:
    """Unaligned errors of MANO-CNN and ours, full and self-supervised, and the degradation between them."""
    _run("table4", runs, data, out, limit=limit, device=device, quiet=quiet)


@app.command(epilog=EPILOG)
def table5(
    runs: Runs = None,
    data: TrainingData = None,
    out: Out = None,
    limit: LimitOption = None,
    device: DeviceOption = "auto",
    quiet: QuietOption = False,
) -> None:
    """2D keypoints on the training images: detector, 2D branch and projection, with and without E_con."""
    _run("table5", runs, data, out, limit=limit, device=device, quiet=quiet)


@app.command(epilog=EPILOG)
def figure1(
    runs: Runs = None,
    data: TestData = None,
    out: FigureOut = _FIGURES,
    samples: Samples = None,
    count: Count = 2,
    device: DeviceOption = "auto",
    quiet: QuietOption = False,
) -> None:
    """Average pose prior and joint limits on the same pictures: input, keypoints, mesh in two views."""
    _run("figure1", runs, data, out, samples=samples, count=count, device=device, quiet=quiet)


@app.command(epilog=EPILOG)
def figure2(
    runs: Runs = None,
    data: TrainingData = None,
    out: FigureOut = _FIGURES,
    limit: LimitOption = None,
    device: DeviceOption = "auto",
    quiet: QuietOption = False,
) -> None:
    """Share of frames within a largest 2D error, for table 5's keypoints, on the training images."""
    _run("figure2", runs, data, out, limit=limit, device=device, quiet=quiet)


@app.command(epilog=EPILOG)
def figure3(
    runs: Runs = None,
    data: TestData = None,
    out: FigureOut = _FIGURES,
    samples: Samples = None,
    count: Count = 8,
    device: DeviceOption = "auto",
    quiet: QuietOption = False,
) -> None:
    """Input, projected joints, projected mesh and the mesh from seven sides (figures 3, 4 and 5)."""
    _run("figure3", runs, data, out, samples=samples, count=count, device=device, quiet=quiet)


@app.command(epilog=EPILOG)
def figure6(
    runs: Runs = None,
    data: TestData = None,
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
