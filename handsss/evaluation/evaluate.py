"""One call that evaluates: a trained network or a prediction file, on a store or dataset, with a report."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import torch

from handsss.errors import UserError
from handsss.evaluation.defaults import default_evaluation_data, newest_checkpoint
from handsss.evaluation.evaluate_network import Submission, evaluate_network, submit_network
from handsss.evaluation.evaluate_predictions import evaluate_predictions
from handsss.evaluation.metric_tables import summary_tables
from handsss.evaluation.network_hand import TexturedHands
from handsss.evaluation.options import EvaluationOptions, OnProgress, StageProgress
from handsss.evaluation.report.write import write_report
from handsss.evaluation.samples import Evaluation
from handsss.evaluation.submission import check_name
from handsss.evaluation.tables import Table
from handsss.network.device import choose_device
from handsss.network.precision import FLOAT32
from handsss.network.weights import shown_name
from handsss.training.memory import keep_memory
from handsss.training.trained_network import FINAL, TrainedNetwork, checkpoint_file, load_trained_network

# Groups of metrics.json and figures in them, with the names that `EvaluationResult.metrics` gives them.
_ALIGNMENTS = ("aligned", "aligned_official", "aligned_proper", "root_aligned", "scale_translation_aligned", "raw")
_FIGURES_3D = {
    "mpjpe_mm": "mpjpe_mm",
    "mpvpe_mm": "mpvpe_mm",
    "auc_j": "auc_joints",
    "auc_v": "auc_vertices",
    "f5": "f_5mm",
    "f15": "f_15mm",
}
_FIGURES_2D = {
    "per_joint": "auc_per_joint",
    "frame_mean": "auc_frame_mean",
    "frame_max": "auc_frame_max",
    "mean_px": "mean_px",
    "median_px": "median_px",
}


class EvaluationInputs(NamedTuple):
    """What is evaluated, and on what."""

    source: Path  # a checkpoint, a run's folder, weights, or a prediction file
    data: Path
    is_network: bool

    def report_folder(self, split: str | None = None) -> Path:
        """Where the command line writes the report, beside the source.

        ``evaluation_DATA[_SPLIT]`` for a run's folder and its result; with the file's name at the end for other
        checkpoints and for predictions. A folder with the report of another source or other data is left alone: the
        next number that is free, or that holds this source's report, is taken.
        """
        name = self.data.stem if self.data.is_file() else self.data.resolve().name
        folder = self.source if self.source.is_dir() else self.source.parent
        own = not self.is_network or (self.source.name != FINAL and not self.source.is_dir())
        first = f"evaluation_{name}{f'_{split}' if split else ''}{f'_{self.source.stem}' if own else ''}"
        numbered = (folder / (first if number == 1 else f"{first}_{number}") for number in count(1))
        return next(place for place in numbered if self.replaces(place) is not False)

    def replaces(self, report: Path) -> bool | None:
        """Whether a folder holds an earlier report of the same source and data; None: it holds none."""
        path = report / "metrics.json"
        try:
            metrics = json.loads(path.read_text(encoding="utf-8"))
        except OSError:
            return None
        except ValueError:
            return False
        if not isinstance(metrics, dict):
            return False
        source = metrics.get("checkpoint" if self.is_network else "predictions")
        known = Path(shown_name(checkpoint_file(self.source))) if self.is_network else self.source
        return _same(source, known) and _same(metrics.get("data"), self.data)


@dataclass(eq=False)
class EvaluationResult:
    """Figures and files of an evaluation.

    Attributes:
        metrics: flat figures, units in their names: ``aligned_mpjpe_mm``, ``raw_mpvpe_mm``, ``root_aligned_auc_joints``
            (0 to 50 mm), ``aligned_f_5mm``, ``projected_2d_mean_px``, ``projected_2d_auc_frame_max`` (0 to 50 px).
            Figures that the data do not allow are left out; empty without ground truth.
        tables: the same as tables of text; each has writers in :mod:`handsss.evaluation.tables`.
        notes: what stands out: joint order, reflections, units, pictures left out.
        evaluation: samples, per-frame errors, and the content of metrics.json; None without ground truth.
        submission: the submission that was written.
        files: of the report, report.html first; none before :meth:`write_report`.
    """

    inputs: EvaluationInputs
    metrics: dict[str, float]
    tables: list[Table]
    notes: list[str]
    evaluation: Evaluation | None
    submission: Submission | None = None
    files: list[Path] = field(default_factory=list)
    network: TrainedNetwork | None = None  # draws its textures in the report

    def __repr__(self) -> str:
        # a notebook shows it: the arrays of all samples and the network's layers are not for reading
        figures = ", ".join(f"{name}={value:.4g}" for name, value in list(self.metrics.items())[:6])
        return f"<EvaluationResult of {self.inputs.source}: {figures or 'no ground truth'}>"

    @property
    def report(self) -> Path | None:
        """report.html; None if no report was written."""
        return self.files[0] if self.files else None

    def write_report(self, folder: Path, *, on_progress: OnProgress | None = None) -> Path:
        """Write report.html, report.md, metrics.json, curves, and pictures of the worst and best samples.

        Args:
            folder: of the report; made if it is not there.
            on_progress: told stage, pictures drawn and to draw.

        Returns:
            report.html.

        Raises:
            UserError: no ground truth to report on; the folder or a file cannot be written.
        """
        if self.evaluation is None:
            raise UserError(f"{self.inputs.data}: has no ground truth, so there is nothing to report.")
        progress = StageProgress(on_progress)
        progress.begin("drawing samples")
        redraw = None if self.network is None else TexturedHands(self.network, self.evaluation.samples)
        self.files = write_report(self.evaluation, folder, redraw=redraw, progress=progress)
        return self.files[0]


def _same(recorded: Any, path: Path) -> bool:
    return isinstance(recorded, str) and Path(recorded).resolve() == path.resolve()


def check_inputs(
    checkpoint: Path | None = None,
    predictions: Path | None = None,
    data: Path | None = None,
    *,
    submission: Path | None = None,
    align_root: bool = False,
) -> EvaluationInputs:
    """What to evaluate: as given, else the newest run in runs/ and the evaluation file of `handsss preprocess`.

    Args:
        checkpoint, predictions, data, submission, align_root: see :func:`evaluate`.

    Raises:
        UserError: options that contradict each other.
        InputError: nothing was given, and nothing is found.
    """
    if checkpoint is not None and predictions is not None:
        raise UserError(
            "{checkpoint} and {predictions} were both given. Leave one of them out.",
            options=("checkpoint", "predictions"),
        )
    if predictions is not None and submission is not None:
        raise UserError(
            "{submission} is written from a network's predictions. Give {checkpoint}, not {predictions}.",
            options=("submission", "checkpoint", "predictions"),
        )
    if align_root and submission is None:
        raise UserError(
            "{align_root} changes a submission, but no {submission} was given.", options=("align_root", "submission")
        )
    if submission is not None:
        check_name(submission)
    source = predictions or checkpoint or newest_checkpoint()
    return EvaluationInputs(source, data or default_evaluation_data(), predictions is None)


def evaluate(
    *,
    checkpoint: Path | None = None,
    predictions: Path | None = None,
    data: Path | None = None,
    protocol: str | None = None,
    split: str | None = None,
    limit: int | None = None,
    proper: bool = False,
    procrustes: bool = True,
    out: Path | None = None,
    submission: Path | None = None,
    align_root: bool = False,
    device: str | torch.device = "auto",
    precision: str = FLOAT32,
    batch: int = 32,
    on_progress: OnProgress | None = None,
) -> EvaluationResult:
    """Evaluate a trained network, or the predictions of any method.

    Args:
        checkpoint: a checkpoint, a run's folder, weights, or the name of bundled weights; the newest run by default.
        predictions: a pred.json or pred.zip to score instead of a network.
        data: a store, or the folder of FreiHAND, HO-3D or a dataset in FreiHAND's layout; the evaluation file that
            `handsss preprocess` writes by default.
        protocol: "freihand" or "ho3d"; the data's own by default.
        split: "training" or "evaluation", of a dataset's folder.
        limit: first pictures only.
        proper: forbid reflections in the Procrustes alignment.
        procrustes: tables of all alignments; False: of camera-space errors alone, in cm (table 4 of the paper).
        out: folder of the report; none is written by default.
        submission: a .zip or .json to write the network's predictions to, as the benchmark's official file.
        align_root: in the submission, shift hands to the root joints that the dataset gives.
        device: "auto", "cpu", "cuda", "cuda:NUMBER".
        precision: of the network: "float32", "bfloat16" or "float16".
        batch: pictures at a time.
        on_progress: told stage, items done and items in all (0: not known).

    Raises:
        UserError: contradicting options, an unknown protocol or device, files that cannot be written.
        InputError: no checkpoint, predictions or data that can be used, or data without ground truth.
    """
    inputs = check_inputs(checkpoint, predictions, data, submission=submission, align_root=align_root)
    chosen = choose_device(device) if isinstance(device, str) else device
    options = EvaluationOptions(protocol, proper, split, limit)
    progress = StageProgress(on_progress)
    trained, submitted = None, None
    evaluation: Evaluation | None
    if inputs.is_network:
        keep_memory()
        progress.begin("loading the network")
        trained = load_trained_network(inputs.source, chosen, precision)
    if trained is None:
        evaluation = evaluate_predictions(inputs.source, inputs.data, options, progress=progress)
    elif submission is not None:
        submitted = submit_network(
            trained, inputs.data, submission, options, align_root=align_root, batch=batch, progress=progress
        )
        evaluation = submitted.evaluation
    else:
        evaluation = evaluate_network(trained, inputs.data, options, batch=batch, progress=progress)
    if evaluation is None:
        return EvaluationResult(inputs, {}, [], [], None, submitted)
    tables = summary_tables(evaluation.metrics, procrustes=procrustes)
    metrics = flat_metrics(evaluation.metrics)
    result = EvaluationResult(inputs, metrics, tables, evaluation.notes, evaluation, submitted, network=trained)
    if out is not None:
        result.write_report(out, on_progress=on_progress)
    return result


def flat_metrics(metrics: dict[str, Any]) -> dict[str, float]:
    """Figures of metrics.json under flat names with units; those that are missing are left out."""
    flat: dict[str, float] = {}
    for alignment in _ALIGNMENTS:
        flat |= _named(f"{alignment}_", metrics[alignment], _FIGURES_3D)
    for keypoints, values in metrics["keypoints_2d"].items():
        flat |= _named(f"{keypoints}_2d_", values, _FIGURES_2D)
    return flat


def _named(prefix: str, values: dict[str, float | None], names: dict[str, str]) -> dict[str, float]:
    return {prefix + name: float(value) for key, name in names.items() if (value := values.get(key)) is not None}
