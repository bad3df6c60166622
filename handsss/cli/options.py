"""Options that several commands share, and the values that they take."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Split = StrEnum("Split", ["training", "evaluation"])  # --split
FreihandVersion = StrEnum("FreihandVersion", ["gs", "hom", "sample", "auto", "all"])  # --version of FreiHAND
Ho3dVersion = StrEnum("Ho3dVersion", ["v2", "v3"])  # --version of HO-3D
Encoding = StrEnum("Encoding", ["jpeg", "raw", "lzf", "gzip"])  # --encoding
Precision = StrEnum("Precision", ["float32", "bfloat16", "float16"])  # --precision


class HandSide(StrEnum):
    """Values of --hand; a class, so that a type checker knows them."""

    auto = "auto"
    left = "left"
    right = "right"


DEVICE_HELP = "auto (a GPU where there is one), cpu, cuda or cuda:NUMBER."
PRECISION_HELP = "Of the network, never of the hand. bfloat16 is faster where the processor multiplies it."

DeviceOption = Annotated[str, typer.Option("--device", rich_help_panel="Run", help=DEVICE_HELP)]
PrecisionOption = Annotated[Precision, typer.Option("--precision", rich_help_panel="Run", help=PRECISION_HELP)]
BatchOption = Annotated[int, typer.Option("--batch", min=1, rich_help_panel="Run", help="Pictures at a time.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", rich_help_panel="Run", help="Print errors only.")]
EvaluationData = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="PATH",
        rich_help_panel="What",
        help="A file of `handsss preprocess`, or the folder of FreiHAND, HO-3D or a dataset in FreiHAND's layout. "
        "Default: freihand_evaluation.h5, ho3d_v2_evaluation.h5 or ho3d_v3_evaluation.h5, here, in data/ or in "
        "HANDSSS_DATA.",
    ),
]
SplitOption = Annotated[Split, typer.Option("--split", help="Which pictures.")]
StoreOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", rich_help_panel="Output", help="The store. Default: "
                 "DATASET_VERSION_SPLIT.h5 in the working folder."),
]  # fmt: skip
KeypointsOption = Annotated[
    str,
    typer.Option(
        "--keypoints",
        metavar="detect|truth|FOLDER|FILE",
        rich_help_panel="Keypoints",
        help="2D keypoints: the built-in detector; projections of the true joints; or JSON of OpenPose, "
        "MMPose, COCO-WholeBody, MediaPipe, S2HAND and others: a folder with STEM_keypoints.json or STEM.json for each "
        "picture, or one file of all.",
    ),
]
OpenposeBinOption = Annotated[
    Path | None,
    typer.Option(
        "--openpose-bin", metavar="FILE", rich_help_panel="Keypoints", help="Run this OpenPose program over the images."
    ),
]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, rich_help_panel="Run", help="Processes. Default: one a core.")
]
LimitOption = Annotated[
    int | None, typer.Option("--limit", min=1, rich_help_panel="Run", help="Only the first N pictures.")
]
ShardOption = Annotated[
    str,
    typer.Option(
        "--shard",
        metavar="i/n",
        rich_help_panel="Run",
        help="Part i (from 0) of n of the pictures, into a file of its own; join the files with merge.",
    ),
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", rich_help_panel="Run", help="Go on where an interrupted run stopped.")
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", rich_help_panel="Run", help="Replace what is there, or an unfinished run.")
]
SkipBadOption = Annotated[
    bool,
    typer.Option(
        "--skip-bad", rich_help_panel="Run", help="Leave out pictures that cannot be used and list them at the end."
    ),
]
EncodingOption = Annotated[
    Encoding,
    typer.Option(
        "--encoding",
        rich_help_panel="Output",
        help="How crops are kept: jpeg (small), raw (fast to read), lzf or gzip (packed without loss).",
    ),
]
MarginOption = Annotated[
    float,
    typer.Option(
        "--margin",
        min=0.0,
        max=3.0,
        rich_help_panel="Output",
        help="Around the keypoints' box, on every side, as a share of its longer side.",
    ),
]
BoxMarginOption = Annotated[
    float,
    typer.Option(
        "--box-margin", min=0.0, max=3.0, rich_help_panel="Output", help="The same around a box of the dataset's own."
    ),
]
