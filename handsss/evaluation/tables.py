"""Tables of figures and their writers: markdown and HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

MISSING = "–"
_FOLDED = 8  # rows; longer tables are collapsed in HTML


class Table(NamedTuple):
    """Rows of text; the first column names the row."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


def number(value: float | None, digits: int) -> str:
    """A number with so many decimals; a dash where there is none."""
    return MISSING if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def markdown(table: Table) -> str:
    """GitHub's markdown: heading, table, notes."""
    lines = [f"## {table.title}", ""] if table.title else []
    lines.append("| " + " | ".join(_cell(text) for text in table.header) + " |")
    lines.append("|" + "|".join("---" if column == 0 else "---:" for column in range(len(table.header))) + "|")
    lines += ["| " + " | ".join(_cell(text) for text in row) + " |" for row in table.rows]
    lines += [part for note in table.notes for part in ("", escaped(note))]
    return "\n".join(lines) + "\n"


def html(table: Table) -> str:
    """An HTML element, all text escaped; long tables are collapsed."""
    from handsss.io.html import render

    return render("handsss.evaluation", "table.html.j2", table=table, folded=len(table.rows) > _FOLDED)


def _cell(text: str) -> str:
    return escaped(text).replace("|", "\\|").replace("\n", " ")


def escaped(text: str) -> str:
    """Text that markdown does not take for HTML."""
    return text.replace("<", "&lt;")
