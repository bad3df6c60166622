"""One hand shape from six sides, without labels: how far single views lie from a joint fit of all six, how much they
disagree, how far the hand lies from its keypoints; with and without the detector's depth and with several cameras.

    python -m benchmarks.six_views PHOTOS [--every 1] [--overlap 6] [--json FILE]

PHOTOS holds SHAPE_VIEW.jpg: right hands cut out on grey (128). The joint fit shares pose and shape over the views of a
shape and knows keypoints alone, under the camera that explains them best (a focal length of twice the picture's width).
Disagreement: joints at one size (wrist to middle knuckle 95 mm), aligned rigidly to their mean. --overlap takes each
so-manieth shape through the whole pipeline for the overlap with the exact outline (the forearm does not count).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.photos import overlaps
from handsss.detect.detector import HandDetector
from handsss.detect.types import Detection
from handsss.fitting.keypoint_fit import KeypointFit, KeypointFitter
from handsss.fitting.observation import Observation, observation_of
from handsss.fitting.problem import FitSettings, HandParameters
from handsss.fitting.shared_fit import fit_shared, share
from handsss.geometry.cameras import intrinsics_from_fov, project
from handsss.geometry.procrustes import aligned_distances
from handsss.hand.load import load_model
from handsss.io.image import read_image
from handsss.reconstruction.likely_camera import likely_intrinsics
from handsss.reconstruction.pipeline import HandPipeline
from handsss.reconstruction.settings import PipelineSettings

MODEL = load_model("open")
FIRST = FitSettings(keypoint_sigma=0.009, robust_scale=10.0, prior_scale_sure=1.6)  # the weights of version 0.1
Camera = Callable[[tuple[int, int], Detection], np.ndarray]
Views = dict[str, tuple[tuple[int, int], Detection]]  # by view: width and height, hand


def wide(size: tuple[int, int], hand: Detection) -> np.ndarray:
    """60 degrees."""
    return intrinsics_from_fov(*size)


def by_hands(size: tuple[int, int], hand: Detection) -> np.ndarray:
    """As photos without a camera are read."""
    return likely_intrinsics(intrinsics_from_fov(*size), [hand], MODEL)


def long(size: tuple[int, int], hand: Detection) -> np.ndarray:
    """A focal length of twice the longer side."""
    return intrinsics_from_fov(*size, 2 * np.arctan(0.25))


def detect(photos: Path, every: int) -> tuple[dict[str, Views], dict[str, int]]:
    """Hands of each shape's views, read as right ones, and counts."""
    detector = HandDetector()
    shapes: dict[str, list[Path]] = {}
    for path in sorted(photos.glob("*.jpg")):
        shapes.setdefault(path.stem.rsplit("_", 1)[0], []).append(path)
    found: dict[str, Views] = {}
    counts = {"photos": 0, "found": 0, "called left": 0}
    for shape in list(shapes)[::every]:
        views: Views = {}
        for path in shapes[shape]:
            picture = read_image(path).array
            hands = detector.detect(picture, max_hands=1)
            counts["photos"] += 1
            if hands:
                counts["found"] += 1
                counts["called left"] += hands[0].hand == "left"
                views[path.name] = (picture.shape[1], picture.shape[0]), hands[0]
        if len(views) > 1:
            found[shape] = views
    return found, counts


def fit(
    views: Views, fitter: KeypointFitter, camera: Camera, depth: bool
) -> tuple[list[Observation], list[KeypointFit]]:
    """Each view alone."""
    observations = [
        observation_of(hand.keypoints, camera(size, hand), hand.world if depth else None)
        for size, hand in views.values()
    ]
    return observations, fitter.fit_batch(observations, [None] * len(observations))


def joint(views: Views) -> np.ndarray:
    """[21, 3] m of one pose and shape for all views: the best of three starts."""
    fitter = KeypointFitter(MODEL, "mediapipe", FIRST)
    observations, fits = fit(views, fitter, long, False)
    together = HandParameters.concat([one.parameters for one in fits])
    best = min(
        (
            fit_shared(
                fitter.problem,
                share(together, "pose and shape", fits[start].parameters),
                Observation.stack(observations),
                "pose and shape",
                25,
            )
            for start in np.argsort([one.cost for one in fits])[:3]
        ),
        key=lambda one: one.cost,
    )
    points: np.ndarray = fitter.problem.keypoints(best.parameters)[0][0].numpy()
    return points


def disagreement(points: np.ndarray) -> float:
    """mm between views [V, 21, 3] and their mean after rigid alignment at one size."""
    points = points * (0.095 / np.linalg.norm(points[:, 9] - points[:, 0], axis=1))[:, None, None]
    points = points - points.mean(1, keepdims=True)
    mean = points[0]
    for _ in range(10):
        aligned = []
        for one in points:
            u, _, vt = np.linalg.svd(one.T @ mean)
            aligned.append(one @ (u @ np.diag([1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt))
        mean = np.mean(aligned, 0)
    return 1e3 * float(np.linalg.norm(np.array(aligned) - mean, axis=2).mean())


def row(
    shapes: dict[str, Views], truth: dict[str, np.ndarray], settings: FitSettings, camera: Camera, depth: bool
) -> dict[str, float]:
    """Figures of one way of fitting single views."""
    fitter = KeypointFitter(MODEL, "mediapipe", settings)
    errors, apart, misses = [], [], []
    for shape, views in shapes.items():
        observations, fits = fit(views, fitter, camera, depth)
        together = Observation.stack(observations)
        points = fitter.problem.keypoints(HandParameters.concat([one.parameters for one in fits]))[0]
        seen = (project(points, together.intrinsics) - together.keypoints).norm(dim=-1).mean(1) / together.size
        misses += seen.tolist()
        own = points.numpy()
        target = np.repeat(truth[shape][None], len(own), 0)
        errors += (1e3 * aligned_distances(own, target).mean(1)).tolist()
        apart.append(disagreement(own))
    return {
        "views": len(errors),
        "error_against_joint_fit_mm": round(float(np.mean(errors)), 2),
        "median_mm": round(float(np.median(errors)), 2),
        "p90_mm": round(float(np.percentile(errors, 90)), 2),
        "disagreement_mm": round(float(np.mean(apart)), 2),
        "reprojection_of_box_percent": round(100 * float(np.mean(misses)), 2),
    }


def overlap(photos: Path, shapes: dict[str, Views], camera: Camera, depth: bool) -> dict[str, float]:
    """IoU of the whole pipeline's hands with the exact outline."""
    pipeline = HandPipeline("open", PipelineSettings(side="right", depth=depth))
    values, misses = [], []
    for views in shapes.values():
        for name, (size, hand) in views.items():
            picture = read_image(photos / name).array
            (result,) = pipeline.reconstruct(pipeline.find_hands(picture, camera(size, hand), [hand]).inputs)
            mask = (np.abs(picture.astype(int) - 128) > 6).any(2)
            values.append(overlaps(result, mask)[0])
            misses.append(result.fit["reprojection_of_box"])
    return {
        "views": len(values),
        "outline_iou": round(float(np.mean(values)), 4),
        "reprojection_of_box_percent": round(100 * float(np.mean(misses)), 2),
    }


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take each so-manieth shape")
    parser.add_argument("--overlap", type=int, default=6, help="of these, each so-manieth for the overlap; 0: none")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    shapes, counts = detect(options.photos, options.every)
    print(counts, flush=True)
    truth = {shape: joint(views) for shape, views in shapes.items()}
    figures: dict[str, object] = {"counts": counts}
    usual = FitSettings()
    ways = {
        "weights of 0.1, 60 degrees": (FIRST, wide, False),
        "weights of 0.1, camera by the hand": (FIRST, by_hands, False),
        "60 degrees": (usual, wide, False),
        "camera by the hand": (usual, by_hands, False),
        "60 degrees, depth": (usual, wide, True),
        "camera by the hand, depth": (usual, by_hands, True),
    }
    for name, (settings, camera, depth) in ways.items():
        figures[name] = row(shapes, truth, settings, camera, depth)
        print(name, figures[name], flush=True)
    if options.overlap:
        some = dict(list(shapes.items())[:: options.overlap])
        for name, camera, depth in (("60 degrees", wide, False), ("camera by the hand, depth", by_hands, True)):
            with torch.enable_grad():
                figures[f"pipeline, {name}"] = overlap(options.photos, some, camera, depth)
            print(f"pipeline, {name}", figures[f"pipeline, {name}"], flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
