"""Options that the subcommands of ``handsss preprocess`` have in common."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Split(StrEnum):
    """Values of --split."""

    training = "training"
    evaluation = "evaluation"


class FreihandVersion(StrEnum):
    """Values of --version of FreiHAND."""

    gs = "gs"
    hom = "hom"
    sample = "sample"
    auto = "auto"
    all = "all"


class Ho3dVersion(StrEnum):
    """Values of --version of HO-3D."""

    v2 = "v2"
    v3 = "v3"


class Encoding(StrEnum):
    """Values of --encoding."""

    jpeg = "jpeg"
    raw = "raw"
    lzf = "lzf"
    gzip = "gzip"


class Side(StrEnum):
    """Values of --hand."""

    auto = "auto"
    left = "left"
    right = "right"


Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", rich_help_panel="Output", help="The store. Default: a name of the "
                 "dataset, version and split, in the current folder."),
]  # fmt: skip
Keypoints = Annotated[
    str,
    typer.Option(
        "--keypoints",
        metavar="detect|truth|FOLDER|FILE",
        rich_help_panel="Keypoints",
        help="2D keypoints: the built-in detector; projections of the true joints; a folder of OpenPose's JSON "
        "(STEM_keypoints.json); or one JSON file [points, confidences, names].",
    ),
]
OpenposeBin = Annotated[
    Path | None,
    typer.Option(
        "--openpose-bin", metavar="FILE", rich_help_panel="Keypoints", help="Run this OpenPose program over the images."
    ),
]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, rich_help_panel="Run", help="Processes. Default: one a core.")
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, rich_help_panel="Run", help="Only the first N pictures.")]
Shard = Annotated[
    str,
    typer.Option(
        "--shard",
        metavar="i/n",
        rich_help_panel="Run",
        help="Part i (from 0) of n of the pictures, into a file of its own; join the files with merge.",
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", rich_help_panel="Run", help="Go on where an interrupted run stopped.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", rich_help_panel="Run", help="Replace a file or an unfinished run.")
]
SkipBad = Annotated[
    bool,
    typer.Option(
        "--skip-bad", rich_help_panel="Run", help="Leave out pictures that cannot be used and list them at the end."
    ),
]
EncodingOption = Annotated[
    Encoding,
    typer.Option("--encoding", rich_help_panel="Output", help="How crops are kept (docs/guides/store.md)."),
]
Margin = Annotated[
    float,
    typer.Option(
        "--margin",
        min=0.0,
        max=3.0,
        rich_help_panel="Output",
        help="Around the keypoints' box, on every side, as a share of its longer side.",
    ),
]
BoxMargin = Annotated[
    float,
    typer.Option(
        "--box-margin", min=0.0, max=3.0, rich_help_panel="Output", help="The same around a box of the dataset's own."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", rich_help_panel="Run", help="Print errors only.")]
