"""Boxes around hands that the user gives: in words, and in a table of pictures."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from handsss.errors import InputError, UserError

_COLUMNS = ("name", "x0", "y0", "x1", "y1")
_WHAT = f"a CSV with the columns {', '.join(_COLUMNS)} (pixels of the upright picture), one hand a line"


def box_of(values: Any) -> np.ndarray:
    """A box [4] x0, y0, x1, y1 px of ``"x0,y0,x1,y1"`` or four numbers.

    Raises:
        UserError: no four finite numbers, or no area.
    """
    parts = values.split(",") if isinstance(values, str) else values
    shown = values if isinstance(values, str) else np.asarray(values).tolist()
    try:
        box = np.array([float(part) for part in parts])
    except (TypeError, ValueError):
        box = np.zeros(0)
    if box.shape != (4,) or not np.isfinite(box).all():
        raise UserError(f"{{box}} {shown}: expected four numbers x0,y0,x1,y1, in pixels.", options=("box",))
    if not (box[:2] < box[2:]).all():
        raise UserError(
            f"{{box}} {shown}: has no area. Expected the upper left corner, then the lower right one: x0,y0,x1,y1 with "
            "x0 < x1 and y0 < y1.",
            options=("box",),
        )
    return box


def check_inside(box: np.ndarray, size: tuple[int, int]) -> None:
    """That a box [4] px has its middle in a picture [width, height] px.

    Raises:
        InputError: it lies outside.
    """
    middle = (box[:2] + box[2:]) / 2
    if not ((middle >= 0) & (middle <= np.array(size))).all():
        raise InputError(
            f"the box {','.join(f'{value:g}' for value in box)} lies outside the {size[0]} x {size[1]} picture. "
            "Expected pixels of the upright picture."
        )


def read_boxes(path: Path) -> dict[str, list[np.ndarray]]:
    """A table of boxes: name of a picture to its boxes [4] px.

    Args:
        path: a CSV with the columns name, x0, y0, x1, y1; others are ignored. A picture may have several lines.

    Raises:
        InputError: unreadable, a column missing, or a line without a box.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the table of boxes cannot be read ({error}). Expected {_WHAT}.") from error
    lines = csv.DictReader(text.splitlines(), skipinitialspace=True)
    try:
        missing = [column for column in _COLUMNS if column not in (lines.fieldnames or ())]
        rows = [(lines.line_num, row) for row in lines]
    except csv.Error as error:
        raise InputError(f"{path}: not a table ({error}). Expected {_WHAT}.") from error
    if missing:
        raise InputError(f"{path}: no column {', '.join(missing)}. Expected {_WHAT}.")
    boxes: dict[str, list[np.ndarray]] = {}
    for number, row in rows:
        try:
            box = box_of([row[column] for column in _COLUMNS[1:]])
        except UserError as error:
            shown = ",".join(str(row[column]) for column in _COLUMNS[1:])
            raise InputError(
                f"{path}: line {number} holds the box {shown}; expected four numbers with x0 < x1 and y0 < y1."
            ) from error
        boxes.setdefault(str(row["name"]), []).append(box)
    if not boxes:
        raise InputError(f"{path}: holds no boxes. Expected {_WHAT}.")
    return boxes
