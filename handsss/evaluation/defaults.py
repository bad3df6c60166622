"""Default inputs of an evaluation: the newest run, and the evaluation file of `handsss preprocess`."""

from __future__ import annotations

import os
from pathlib import Path

from handsss.data.readers.locate import DATA_VARIABLE
from handsss.errors import InputError
from handsss.training.trained_network import FINAL, LATEST

RUNS = Path("runs")
# The default names of `handsss preprocess ... --split evaluation`.
DEFAULT_FILES = ("freihand_evaluation.h5", "ho3d_v2_evaluation.h5", "ho3d_v3_evaluation.h5")


def newest_checkpoint(runs: Path = RUNS) -> Path:
    """The checkpoint of the run that was trained last.

    Args:
        runs: folder of runs, each a folder with final.pt or latest.pt.

    Raises:
        InputError: no run there.
    """
    checkpoints = []
    for folder in sorted(runs.iterdir()) if runs.is_dir() else []:
        for name in (FINAL, LATEST):
            if (folder / name).is_file():
                checkpoints.append(folder / name)
                break
    if not checkpoints:
        raise InputError(
            f"no trained network: none was given, and {runs.resolve()} holds no run (a folder with {FINAL} or "
            f"{LATEST}). Give {{checkpoint}}, or train one with `handsss train`.",
            options=("checkpoint",),
        )
    return max(checkpoints, key=lambda path: path.stat().st_mtime_ns)


def default_evaluation_data() -> Path:
    """The evaluation file: a default name of `handsss preprocess`, in the working folder, data/ or HANDSSS_DATA.

    Raises:
        InputError: not found; the message lists the paths that were tried.
    """
    folders = [Path(), Path("data"), *([Path(os.environ[DATA_VARIABLE])] if os.environ.get(DATA_VARIABLE) else [])]
    candidates = [folder / name for folder in folders for name in DEFAULT_FILES]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    listed = ", ".join(str(candidate) for candidate in candidates)
    raise InputError(
        f"no data to evaluate on: none was given, and none of {listed} is there. Give {{data}} FILE or a dataset's "
        "folder, or make a file with `handsss preprocess freihand ROOT --split evaluation`.",
        options=("data",),
    )
