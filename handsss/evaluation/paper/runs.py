"""Trained runs, and the cells of the paper's tables and figures that they fill."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import torch

from handsss.errors import UserError
from handsss.training.recipe import TRUE_KEYPOINTS, has_true_keypoints
from handsss.training.trained_network import FINAL, LATEST, TrainedNetwork, load_trained_network

RUNS = Path("runs")
METHODS = {"mano-cnn": "MANO-CNN", "ours": "Ours"}
SUPERVISION = {"fsl": "full supervision (FSL)", "ssl": "self-supervision (SSL)"}

K = TypeVar("K")


class TrainedRun(NamedTuple):
    """A trained run, and the properties that the paper compares."""

    path: Path  # as it was given
    trained: TrainedNetwork
    method: str  # "ours" or "mano-cnn"
    supervision: str  # "ssl" or "fsl"
    consistency: bool  # E_con was part of the objective
    prior: str  # "limits" or "average"
    without: tuple[str, ...]  # further terms or branches that it was trained without

    @property
    def name(self) -> str:
        """Name in tables."""
        parent = self.path.parent.name
        return self.path.name if self.path.is_dir() or not parent else f"{parent}/{self.path.name}"

    @property
    def data(self) -> str:
        """Training data as recorded; empty if it is not."""
        return str(self.trained.about.get("data") or "")

    @property
    def on_truth(self) -> bool:
        """Whether it was self-supervised by ground-truth keypoints, as recorded."""
        return self.supervision == "ssl" and TRUE_KEYPOINTS in str(self.trained.about.get("keypoints"))

    @property
    def step(self) -> int | None:
        """Training steps."""
        step = self.trained.about.get("step")
        return None if step is None else int(step)

    @property
    def begun_with(self) -> str:
        """The run whose weights it was initialised with, as recorded; empty for none."""
        start = str(self.trained.about.get("start") or "")
        return start if start.startswith("weights of ") else ""

    @property
    def training(self) -> str:
        """Length of the training in words; empty if it is not recorded."""
        steps = "" if self.step is None else f"{self.step} steps"
        return f"{steps}, begun with {self.begun_with}" if steps and self.begun_with else steps

    def describe(self) -> str:
        """One-line description."""
        parts = [METHODS[self.method], SUPERVISION[self.supervision]]
        if self.method == "ours":
            parts.append("with E_con" if self.consistency else "without E_con")
        parts.append("prior of joint limits" if self.prior == "limits" else "average pose prior")
        parts += [f"without {part}" for part in self.without]
        return ", ".join(parts)


class AssignedRuns(NamedTuple, Generic[K]):
    """Runs by cell."""

    runs: dict[K, TrainedRun]
    left_out: list[str]  # runs without a cell, and why; for the user


def find_runs(folder: Path = RUNS) -> list[Path]:
    """The runs of a folder, by name.

    Raises:
        UserError: there are none.
    """
    found = [path for path in sorted(folder.glob("*")) if (path / FINAL).exists() or (path / LATEST).exists()]
    if not found:
        raise UserError(
            f"no runs were given, and {folder}/ holds none. Give folders of trained runs, or train some: "
            "`handsss train --help`."
        )
    return found


def read_runs(paths: Iterable[Path], device: str | torch.device = "cpu") -> list[TrainedRun]:
    """Read trained runs; each folder or checkpoint once.

    Raises:
        InputError: one cannot be read; see :func:`handsss.training.trained_network.load_trained_network`.
    """
    once = {path.resolve(): path for path in paths}
    return [read_run(path, device) for path in once.values()]


def read_run(path: Path, device: str | torch.device = "cpu") -> TrainedRun:
    """Read one run and classify it.

    Raises:
        InputError: see :func:`read_runs`.
    """
    trained = load_trained_network(path, device)
    network, losses, about = trained.config.network, trained.config.losses, trained.about
    bare = not network.appearance and network.stacks == 0
    baseline = about.get("baseline") == "mano-cnn" or (bare and losses.w_ori == 0)
    without = []
    if not baseline:
        if losses.w_ori == 0:
            without.append("bone directions (losses.w_ori = 0)")
        if network.stacks == 0:
            without.append("the 2D branch (network.stacks = 0)")
        if losses.w_photo == 0 or not network.appearance:
            without.append("photometric terms (losses.w_photo = 0)")
    return TrainedRun(
        path=path,
        trained=trained,
        method="mano-cnn" if baseline else "ours",
        supervision="fsl" if about.get("supervision") == "fsl" else "ssl",
        consistency=not baseline and network.stacks > 0 and losses.w_con > 0,
        prior=losses.pose_prior,
        without=tuple(without),
    )


def assign_runs(
    runs: Sequence[TrainedRun], cells: Iterable[K], cell_of: Callable[[TrainedRun], K | None], what: str
) -> AssignedRuns[K]:
    """Assign runs to the cells of a table, or the parts of a figure.

    Args:
        runs: any.
        cells: all of them, in order.
        cell_of: the cell of a run; None: it has none.
        what: name of the table, for messages.

    Returns:
        The first run for each cell, and a line about each of the others.

    Raises:
        UserError: no run fills any cell.
    """
    assigned: dict[K, TrainedRun] = {}
    left_out = []
    for run in runs:
        cell = cell_of(run)
        if cell is None:
            left_out.append(f"{run.path}: {run.describe()}; {what} does not use such a run.")
        elif cell in assigned:
            left_out.append(f"{run.path}: {run.describe()}; {assigned[cell].path} was given first for the same cell.")
        else:
            assigned[cell] = run
    if not assigned:
        raise UserError(f"no run fits {what}. {' '.join(left_out)}")
    return AssignedRuns({cell: assigned[cell] for cell in cells if cell in assigned}, left_out)


def training_command(data: str, *, method: str = "ours", supervision: str = "ssl", prior: str = "limits",
                     consistency: bool = True) -> str:  # fmt: skip
    """The command that trains a run that is missing; self-supervised runs need other keypoints than the truth's."""
    on_truth = supervision == "ssl" and bool(data) and Path(data).is_file() and has_true_keypoints(Path(data))
    words = ["handsss train --data", "FILE" if on_truth or not data else data, f"--{supervision}"]
    if method == "mano-cnn":
        words.append("--baseline mano-cnn")
    if prior == "average":
        words.append("--pose-prior average")
    if not consistency:
        words.append("--set losses.w_con=0")
    command = " ".join(words)
    if on_truth:
        command += f"  (FILE: detected keypoints, by `handsss preprocess ... --keypoints detect`; {data} has true ones)"
    return command
