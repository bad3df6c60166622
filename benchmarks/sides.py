"""How often the detector takes a hand for one of the other side, and what fitting both sides makes of it.

    python benchmarks/sides.py photos/ --side right --json docs/results/sides.json      # --mirror: the mirrored photos

Every photo shows one hand, of the side given. Where the detector is less certain than ``--certain``, the hand is fitted
as a left and as a right one (keypoints, depth, limits, priors; no outline).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from handsss.io.camera import choose_camera
from handsss.io.image import IMAGE_SUFFIXES, read_image
from handsss.reconstruction import side as sides
from handsss.reconstruction.pipeline import HandPipeline
from handsss.reconstruction.settings import PipelineSettings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--side", choices=("left", "right"), required=True)
    parser.add_argument("--mirror", action="store_true")
    parser.add_argument("--certain", type=float, default=sides.CERTAIN)
    parser.add_argument("--every", type=int, default=1, help="only every so many photos")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    truth = {"left": "right", "right": "left"}[options.side] if options.mirror else options.side
    pipeline = HandPipeline("open", PipelineSettings(appearance=False))
    rows: list[dict[str, Any]] = []
    photos = 0
    paths = sorted(path for path in options.photos.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    for path in paths[:: options.every]:
        photo = read_image(path)
        picture = np.ascontiguousarray(photo.array[:, ::-1]) if options.mirror else photo.array
        camera = choose_camera((picture.shape[1], picture.shape[0]), photo.exif, path.name).intrinsics
        photos += 1
        inputs = pipeline.find_hands(picture, camera).inputs
        if not inputs:
            continue
        detection = inputs[0].detection
        called = "left" if inputs[0].left else "right"
        row: dict[str, Any] = {"photo": path.name, "called": called, "handedness": round(detection.handedness, 4)}
        row["kept"] = called
        if detection.handedness < options.certain:
            both = [inputs[0], sides.as_other_side(inputs[0])]
            costs = [fit.cost for fit in pipeline._fit(both, pipeline._predict(both))]
            row["costs"] = [round(cost, 2) for cost in costs]
            if sides.fits_better(*costs, detection.handedness):
                row["kept"] = {"left": "right", "right": "left"}[called]
        rows.append(row)
    doubtful = [row for row in rows if "costs" in row]
    figures = {
        "photos": photos,
        "found": len(rows),
        "called the other side": sum(row["called"] != truth for row in rows),
        "both fitted": len(doubtful),
        "of these called the other side": sum(row["called"] != truth for row in doubtful),
        "after fitting both": sum(row["kept"] != truth for row in rows),
    }
    print(json.dumps(figures))
    if options.json:
        name = options.photos.name + (", mirrored" if options.mirror else "")
        before = json.loads(options.json.read_text()) if options.json.exists() else {}
        options.json.write_text(json.dumps(before | {name: figures | {"hands": rows}}, indent=1) + "\n")


if __name__ == "__main__":
    main()
