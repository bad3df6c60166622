"""Whole pictures whose camera is withheld: aligned error of keypoint fits, and how far the hand's distance is off,
under the true camera, 60 degrees, the camera that follows each photo's hand, and one that follows the hands of all.

    python -m benchmarks.withheld_camera FOLDER BACKGROUNDS [--rows 160] [--lenses 26 35 50] [--json FILE]

FOLDER has FreiHAND's layout, as `handsss synthesize` writes it. Each crop is laid where it belongs on a picture of
a lens (mm of a 36 x 24 mm sensor), 4:3, so that the picture's middle is the camera's axis; the rest is a photo without
hands. The pictures of one lens are one folder of one device. Pictures whose hand the detector misses do
not count.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.depth import Row, fitted, summary
from handsss.detect.detector import HandDetector
from handsss.fitting.problem import FitSettings
from handsss.geometry.cameras import intrinsics_from_fov
from handsss.geometry.procrustes import aligned_distances
from handsss.hand.load import load_model
from handsss.io.image import IMAGE_SUFFIXES, read_image
from handsss.reconstruction.likely_camera import likely_intrinsics

_SOFT = 10  # px over which a crop fades into its picture


def whole(crop: np.ndarray, K: np.ndarray, lens: float, ground: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """A crop in the picture of a lens, and that picture's intrinsics; None where the picture would cut the crop.

    Args:
        crop: [H, W, 3] uint8.
        K: [3, 3] px of the crop.
        lens: mm of a 36 x 24 mm sensor.
        ground: [h, w, 3] uint8 that fills the rest.
    """
    width = round(36 * K[0, 0] / lens)
    height = round(0.75 * width)
    left, top = round(width / 2 - K[0, 2]), round(height / 2 - K[1, 2])
    h, w = crop.shape[:2]
    if left < 0 or top < 0 or left + w > width or top + h > height:
        return None
    scale = max(width / ground.shape[1], height / ground.shape[0])
    filled = Image.fromarray(ground).resize(
        (math.ceil(ground.shape[1] * scale), math.ceil(ground.shape[0] * scale)), Image.Resampling.BOX
    )
    picture = np.asarray(filled)[:height, :width].astype(np.float64)
    edge = np.minimum(np.arange(h)[:, None], np.arange(h)[::-1, None])
    edge = np.minimum(edge, np.minimum(np.arange(w), np.arange(w)[::-1])[None])
    share = np.clip((edge + 1) / _SOFT, 0, 1)[..., None]
    part = picture[top : top + h, left : left + w]
    picture[top : top + h, left : left + w] = share * crop + (1 - share) * part
    moved = K.copy()
    moved[:2, 2] += left, top
    return picture.round().astype(np.uint8), moved


def read(folder: Path, backgrounds: Path, lens: float, numbers: list[int]) -> list[Row]:
    """Detected hands in whole pictures of one lens."""
    cameras, joints = (json.loads((folder / f"evaluation_{what}.json").read_text()) for what in ("K", "xyz"))
    grounds = sorted(path for path in backgrounds.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    detector = HandDetector()
    rows = []
    for number in numbers:
        crop = read_image(folder / "evaluation" / "rgb" / f"{number:08d}.jpg").array
        ground = read_image(grounds[number % len(grounds)]).array
        made = whole(crop, np.array(cameras[number]), lens, ground)
        if made is None:
            continue
        picture, K = made
        hands = detector.detect(picture, max_hands=1)
        if hands:
            size = picture.shape[1], picture.shape[0]
            rows.append(Row(size, hands[0], K, np.array(joints[number]), occluded=False))
    return rows


def cameras_of(rows: list[Row], way: str) -> list[np.ndarray]:
    """[3, 3] px for each picture of one folder."""
    model = load_model("open")
    assumed = [intrinsics_from_fov(*row.size) for row in rows]
    if way == "true camera":
        return [row.intrinsics for row in rows]
    if way == "60 degrees":
        return assumed
    if way == "by each photo's hand":
        return [likely_intrinsics(K, [row.hand], model) for K, row in zip(assumed, rows, strict=True)]
    # The crops' focal lengths differ, so the pictures of a lens differ in size: hands are compared at the first's.
    width = rows[0].size[0]
    first = intrinsics_from_fov(*rows[0].size)
    hands = [
        replace(row.hand, keypoints=row.hand.keypoints * np.array([width / row.size[0], width / row.size[0], 1.0]))
        for row in rows
    ]
    factor = likely_intrinsics(first, hands, model)[0, 0] / first[0, 0]
    return [K * np.array([[factor, factor, 1.0], [1.0, factor, 1.0], [1.0, 1.0, 1.0]]) for K in assumed]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("backgrounds", type=Path)
    parser.add_argument("--rows", type=int, default=160, help="pictures, divided among the lenses")
    parser.add_argument("--lenses", type=float, nargs="+", default=[26.0, 35.0, 50.0])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    numbers = list(range(options.rows))
    folders = [
        read(options.folder, options.backgrounds, lens, numbers[first :: len(options.lenses)])
        for first, lens in enumerate(options.lenses)
    ]
    every = [row for rows in folders for row in rows]
    truth = np.stack([row.joints for row in every])
    figures: dict[str, object] = {"pictures": options.rows, "hands": len(every), "lenses_mm": options.lenses}
    print(figures, flush=True)
    for way in ("true camera", "60 degrees", "by each photo's hand", "by the hands of a folder"):
        own = fitted(every, [K for rows in folders for K in cameras_of(rows, way)], FitSettings(), depth=True)
        distances = np.log(own[..., 2].mean(1) / truth[..., 2].mean(1))
        figures[way] = summary(1e3 * aligned_distances(own, truth).mean(1)) | {
            "distance_off_percent_median": round(100 * float(np.expm1(np.median(np.abs(distances)))), 1)
        }
        print(way, figures[way], flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
