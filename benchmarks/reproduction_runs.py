"""The runs of reproduction.py and the rows of the paper that they reproduce."""

from __future__ import annotations

from typing import NamedTuple

# Of the small preset, but the paper's terms are compared, and its rate of the last stage.
COMMON = (
    "--preset small --set network.keypoint_features=false --set losses.w_lifted=0 --set finetune.lr=2.5e-4 "
    "--set finetune.lr_steps=2 --set logging.validate_every=320 --set logging.picture_every=0"
)
# Views that are turned upright and cut close hide how far away hands are: E_3dj in camera space is many times as large
# as all other terms then, gradients are cut to a fraction, and a run of this length learns nothing.
FULL = "--fsl --set losses.relative_joints=true"
BONES = (
    "--set losses.w_photo=0 --set losses.w_2d=0 --set losses.w_con=0 --set network.stacks=0 "
    "--set network.appearance=false"
)


class ReproductionRun(NamedTuple):
    """One run and the row that it reproduces."""

    name: str
    title: str  # empty: no row of the tables, others begin with it
    options: str
    stages: str
    begin: str = ""  # run whose end it begins with
    published: str = ""  # aligned MPJPE / MPVPE on FreiHAND, cm


RUNS = (
    ReproductionRun("start", "", "--ssl", "warm-up,keypoints"),
    ReproductionRun("keypoints", "", "--ssl --set keypoints.lr_steps=2", "keypoints", "start"),
    ReproductionRun(
        "mano-cnn-ssl",
        "MANO-CNN, self-supervised",
        "--ssl --baseline mano-cnn",
        "shape,finetune",
        "start",
        "1.54 / 1.58",
    ),
    ReproductionRun(
        "mano-cnn-fsl", "MANO-CNN, fully supervised", f"{FULL} --baseline mano-cnn", "shape,finetune", "start"
    ),
    ReproductionRun("shape-ssl", "", "--ssl", "shape", "keypoints"),
    ReproductionRun("shape-fsl", "", FULL, "shape", "keypoints"),
    ReproductionRun("shape-average", "", "--ssl --pose-prior average", "shape", "keypoints"),
    ReproductionRun(
        "bones", "joints, regularisers, bone directions", f"--ssl {BONES}", "finetune", "shape-ssl", "1.24 / 1.26"
    ),
    ReproductionRun(
        "bones-branch",
        "the same with 2D branch and E_con, without photometric terms",
        "--ssl --set losses.w_photo=0",
        "finetune",
        "shape-ssl",
        "1.19 / 1.20",
    ),
    ReproductionRun("ours-ssl", "ours, self-supervised", "--ssl", "finetune", "shape-ssl", "1.18 / 1.19"),
    ReproductionRun("without-con", "ours without E_con", "--ssl --set losses.w_con=0", "finetune", "shape-ssl"),
    ReproductionRun("ours-fsl", "ours, fully supervised", FULL, "finetune", "shape-fsl"),
    ReproductionRun("average", "ours, average pose prior", "--ssl --pose-prior average", "finetune", "shape-average"),
)
BY_NAME = {run.name: run for run in RUNS}
ROWS = ("ours-ssl", "ours-fsl", "mano-cnn-ssl", "mano-cnn-fsl", "bones", "bones-branch", "without-con", "average")
LOSSES_IN_TURN = ("mano-cnn-ssl", "bones", "bones-branch", "ours-ssl")
