"""The detector's depth and the assumed camera on pictures with truth: aligned error of keypoint fits (no outline, no
network), under the true camera, 60 degrees, and the camera that follows the hand.

    python -m benchmarks.depth FOLDER [--split evaluation] [--first 0] [--rows 500] [--json FILE]

FOLDER has FreiHAND's layout, as `handsss synthesize` writes it. Pictures without a detected hand do not count. Hands
with an object in front of them, by the folder's scene file, have figures beside those of all.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.six_views import FIRST, by_hands, wide
from handsss.detect.detector import HandDetector
from handsss.detect.types import Detection
from handsss.fitting.keypoint_fit import KeypointFitter
from handsss.fitting.observation import observation_of
from handsss.fitting.problem import FitSettings, HandParameters
from handsss.fitting.silhouette_fit import posed_vertices
from handsss.geometry.procrustes import aligned_distances
from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model
from handsss.io.image import read_image

_BATCH = 8


class Row(NamedTuple):
    """A picture with its truth."""

    size: tuple[int, int]
    hand: Detection
    intrinsics: np.ndarray  # [3, 3] px
    joints: np.ndarray  # [21, 3] m, FreiHAND's
    occluded: bool  # an object lies in front of the hand


def read(folder: Path, split: str, first: int, count: int) -> list[Row]:
    """Detected hands of a dataset in FreiHAND's layout, all of which are right ones."""
    cameras, joints = (json.loads((folder / f"{split}_{what}.json").read_text()) for what in ("K", "xyz"))
    scene = folder / f"{split}_scene.json"
    occluded = [one["occluder"] for one in json.loads(scene.read_text())] if scene.exists() else [False] * len(joints)
    detector = HandDetector()
    rows = []
    for number in range(first, min(first + count, len(joints))):
        picture = read_image(folder / split / "rgb" / f"{number:08d}.jpg").array
        hands = detector.detect(picture, max_hands=1)
        if hands:
            size = picture.shape[1], picture.shape[0]
            rows.append(Row(size, hands[0], np.array(cameras[number]), np.array(joints[number]), occluded[number]))
    return rows


@torch.no_grad()
def fitted(rows: list[Row], cameras: list[np.ndarray], settings: FitSettings, depth: bool) -> np.ndarray:
    """[N, 21, 3] m: FreiHAND's joints of fitted hands, in the camera's axes."""
    model = load_model("open")
    fitter = KeypointFitter(model, "mediapipe", settings)
    layer = HandLayer(model, flat_hand_mean=True)
    weights = model.keypoint_set("freihand").vertex_weights
    result: list[np.ndarray] = []
    for begin in range(0, len(rows), _BATCH):
        some = rows[begin : begin + _BATCH]
        observations = [
            observation_of(row.hand.keypoints, K, row.hand.world if depth else None)
            for row, K in zip(some, cameras[begin : begin + _BATCH], strict=True)
        ]
        fits = fitter.fit_batch(observations, [None] * len(some))
        vertices = posed_vertices(layer, fitter.problem, HandParameters.concat([one.parameters for one in fits]))
        result += [weights @ one for one in vertices.double().numpy()]
    return np.stack(result)


def errors(rows: list[Row], settings: FitSettings, camera: str, depth: bool) -> np.ndarray:
    """[N] aligned MPJPE, mm."""
    ways = {"60 degrees": wide, "by the hand": by_hands}
    cameras = [row.intrinsics if camera == "true" else ways[camera](row.size, row.hand) for row in rows]
    own = fitted(rows, cameras, settings, depth)
    aligned: np.ndarray = 1e3 * aligned_distances(own, np.stack([row.joints for row in rows])).mean(1)
    return aligned


def summary(values: np.ndarray) -> dict[str, float]:
    """Figures of aligned errors [N], mm."""
    return {
        "aligned_mpjpe_mm": round(float(values.mean()), 2),
        "aligned_median_mm": round(float(np.median(values)), 2),
        "aligned_p90_mm": round(float(np.percentile(values, 90)), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--split", default="evaluation")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = read(options.folder, options.split, options.first, options.rows)
    in_front = np.array([row.occluded for row in rows])
    lengths = [row.intrinsics[0, 0] / max(row.size) for row in rows]
    figures: dict[str, object] = {
        "hands": len(rows),
        "with_things_in_front": int(in_front.sum()),
        "focal_length_of_longer_side_percentiles_5_50_95": np.percentile(lengths, [5, 50, 95]).round(2).tolist(),
    }
    print(figures, flush=True)
    for name, settings, camera, depth in (
        ("weights of 0.1, true camera", FIRST, "true", False),
        ("weights of 0.1, 60 degrees", FIRST, "60 degrees", False),
        ("true camera", FitSettings(), "true", False),
        ("true camera, depth", FitSettings(), "true", True),
        ("60 degrees, depth", FitSettings(), "60 degrees", True),
        ("camera by the hand, depth", FitSettings(), "by the hand", True),
    ):
        values = errors(rows, settings, camera, depth)
        own = summary(values)
        if in_front.any():
            own |= {f"{key}_with_things_in_front": value for key, value in summary(values[in_front]).items()}
        figures[name] = own
        print(name, figures[name], flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
