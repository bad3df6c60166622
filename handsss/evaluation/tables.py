"""Tables of figures: made once, shown on a terminal, in markdown and in HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

MISSING = "–"
# Of metrics.json, for a terminal: alignments, and their figures with decimals.
ALIGNMENTS = (
    ("aligned", "aligned (Procrustes)"),
    ("scale_translation_aligned", "scale, translation"),
    ("root_aligned", "root-aligned"),
    ("raw", "raw (camera space)"),
)
SPACE_COLUMNS = (
    ("mpjpe_mm", "MPJPE mm", 2),
    ("mpvpe_mm", "MPVPE mm", 2),
    ("auc_j", "AUC J", 3),
    ("auc_v", "AUC V", 3),
    ("f5", "F@5", 3),
    ("f15", "F@15", 3),
)


class Table(NamedTuple):
    """Rows of text; the first column names the row."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


def number(value: float | None, digits: int) -> str:
    """A figure with so many decimals; a dash for none."""
    return MISSING if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def markdown(table: Table) -> str:
    """As GitHub shows it: a heading, the table, the notes."""
    lines = [f"## {table.title}", ""] if table.title else []
    lines.append("| " + " | ".join(_cell(text) for text in table.header) + " |")
    lines.append("|" + "|".join("---" if column == 0 else "---:" for column in range(len(table.header))) + "|")
    lines += ["| " + " | ".join(_cell(text) for text in row) + " |" for row in table.rows]
    lines += [part for note in table.notes for part in ("", escaped(note))]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return escaped(text).replace("|", "\\|").replace("\n", " ")


def escaped(text: str) -> str:
    """Text that markdown does not take for HTML."""
    return text.replace("<", "&lt;")
