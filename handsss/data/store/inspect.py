"""Lists the contents of a store, and draws a contact sheet of its rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from handsss.data.store.reader import Store
from handsss.io.atomic import write_file
from handsss.visualize.panels import SUPERSAMPLING, crop_panel, reduced, skeleton_panel
from handsss.visualize.sheet import Line, as_png, sheet


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
        if dataset.dtype.kind == "f" and dataset.ndim >= 1 and dataset.size:
            first = store.read(name, (slice(None), *(0,) * (dataset.ndim - 1)))
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
    tiles: list[np.ndarray] = []
    for row in rows:
        panel = crop_panel(store.crop(int(row)), side * SUPERSAMPLING)
        confidence = store.field("confidence", row)
        tiles.append(reduced(skeleton_panel(panel, store.field("keypoints_2d", row), confidence=confidence)))
    tiles = tiles or [np.full((side, side, 3), 255, np.uint8)]
    return sheet([Line(tiles[begin : begin + columns]) for begin in range(0, len(tiles), columns)])


def save_sheet(store: Store, path: Path, count: int = 60) -> None:
    """Write the contact sheet as a PNG.

    Raises:
        UserError: it cannot be written.
    """
    write_file(path, as_png(contact_sheet(store, count)))
