"""Table 5 and figure 2: the detector's, the 2D branch's and the projected keypoints on the training images, with and
without the consistency term E_con."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handsss.evaluation.curves import BLUE, GREY, RED, Curve, Panel
from handsss.evaluation.metrics import LIMIT_2D, curve
from handsss.evaluation.paper.bars import Bar
from handsss.evaluation.paper.published import COLUMNS, TABLE5_AUC, TRAINING_SET
from handsss.evaluation.paper.runs import TrainedRun, training_command
from handsss.evaluation.score import Keypoints2d
from handsss.evaluation.tables import Table, number

RunErrors = Mapping[bool, Mapping[str, Keypoints2d]]  # without and with E_con; errors by kind of keypoints
CONSISTENCIES = (False, True)  # without E_con, with it
METRICS = {"per_joint": "per joint", "frame_mean": "frame mean", "frame_max": "frame max"}
LABELS = {
    "detector": "detector",
    "predicted_without": "predicted without E_con",
    "predicted_with": "predicted with E_con",
    "projected_without": "projected without E_con",
    "projected_with": "projected with E_con",
}
_LINES = {
    "detector": (GREY, (0, (1, 1.2))),
    "predicted_without": (BLUE, (0, (4, 2))),
    "predicted_with": (BLUE, "solid"),
    "projected_without": (RED, (0, (4, 2))),
    "projected_with": (RED, "solid"),
}


def consistency_of(run: TrainedRun) -> bool | None:
    """Self-supervised, whole method but for E_con: whether E_con was in it."""
    if run.method != "ours" or run.supervision != "ssl" or run.without or run.prior != "limits":
        return None
    return run.consistency


def _source(column: str) -> tuple[str, bool | None]:
    """Keypoints of a column and the run they come from; None: any."""
    kind, _, consistency = column.partition("_")
    return kind, None if not consistency else consistency == "with"


def _errors(column: str, errors_of_runs: RunErrors) -> Keypoints2d | None:
    kind, which = _source(column)
    if which is not None:
        return errors_of_runs.get(which, {}).get(kind)
    # The same detections lie under both runs.
    return errors_of_runs.get(True, {}).get(kind) or errors_of_runs.get(False, {}).get(kind)


def areas_of(errors_of_runs: RunErrors) -> dict[str, dict[str, float | None]]:
    """Areas under the curve by metric and column; None where a run or the detections are missing.

    Args:
        errors_of_runs: 2D errors of the runs without and with E_con, by kind of keypoints.
    """
    result: dict[str, dict[str, float | None]] = {metric: {} for metric in METRICS}
    for column in COLUMNS:
        errors = _errors(column, errors_of_runs)
        figures = None if errors is None else errors.figures()
        for metric in METRICS:
            result[metric][column] = None if figures is None else figures[metric]
    return result


def table5(areas: Mapping[str, Mapping[str, float | None]], data: str) -> Table:
    """The table, ours above the published figures.

    Args:
        areas: of :func:`areas_of`.
        data: what they were scored on, in words.
    """
    rows = []
    for metric, label in METRICS.items():
        rows.append([f"{label}, here", *(number(areas[metric][column], 3) for column in COLUMNS)])
        rows.append([f"{label}, paper", *(number(TABLE5_AUC[metric][column], 3) for column in COLUMNS)])
    note = (
        f"Area under the curve of errors from 0 to 50 px, higher is better. Paper: figures of the supplement, on "
        f"{TRAINING_SET}, with OpenPose as the detector."
    )
    return Table(f"Table 5: 2D keypoints on {data}", ["", *LABELS.values()], rows, (note,))


def figure2(errors_of_runs: RunErrors, data: str) -> Panel:
    """Share of frames within a largest error of their joints.

    Args:
        errors_of_runs: 2D errors of the runs without and with E_con.
        data: what they were made on, in words.
    """
    lines = []
    for column in COLUMNS:
        errors = _errors(column, errors_of_runs)
        if errors is not None:
            share = curve(errors.errors.max(1), LIMIT_2D)[1]
            lines.append(Curve(LABELS[column], share, *_LINES[column]))
    return Panel(f"Figure 2, on {data}", "largest 2D error of a frame's joints, px", "share of frames", LIMIT_2D, lines)


def missing(filled: Mapping[bool, Any], areas: Mapping[str, Mapping[str, float | None]], data: str) -> list[str]:
    """A line for each column that is missing, with the command that makes it."""
    lines = [
        f"{'with' if consistency else 'without'} E_con: {training_command(data, consistency=consistency)}"
        for consistency in CONSISTENCIES
        if consistency not in filled
    ]
    if areas["per_joint"]["detector"] is None:
        lines.append(
            "detector: the data holds no detections of the networks' keypoint definition; make a store of the "
            "training pictures with `handsss preprocess ... --keypoints detect` and score on it"
        )
    return lines


def document(areas: Mapping[str, Mapping[str, float | None]]) -> dict[str, Any]:
    """The table as JSON."""
    return {
        "auc_0_50_px": {metric: dict(areas[metric]) for metric in METRICS},
        "published": {metric: dict(TABLE5_AUC[metric]) for metric in METRICS},
    }


def bars(areas: Mapping[str, Mapping[str, float | None]]) -> list[tuple[str, list[Bar]]]:
    """The table as bars, a group for each metric."""
    return [
        (label, [Bar(LABELS[column], areas[metric][column], TABLE5_AUC[metric][column]) for column in COLUMNS])
        for metric, label in METRICS.items()
    ]
