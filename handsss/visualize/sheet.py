"""Panels laid out in rows, with labels: every picture of several panels has this layout."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from handsss.visualize.skeleton import FAINT, INK, PAPER, font

GAP = 6  # px between panels
_LABEL, _TITLE, _LINE = 22, 38, 20
_MARGIN = 10


class Line(NamedTuple):
    """One row of a sheet."""

    panels: Sequence[np.ndarray | None]  # [h, w, 3] uint8, all of one size; None: an empty panel
    label: str = ""  # to the left
    heading: str = ""  # above, over the whole width
    captions: Sequence[str] = ()  # above each panel

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a panel, px; zero without any."""
        return next(((panel.shape[1], panel.shape[0]) for panel in self.panels if panel is not None), (0, 0))

    @property
    def top(self) -> int:
        """Height of what stands above the panels, px."""
        return (_LINE + 4 if self.heading else 0) + (_LABEL if self.captions else 0)


def sheet(
    lines: Sequence[Line],
    *,
    columns: Sequence[str] = (),
    title: str = "",
    subtitle: str = "",
    notes: Sequence[str] = (),
) -> Image.Image:
    """Lay panels out in rows.

    Args:
        lines: rows from top to bottom; at least one with a panel. A row without panels is as high as the first one.
        columns: labels above the columns, whose width is that of the first row with a panel.
        title: of the sheet.
        subtitle: smaller, to the right of the title.
        notes: small print below.
    """
    usual = next(line.size for line in lines if line.size[0])
    sizes = [line.size if line.size[0] else usual for line in lines]
    measure = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    left = max((int(measure.textlength(line.label, font=font(15))) for line in lines), default=0)
    left += _MARGIN + (GAP * 2 if left else 0)
    after_title = _MARGIN + (int(measure.textlength(title, font=font(20))) + 14 if title else 0)
    body = max(len(line.panels) * (size[0] + GAP) - GAP for line, size in zip(lines, sizes, strict=True))
    width = max(left + body, int(after_title + measure.textlength(subtitle, font=font(16)))) + _MARGIN
    wrapped = [part for note in notes for part in _wrapped(note, width - 2 * _MARGIN, measure)]
    top = _MARGIN + (_TITLE if title else 0) + (_LABEL if columns else 0)
    height = top + sum(size[1] + GAP + line.top for line, size in zip(lines, sizes, strict=True))
    height += len(wrapped) * _LINE + _MARGIN
    canvas = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(canvas)
    if title:
        draw.text((_MARGIN, _MARGIN), title, fill=INK, font=font(20))
    if subtitle:
        draw.text((after_title, _MARGIN + 4), subtitle, fill=FAINT, font=font(16))
    for column, label in enumerate(columns):
        draw.text((left + column * (usual[0] + GAP), top - _LABEL + 2), label, fill=FAINT, font=font(15))
    y = top
    for line, (panel_width, panel_height) in zip(lines, sizes, strict=True):
        if line.heading:
            draw.text((left, y + 2), line.heading, fill=INK, font=font(15))
        y += line.top
        if line.label:
            draw.text((_MARGIN, y + panel_height / 2 - 9), line.label, fill=INK, font=font(15))
        for column, caption in enumerate(line.captions):
            draw.text((left + column * (panel_width + GAP), y - _LABEL + 2), caption, fill=FAINT, font=font(15))
        for column, panel in enumerate(line.panels):
            if panel is not None:
                canvas.paste(Image.fromarray(panel), (left + column * (panel_width + GAP), y))
        y += panel_height + GAP
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
