"""Lists the contents of a store, and draws a contact sheet of its rows."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from handsss.data.store.reader import Store
from handsss.geometry.framing import CROP
from handsss.hand.joints import BONES
from handsss.io.atomic import write_file

_COLOURS = ((230, 60, 60), (240, 170, 30), (70, 200, 80), (70, 130, 240), (190, 90, 230))  # thumb to little


class FieldLine(NamedTuple):
    """One field of the file."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    unit: str
    megabytes: float
    present: str  # how many rows have it


class Contents(NamedTuple):
    """Fields and attributes of a store."""

    fields: list[FieldLine]
    attributes: dict[str, Any]


def contents(store: Store) -> Contents:
    """Fields and attributes."""
    lines = []
    for name, dataset in store.file.items():
        present = ""
        if dataset.dtype.kind == "f" and dataset.ndim >= 1 and len(dataset):
            first = dataset[(slice(None), *(0,) * (dataset.ndim - 1))]
            present = f"{int(np.isfinite(first).sum())} of {len(dataset)}"
        lines.append(
            FieldLine(
                name,
                dataset.shape,
                str(dataset.dtype),
                str(dataset.attrs.get("unit", "")),
                dataset.id.get_storage_size() / 1e6,
                present,
            )
        )
    return Contents(lines, store.attributes)


def contact_sheet(store: Store, count: int = 60, columns: int = 10, side: int = 160) -> Image.Image:
    """Crops of evenly spread rows with their keypoints; faint ones have little confidence.

    Args:
        store: an open store.
        count: at most so many rows.
        columns: of the sheet.
        side: of a crop on the sheet, px.
    """
    rows = np.unique(np.linspace(0, max(len(store) - 1, 0), min(count, len(store))).round().astype(int))
    lines = max(-(-len(rows) // columns), 1)
    sheet = Image.new("RGB", (columns * (side + 2), lines * (side + 2)), (255, 255, 255))
    for place, row in enumerate(rows):
        tile = draw_keypoints(store.crop(int(row)), store.field("keypoints_2d", row), store.field("confidence", row))
        picture = tile.resize((side, side), Image.Resampling.LANCZOS)
        sheet.paste(picture, ((place % columns) * (side + 2), (place // columns) * (side + 2)))
    return sheet


def draw_keypoints(crop: np.ndarray, keypoints: np.ndarray, confidence: np.ndarray) -> Image.Image:
    """A crop with its skeleton.

    Args:
        crop: [224, 224, 3] uint8.
        keypoints: [21, 2] px.
        confidence: [21]; points without any are not drawn.
    """
    factor = 2
    picture = Image.fromarray(crop).resize((CROP * factor, CROP * factor)).convert("RGB")
    draw = ImageDraw.Draw(picture, "RGBA")
    points = [tuple(float(v) * factor for v in point) for point in keypoints]
    for start, end in BONES:
        sure = float(min(confidence[start], confidence[end]))
        if sure > 0:
            alpha = int(60 + 195 * min(sure, 1))
            draw.line([points[start], points[end]], fill=(*_COLOURS[(end - 1) // 4], alpha), width=4)
    for number, (x, y) in enumerate(points):
        if confidence[number] > 0:
            colour = (255, 255, 255) if number == 0 else _COLOURS[(number - 1) // 4]
            draw.ellipse(
                [x - 4, y - 4, x + 4, y + 4], fill=(*colour, int(60 + 195 * min(float(confidence[number]), 1)))
            )
    return picture


def save_sheet(store: Store, path: Path, count: int = 60) -> None:
    """Write the contact sheet as a PNG.

    Raises:
        UserError: it cannot be written.
    """
    stream = io.BytesIO()
    contact_sheet(store, count).save(stream, "PNG")
    write_file(path, stream.getvalue())
