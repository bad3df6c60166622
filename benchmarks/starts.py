"""Where the keypoint fit starts: lifted keypoints, the search, a network's prediction, each alone and fitted, against
the truth.

    python benchmarks/starts.py DETECTED.h5 TRUTH.h5 [--first 0] [--rows 500] [--every 1] [--scene SCENE.json]

The two stores hold the same pictures (see benchmarks/detector_error.py), one with the detector's keypoints, one with
the truth. Scored are the 21 joints in the truth's definition after similarity alignment (no reflection), and how far
the hand's keypoints lie from the detected ones, over the longer side of their box. Pictures without a detected hand do
not count; with ``--scene``, the pictures' evaluation_scene.json, hands behind things are scored on their own too.
Times are processor seconds of one thread: the fit to keypoints alone, no outline, no texture.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from handsss.data.store.reader import Store
from handsss.detect.types import Detection
from handsss.errors import InputError
from handsss.fitting.keypoint_fit import KeypointFitter
from handsss.fitting.network_prediction import PosePrediction, PredictorInput, load_predictor
from handsss.fitting.observation import Observation, observation_of
from handsss.fitting.problem import FitSettings, HandParameters
from handsss.fitting.silhouette_fit import posed_vertices
from handsss.geometry.cameras import project
from handsss.geometry.procrustes import aligned_distances
from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model

Way = Callable[[int], HandParameters]  # of a hand of Rows


class Rows(NamedTuple):
    """Detected hands with ground truth."""

    observations: list[Observation]
    crops: list[np.ndarray]  # [224, 224, 3] uint8
    keypoints: list[np.ndarray]  # [21, 3] px and confidence
    truth: np.ndarray  # [N, 21, 3] metres, in the definition `joints_set`
    joints_set: str
    keypoint_set: str
    read: int  # rows, with those that hold no detected hand
    in_front: np.ndarray  # [N] bool: a thing lies in front of the hand


def read(detected: Path, truth: Path, first: int, rows: int, every: int, scene: Path | None = None) -> Rows:
    """Rows of two stores of the same pictures, or each so-manieth of them."""
    a, b = Store(detected), Store(truth)
    chosen = range(first, min(first + rows, len(a)), every)
    scenes = json.loads(scene.read_text()) if scene else []
    observations, crops, given, joints, in_front = [], [], [], [], []
    for row in chosen:
        assert a.field("index", row) == b.field("index", row), "stores of different pictures"
        keypoints = np.concatenate([a.field("keypoints_2d", row), a.field("confidence", row)[:, None]], 1)
        try:
            observations.append(observation_of(keypoints, a.field("K", row)))
        except InputError:  # no hand was found
            continue
        crops.append(a.crop(row))
        given.append(keypoints.astype(np.float64))
        joints.append(b.field("joints_3d", row).astype(np.float64))
        in_front.append(bool(scenes) and scenes[int(a.field("index", row))]["occluder"])
    names = a.attributes["keypoint_set"], b.attributes["joints_3d_set"]
    return Rows(observations, crops, given, np.stack(joints), names[1], names[0], len(chosen), np.array(in_front))


def ways(rows: Rows, checkpoint: str) -> dict[str, Way]:
    """What is compared, by name."""
    predictor = load_predictor(checkpoint, "open")

    def predicted(hand: int) -> PosePrediction | None:
        if predictor is None:
            return None
        found = Detection("right", 1.0, 1.0, rows.keypoints[hand], rows.keypoint_set, np.zeros((4, 2)))
        given = PredictorInput(rows.crops[hand], rows.observations[hand].intrinsics.numpy(), found)
        return predictor.predict_batch([given])[0]

    def fitted(start: str, settings: FitSettings, *, predict: bool = False, refine: bool = True) -> Way:
        fitter = KeypointFitter(load_model("open"), rows.keypoint_set, settings, start=start)  # type: ignore[arg-type]
        return lambda hand: (
            fitter(rows.observations[hand], predicted(hand) if predict else None, refine=refine).parameters
        )

    usual, free = FitSettings(), FitSettings(lifted_std=1e6, lifted_model_std=1.0)
    result = {
        "lifted alone": fitted("lifted", usual, refine=False),
        "search (8), fit": fitted("search", usual),
        "lifted, fit, its poses not expected": fitted("lifted", free),
        "lifted, fit": fitted("lifted", usual),
    }
    if predictor is not None:
        result |= {
            "predicted alone": fitted("lifted", usual, predict=True, refine=False),
            "predicted + search (8), fit": fitted("search", usual, predict=True),
            "predicted + lifted, fit": fitted("lifted", usual, predict=True),
        }
    return result


def score(way: Way, rows: Rows) -> dict[str, float]:
    """Errors and time of one way over all rows."""
    fitter = KeypointFitter(load_model("open"), rows.keypoint_set, start="search")  # for its problem alone
    layer = HandLayer(load_model("open"), flat_hand_mean=True)
    given = layer.model.keypoint_set(rows.joints_set)
    assert not given.joint_weights.any(), "expected a definition by vertices, as FreiHAND's is"
    joints, misses, seconds = [], [], []
    way(0)  # what is made once is not timed
    for hand, observation in enumerate(rows.observations):
        begin = time.process_time()
        made = way(hand)
        seconds.append(time.process_time() - begin)
        with torch.no_grad():
            vertices = posed_vertices(layer, fitter.problem, made)[0].double().numpy()
            points = project(fitter.problem.keypoints(made)[0], observation.intrinsics)[0]
        joints.append(given.vertex_weights @ vertices)
        used = observation.confidence > 0
        miss = (points - observation.keypoints).norm(dim=1)[used].mean() / observation.size
        misses.append(float(miss))
    found = np.stack(joints)
    errors = aligned_distances(found, rows.truth).mean(1)
    behind = errors[rows.in_front]
    return {
        "aligned_mpjpe_mm": 1e3 * float(errors.mean()),
        "aligned_median_mm": 1e3 * float(np.median(errors)),
        "aligned_p90_mm": 1e3 * float(np.percentile(errors, 90)),
        "reprojection_of_box_median": float(np.median(misses)),
        "reprojection_of_box_mean": float(np.mean(misses)),
        "milliseconds_a_hand": 1e3 * float(np.mean(seconds)),
        **({"aligned_mpjpe_mm_with_things_in_front": 1e3 * float(behind.mean())} if len(behind) else {}),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("detected", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--checkpoint", default="auto", help="the network that predicts; none: without")
    parser.add_argument("--first", type=int, default=0, help="row to begin with")
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--every", type=int, default=1, help="take each so-manieth row: a quicker look")
    parser.add_argument("--scene", type=Path, help="evaluation_scene.json of `handsss synthesize`")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = read(options.detected, options.truth, options.first, options.rows, options.every, options.scene)
    figures: dict[str, object] = {"rows": rows.read, "hands": len(rows.observations)}
    if options.scene:
        figures["with_things_in_front"] = int(rows.in_front.sum())
    print(f"{len(rows.observations)} hands in {rows.read} pictures", flush=True)
    for name, way in ways(rows, options.checkpoint).items():
        reached = {key: float(f"{value:.4g}") for key, value in score(way, rows).items()}
        figures[name] = reached
        print(f"{name}: {json.dumps(reached)}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
