"""The tables of a report, made of the content of metrics.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handsss.evaluation.tables import Table, number

ALIGNMENTS = {
    "aligned": "Procrustes-aligned",
    "scale_translation_aligned": "scale and translation aligned",
    "root_aligned": "root-aligned",
    "raw": "raw, camera space",
}
# Shown where the two differ; "aligned" is one of them.
_MIRRORED = {
    "aligned_official": "Procrustes, reflections allowed",
    "aligned_proper": "Procrustes, reflections forbidden",
}
KEYPOINTS = {"detector": "detector", "predicted": "predicted, 2D branch", "projected": "projected, 3D branch"}
# key, label, decimals, unit
FIGURES_3D = (
    ("mpjpe_mm", "MPJPE", 2, "mm"),
    ("mpvpe_mm", "MPVPE", 2, "mm"),
    ("auc_j", "AUC joints", 3, ""),
    ("auc_v", "AUC vertices", 3, ""),
    ("f5", "F@5 mm", 3, ""),
    ("f15", "F@15 mm", 3, ""),
)
_FIGURES_2D = (
    ("per_joint", "AUC per joint", 3),
    ("frame_mean", "AUC per-frame mean", 3),
    ("frame_max", "AUC per-frame maximum", 3),
    ("mean_px", "mean, px", 2),
    ("median_px", "median, px", 2),
)


def space_table(metrics: Mapping[str, Any]) -> Table:
    """3D figures under each alignment."""
    header = ["alignment", *(f"{label}, {unit}" if unit else label for _, label, _, unit in FIGURES_3D)]
    shown = dict(ALIGNMENTS)
    reflections = metrics.get("reflections") or {}
    if reflections.get("joints") or reflections.get("vertices"):
        shown |= _MIRRORED
    rows = [
        [label, *(number(metrics[name].get(key), digits) for key, _, digits, _ in FIGURES_3D)]
        for name, label in shown.items()
        if name in metrics
    ]
    return Table("3D", header, rows)


def keypoint_table(metrics: Mapping[str, Any]) -> Table | None:
    """2D areas under the curve, 0 to 50 px; None where no 2D keypoints were scored."""
    scored = metrics.get("keypoints_2d") or {}
    names = [name for name in KEYPOINTS if scored.get(name)]
    if not names:
        return None
    rows = [
        [KEYPOINTS[name], *(number(scored[name].get(key), digits) for key, _, digits in _FIGURES_2D)] for name in names
    ]
    return Table("2D, 0 to 50 px", ["keypoints", *(label for _, label, _ in _FIGURES_2D)], rows)


def joints_table(metrics: Mapping[str, Any]) -> Table | None:
    """Mean errors of each joint; None where metrics have no such table."""
    joints = metrics.get("per_joint")
    if not joints:
        return None
    columns = [
        ("aligned_mm", "aligned, mm", 2),
        ("auc_aligned", "AUC aligned", 3),
        ("raw_mm", "raw, mm", 2),
        ("detector_px", "detector, px", 2),
        ("predicted_px", "predicted, px", 2),
        ("projected_px", "projected, px", 2),
    ]
    there = [column for column in columns if column[0] in joints[0]]
    rows = [[str(row["name"]), *(number(row.get(key), digits) for key, _, digits in there)] for row in joints]
    return Table("Joints", ["joint", *(label for _, label, _ in there)], rows)


def tables_of(metrics: Mapping[str, Any]) -> list[Table]:
    """All tables that the metrics have figures for."""
    found = [space_table(metrics), keypoint_table(metrics), joints_table(metrics)]
    return [table for table in found if table is not None]
