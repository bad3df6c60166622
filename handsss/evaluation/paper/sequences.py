"""Chooses the rows of a sheet: evenly spaced, listed by the user, or frames of sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from handsss.errors import UserError


class SequenceRows(NamedTuple):
    """Frames of a sequence."""

    name: str
    rows: list[int]


class ChosenSequences(NamedTuple):
    """Sequences, and how they were chosen."""

    sequences: list[SequenceRows]
    note: str  # for the sheet's small print


def parse_rows(text: str, count: int) -> list[int]:
    """Row numbers as a user lists them: ``3,17,25``.

    Raises:
        UserError: no numbers, or beyond the data.
    """
    try:
        rows = [int(part) for part in text.split(",")]
    except ValueError:
        raise UserError(
            f"{{samples}} {text}: expected row numbers with commas between, for example 3,17,25.", options=("samples",)
        ) from None
    wrong = [row for row in rows if not 0 <= row < count]
    if wrong:
        raise UserError(
            f"{{samples}} {text}: row {wrong[0]} is not in the data, whose rows are 0 to {count - 1}.",
            options=("samples",),
        )
    return rows


def spread_rows(count: int, wanted: int) -> list[int]:
    """At most so many rows, evenly spread; the middles of equal parts, so that neither end is preferred.

    Args:
        count: rows that there are.
        wanted: rows to choose.
    """
    wanted = min(count, wanted)
    return [int((i + 0.5) * count / wanted) for i in range(wanted)]


def sequence_of(name: str) -> str | None:
    """The sequence in a picture's name, as HO-3D has it (``evaluation/SM1/rgb/0007.png``); None where there is none."""
    parts = name.split("/")
    return parts[-3] if len(parts) >= 4 and parts[-2] == "rgb" else None


def choose_sequences(names: Sequence[str], sequences: int = 4, frames: int = 8) -> ChosenSequences:
    """Sequences and frames of each.

    From data with sequences: those with enough frames, spread over the list, with frames spread over each. From other
    data: stretches of consecutive rows, which is said.

    Args:
        names: of all rows, in order.
        sequences: how many.
        frames: of each.

    Raises:
        UserError: fewer rows than one sequence needs.
    """
    groups: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        key = sequence_of(name)
        if key is not None:
            groups.setdefault(key, []).append(row)
    long = {key: rows for key, rows in groups.items() if len(rows) >= frames}
    if long:
        keys = [list(long)[i] for i in spread_rows(len(long), sequences)]
        chosen = [SequenceRows(key, [long[key][i] for i in spread_rows(len(long[key]), frames)]) for key in keys]
        few = f" Only {len(long)} sequences have {frames} frames or more." if len(long) < sequences else ""
        return ChosenSequences(chosen, f"Frames evenly spread over each sequence.{few}")
    if len(names) < frames:
        raise UserError(f"figure 6 shows {frames} frames of a sequence, but the data has {len(names)} rows. Give more.")
    possible = min(sequences, len(names) // frames)
    starts = [int(start) for start in np.linspace(0, len(names) - frames, possible).round()]
    chosen = [
        SequenceRows(f"rows {start} to {start + frames - 1}", list(range(start, start + frames))) for start in starts
    ]
    return ChosenSequences(chosen, "The data has no sequences: these are consecutive rows, which show different hands.")
