"""Panels laid out in rows, with labels: the pictures of reports and of the paper's figures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from handsss.visualize.skeleton import FAINT, INK, PAPER, font

_GAP, _LABEL, _TITLE, _LINE = 6, 22, 38, 20
_MARGIN = 10


class Line(NamedTuple):
    """One row of a sheet."""

    panels: Sequence[np.ndarray | None]  # [S, S, 3] uint8, all of one size; None: an empty place
    label: str = ""  # to the left
    heading: str = ""  # above, over the whole width


def sheet(
    lines: Sequence[Line], *, columns: Sequence[str] = (), title: str = "", notes: Sequence[str] = ()
) -> Image.Image:
    """Lay panels out.

    Args:
        lines: rows from above to below; at least one with a panel.
        columns: labels above the columns.
        title: of the sheet.
        notes: small print below.
    """
    side = next(panel.shape[0] for line in lines for panel in line.panels if panel is not None)
    most = max(len(line.panels) for line in lines)
    measure = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    left = max((int(measure.textlength(line.label, font=font(15))) for line in lines), default=0)
    left += _MARGIN + (_GAP * 2 if left else 0)
    width = left + most * (side + _GAP) - _GAP + _MARGIN
    wrapped = [part for note in notes for part in _wrapped(note, width - 2 * _MARGIN, measure)]
    top = _MARGIN + (_TITLE if title else 0) + (_LABEL if columns else 0)
    height = top + sum(side + _GAP + (_LINE + 4 if line.heading else 0) for line in lines)
    height += len(wrapped) * _LINE + _MARGIN
    canvas = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(canvas)
    if title:
        draw.text((_MARGIN, _MARGIN), title, fill=INK, font=font(20))
    for column, label in enumerate(columns):
        draw.text((left + column * (side + _GAP), top - _LABEL + 2), label, fill=FAINT, font=font(15))
    y = top
    for line in lines:
        if line.heading:
            draw.text((left, y + 2), line.heading, fill=INK, font=font(15))
            y += _LINE + 4
        if line.label:
            draw.text((_MARGIN, y + side / 2 - 9), line.label, fill=INK, font=font(15))
        for column, panel in enumerate(line.panels):
            if panel is not None:
                canvas.paste(Image.fromarray(panel), (left + column * (side + _GAP), y))
        y += side + _GAP
    for part in wrapped:
        draw.text((_MARGIN, y + 2), part, fill=FAINT, font=font(14))
        y += _LINE
    return canvas


def _wrapped(text: str, width: float, draw: ImageDraw.ImageDraw) -> list[str]:
    lines, now = [], ""
    for word in text.split():
        longer = f"{now} {word}".strip()
        if now and draw.textlength(longer, font=font(14)) > width:
            lines.append(now)
            now = word
        else:
            now = longer
    return [*lines, now] if now else lines


def as_png(picture: Image.Image | np.ndarray) -> bytes:
    """A PNG file."""
    return _encoded(picture, "PNG")


def as_jpeg(picture: Image.Image | np.ndarray) -> bytes:
    """A JPEG file, without visible loss of lines."""
    return _encoded(picture, "JPEG")


def _encoded(picture: Image.Image | np.ndarray, kind: str) -> bytes:
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    buffer = io.BytesIO()
    if kind == "JPEG":
        image.save(buffer, kind, quality=88, subsampling=0)
    else:
        image.save(buffer, kind, optimize=True)
    return buffer.getvalue()
