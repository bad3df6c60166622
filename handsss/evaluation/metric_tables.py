"""Tables of an evaluation, from the content of metrics.json: full ones for reports, compact ones for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from handsss.evaluation.tables import Table, number

# Keys of metrics.json: name in reports, name on a terminal.
ALIGNMENTS = {
    "aligned": ("Procrustes-aligned", "aligned (Procrustes)"),
    "scale_translation_aligned": ("scale and translation aligned", "scale, translation"),
    "root_aligned": ("root-aligned", "root-aligned"),
    "raw": ("raw, camera space", "raw (camera space)"),
}
# In reports where the two differ; "aligned" is one of them.
_REFLECTIONS = {
    "aligned_official": "Procrustes, reflections allowed",
    "aligned_proper": "Procrustes, reflections forbidden",
}
KEYPOINTS = {"detector": "detector", "predicted": "predicted, 2D branch", "projected": "projected, 3D branch"}


class Column(NamedTuple):
    """A figure of metrics.json."""

    key: str
    label: str
    unit: str
    short: str  # with its unit, on a terminal; empty: left out there
    digits: int

    def header(self, compact: bool) -> str:
        """The column's heading."""
        return self.short if compact else f"{self.label}, {self.unit}" if self.unit else self.label


COLUMNS_3D = (
    Column("mpjpe_mm", "MPJPE", "mm", "MPJPE mm", 2),
    Column("mpvpe_mm", "MPVPE", "mm", "MPVPE mm", 2),
    Column("auc_j", "AUC joints", "", "AUC J", 3),
    Column("auc_v", "AUC vertices", "", "AUC V", 3),
    Column("f5", "F@5 mm", "", "F@5", 3),
    Column("f15", "F@15 mm", "", "F@15", 3),
)
_COLUMNS_2D = (
    Column("per_joint", "AUC per joint", "", "per joint", 3),
    Column("frame_mean", "AUC per-frame mean", "", "frame mean", 3),
    Column("frame_max", "AUC per-frame maximum", "", "frame max", 3),
    Column("mean_px", "mean", "px", "mean px", 2),
    Column("median_px", "median", "px", "median px", 2),
)
_COLUMNS_JOINT = (
    Column("aligned_mm", "aligned", "mm", "aligned mm", 2),
    Column("auc_aligned", "AUC aligned", "", "", 3),
    Column("raw_mm", "raw", "mm", "raw mm", 2),
    Column("detector_px", "detector", "px", "detector px", 2),
    Column("predicted_px", "predicted", "px", "predicted px", 2),
    Column("projected_px", "projected", "px", "projected px", 2),
)


def table_3d(metrics: Mapping[str, Any], *, compact: bool = False) -> Table:
    """3D figures under each alignment; alignments that the metrics lack are left out."""
    shown = {key: labels[compact] for key, labels in ALIGNMENTS.items()}
    reflections = metrics.get("reflections") or {}
    if not compact and (reflections.get("joints") or reflections.get("vertices")):
        shown |= _REFLECTIONS
    rows = [(label, metrics[key]) for key, label in shown.items() if isinstance(metrics.get(key), Mapping)]
    return _table("3D", "" if compact else "alignment", COLUMNS_3D, rows, compact)


def camera_space_table(metrics: Mapping[str, Any]) -> Table:
    """Unaligned errors in cm, as the paper's table 4 has them."""
    raw = metrics["raw"]
    row = [number(None if raw[key] is None else raw[key] / 10, 2) for key in ("mpjpe_mm", "mpvpe_mm")]
    return Table("Camera space, nothing aligned (table 4)", ["", "MPJPE cm", "MPVPE cm"], [["raw", *row]])


def reflection_table(metrics: Mapping[str, Any]) -> Table:
    """Procrustes-aligned errors with reflections allowed and forbidden, and the difference."""
    official, proper = metrics["aligned_official"], metrics["aligned_proper"]
    difference = {
        column.key: None if proper[column.key] is None else proper[column.key] - official[column.key]
        for column in COLUMNS_3D
    }
    rows = [("allowed (official)", official), ("forbidden (proper)", proper), ("difference", difference)]
    return _table("Reflections in the Procrustes alignment", "", COLUMNS_3D, rows, compact=True)


def table_2d(metrics: Mapping[str, Any], *, compact: bool = False) -> Table | None:
    """2D errors and areas under the curve, 0 to 50 px; None where no 2D keypoints were scored."""
    scored = metrics.get("keypoints_2d") or {}
    rows = [(name if compact else label, scored[name]) for name, label in KEYPOINTS.items() if scored.get(name)]
    if not rows:
        return None
    table = _table("2D, AUC over 0 to 50 px" if compact else "2D, 0 to 50 px", "keypoints", _COLUMNS_2D, rows, compact)
    return table._replace(notes=(f"2D truth: {metrics['keypoints_2d_definition']}",)) if compact else table


def joint_table(metrics: Mapping[str, Any], *, compact: bool = False) -> Table | None:
    """Mean errors of each joint; None where the metrics have no such table."""
    joints = metrics.get("per_joint")
    if not joints:
        return None
    columns = [column for column in _COLUMNS_JOINT if column.key in joints[0]]
    return _table("Joints", "" if compact else "joint", columns, [(row["name"], row) for row in joints], compact)


def report_tables(metrics: Mapping[str, Any]) -> list[Table]:
    """All tables of a report."""
    tables = [table_3d(metrics), table_2d(metrics), joint_table(metrics)]
    return [table for table in tables if table is not None]


def summary_tables(metrics: Mapping[str, Any], *, procrustes: bool = True) -> list[Table]:
    """Compact tables for a terminal.

    Args:
        metrics: content of metrics.json.
        procrustes: all alignments and joints; False: camera-space errors alone.
    """
    if not procrustes:
        return [camera_space_table(metrics)]
    reflections = metrics["reflections"]
    mirrored = metrics["proper"] or reflections["joints"] or reflections["vertices"]
    tables = [
        table_3d(metrics, compact=True),
        reflection_table(metrics) if mirrored else None,
        table_2d(metrics, compact=True),
        joint_table(metrics, compact=True),
    ]
    return [table for table in tables if table is not None]


def _table(
    title: str,
    corner: str,
    columns: Sequence[Column],
    rows: Sequence[tuple[str, Mapping[str, Any]]],
    compact: bool,
) -> Table:
    shown = [column for column in columns if column.short or not compact]
    cells = [[str(label), *(number(values.get(c.key), c.digits) for c in shown)] for label, values in rows]
    return Table(title, [corner, *(column.header(compact) for column in shown)], cells)
