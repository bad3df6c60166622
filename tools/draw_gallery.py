"""The README's picture: photos, the mesh over each, the textured mesh as seen and from two other sides.

python -m tools.draw_gallery PHOTO... --out docs/images/gallery.jpg
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from handsss.geometry.cameras import intrinsics_from_fov
from handsss.io.image import read_image
from handsss.reconstruction.pipeline import HandPipeline
from handsss.visualize.mesh import overlay_clay, panel_around, turned_views

SIDE, GAP, COLUMNS = 190, 6, 2  # px of a panel; photos beside each other
VIEWS = (0, 2, 4)  # of turned_views: as seen, 120 and 240 degrees


def panels(pipeline: HandPipeline, path: Path) -> np.ndarray:
    """A photo's row: [SIDE, ...] of five panels."""
    image = read_image(path).array
    hand = pipeline(image, intrinsics_from_fov(image.shape[1], image.shape[0]))[0]
    panel = panel_around(image, hand, 2 * SIDE)
    views = turned_views(hand, 2 * SIDE)
    shown = [panel.image, overlay_clay(hand, panel), *(views[number][1] for number in VIEWS)]
    gap = np.full((SIDE, GAP, 3), 255, np.uint8)
    small = [np.asarray(Image.fromarray(shot).resize((SIDE, SIDE), Image.Resampling.BOX)) for shot in shown]
    return np.concatenate([part for shot in small for part in (shot, gap)][:-1], 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=Path("docs/images/gallery.jpg"))
    options = parser.parse_args()
    pipeline = HandPipeline()
    rows = [panels(pipeline, path) for path in options.photos]
    height, width = rows[0].shape[:2]
    lines = -(-len(rows) // COLUMNS)
    size = COLUMNS * (width + 3 * GAP) - 3 * GAP, lines * (height + GAP) - GAP
    canvas = Image.new("RGB", size, "white")
    for number, row in enumerate(rows):
        line, column = divmod(number, COLUMNS)
        canvas.paste(Image.fromarray(row), (column * (width + 3 * GAP), line * (height + GAP)))
    canvas.save(options.out, quality=85, optimize=True)
    print(f"{options.out}: {options.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
