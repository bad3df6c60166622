"""Table 4: unaligned errors of MANO-CNN and ours under full and self-supervision, and the degradation between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from handsss.evaluation.paper.bars import Bar
from handsss.evaluation.paper.published import DEGRADATION_PERCENT, TABLE4_CM, TEST_SET
from handsss.evaluation.paper.runs import METHODS, TrainedRun, training_command
from handsss.evaluation.paper.score import MeanErrors3d
from handsss.evaluation.tables import MISSING, Table, number

Cell = tuple[str, str]  # method, supervision
CELLS: tuple[Cell, ...] = tuple(TABLE4_CM)
_NOTE = (
    f"Paper: figures of the supplement, on {TEST_SET}; it states a growth of MPJPE of {DEGRADATION_PERCENT['ours']} % "
    f"(ours) and {DEGRADATION_PERCENT['mano-cnn']} % (MANO-CNN). Other data, other hand models and shorter runs give "
    "other figures: compare directions."
)


class Pair(NamedTuple):
    """MPJPE and MPVPE, cm."""

    joints: float
    vertices: float | None  # None: the data has no meshes of the same numbering


PUBLISHED = {cell: Pair(*values) for cell, values in TABLE4_CM.items()}


def cell_of(run: TrainedRun) -> Cell | None:
    """The cell that a run fills: the whole method, or the baseline."""
    if run.without or run.prior != "limits" or (run.method == "ours" and not run.consistency):
        return None
    return run.method, run.supervision


def unaligned(scores: Mapping[Cell, MeanErrors3d]) -> dict[Cell, Pair]:
    """Errors in the camera's frame."""
    return {cell: Pair(score.joints, score.vertices) for cell, score in scores.items()}


def aligned(scores: Mapping[Cell, MeanErrors3d]) -> dict[Cell, Pair]:
    """Errors after Procrustes alignment."""
    return {cell: Pair(score.aligned_joints, score.aligned_vertices) for cell, score in scores.items()}


def degradation(scores: Mapping[Cell, Pair], method: str) -> tuple[float | None, float | None]:
    """Degradation of MPJPE and MPVPE from FSL to SSL, %; None where a run is missing."""
    full, own = scores.get((method, "fsl")), scores.get((method, "ssl"))
    if full is None or own is None:
        return None, None
    joints = 100 * (own.joints / full.joints - 1)
    if own.vertices is None or full.vertices is None:
        return joints, None
    return joints, 100 * (own.vertices / full.vertices - 1)


def table4(scores: Mapping[Cell, MeanErrors3d], data: str) -> Table:
    """The table, each line of ours above the published one.

    Args:
        scores: of the cells that there are.
        data: what they were scored on, in words.
    """
    here = unaligned(scores)
    rows = []
    for supervision in ("fsl", "ssl"):
        rows += [_row(f"{supervision.upper()}, {where}", values, supervision) for where, values in _both(here)]
    rows += [_growth(f"FSL to SSL, {where}", values) for where, values in _both(here)]
    return Table(f"Table 4: unaligned errors on {data}", _header(), rows, (_NOTE,))


def aligned_table(scores: Mapping[Cell, MeanErrors3d]) -> Table:
    """The same runs after Procrustes alignment, which table 4 leaves out."""
    here = aligned(scores)
    rows = [_row(supervision.upper(), here, supervision) for supervision in ("fsl", "ssl")]
    return Table("The same, Procrustes-aligned", _header(), [*rows, _growth("FSL to SSL", here)])


def _both(here: Mapping[Cell, Pair]) -> list[tuple[str, Mapping[Cell, Pair]]]:
    return [("here", here), ("paper", PUBLISHED)]


def _header() -> list[str]:
    return ["supervision", *(f"{label} {what}, cm" for label in METHODS.values() for what in ("MPJPE", "MPVPE"))]


def _row(label: str, values: Mapping[Cell, Pair], supervision: str) -> list[str]:
    row = [label]
    for method in METHODS:
        pair = values.get((method, supervision), (None, None))
        row += [number(value, 2) for value in pair]
    return row


def _growth(label: str, values: Mapping[Cell, Pair]) -> list[str]:
    return [label, *(_percent(value) for method in METHODS for value in degradation(values, method))]


def missing(filled: Mapping[Cell, TrainedRun], data: str) -> list[str]:
    """A line for each cell without a run, with the command that trains it."""
    return [
        f"{METHODS[method]} {supervision.upper()}: {training_command(data, method=method, supervision=supervision)}"
        for method, supervision in CELLS
        if (method, supervision) not in filled
    ]


def document(scores: Mapping[Cell, MeanErrors3d]) -> dict[str, Any]:
    """The table as JSON."""
    cells = [
        {
            "method": method,
            "supervision": supervision,
            "mpjpe_cm": pair.joints,
            "mpvpe_cm": pair.vertices,
            "aligned_mpjpe_cm": beside.joints,
            "aligned_mpvpe_cm": beside.vertices,
            "published": dict(zip(("mpjpe_cm", "mpvpe_cm"), PUBLISHED[method, supervision], strict=True)),
        }
        for (method, supervision), pair, beside in _pairs(scores)
    ]
    growth = {
        method: {
            **dict(zip(("mpjpe", "mpvpe"), degradation(unaligned(scores), method), strict=True)),
            "published_mpjpe": DEGRADATION_PERCENT[method],
        }
        for method in METHODS
    }
    return {"cells": cells, "degradation_percent": growth}


def _pairs(scores: Mapping[Cell, MeanErrors3d]) -> list[tuple[Cell, Pair, Pair]]:
    raw, after = unaligned(scores), aligned(scores)
    return [(cell, raw[cell], after[cell]) for cell in CELLS if cell in scores]


def bars(scores: Mapping[Cell, MeanErrors3d]) -> list[tuple[str, list[Bar]]]:
    """The table as bars: a group for MPJPE and one for MPVPE."""
    here = unaligned(scores)
    groups = []
    for index, what in enumerate(("MPJPE", "MPVPE")):
        row = []
        for method, supervision in CELLS:
            pair = here.get((method, supervision), (None, None))
            label = f"{METHODS[method]} {supervision.upper()}"
            row.append(Bar(label, pair[index], TABLE4_CM[method, supervision][index]))
        groups.append((what, row))
    return groups


def _percent(value: float | None) -> str:
    return MISSING if value is None else f"{value:+.1f} %"
