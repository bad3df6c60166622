"""Detector errors against ground truth: error curves of two stores of the same pictures.

    handsss preprocess freihand synthetic -o truth.h5 --keypoints truth
    handsss preprocess freihand synthetic -o detected.h5 --keypoints detect
    python benchmarks/detector_error.py detected.h5 truth.h5 --scenes synthetic/training_scene.json \\
        --plot docs/images/detector_error.png --json docs/results/detector_error.json

Detected points follow the detector's own definition and the truth the dataset's (joints regressed from the mesh), so
the error has a part that no detector could avoid. It is given as well after taking out each keypoint's mean offset in
the frame of the hand in the picture.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from handsss.data.store.reader import Store
from handsss.hand.joints import JOINT_ORDERS

LIMIT = 50  # px, as in the paper's 2D curves


def area(errors: np.ndarray) -> float:
    """AUC of errors over 0 to 50 px, 0..1."""
    thresholds = np.linspace(0, LIMIT, 501)
    share = np.searchsorted(np.sort(errors), thresholds, side="right") / len(errors)
    return float(np.trapezoid(share, thresholds) / LIMIT)


def without_definition(detected: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Errors [N, 21] px after subtracting each keypoint's mean offset, measured along and across the hand."""
    axis = truth[:, 9] - truth[:, 0]
    length = np.linalg.norm(axis, axis=1, keepdims=True)
    along = axis / np.maximum(length, 1e-6)
    # Which side is across depends on whether palm or back is seen.
    palm = truth[:, 5] - truth[:, 17]
    turn = np.sign(axis[:, 0] * palm[:, 1] - axis[:, 1] * palm[:, 0])[:, None]
    across = np.stack([-along[:, 1], along[:, 0]], 1) * turn
    offset = detected - truth
    size = np.ptp(truth, axis=1).max(1)[:, None]
    u = (offset * along[:, None]).sum(-1) / size
    v = (offset * across[:, None]).sum(-1) / size
    u, v = u - np.median(u, 0), v - np.median(v, 0)
    return np.hypot(u, v) * size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("detected", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--scenes", type=Path, required=True)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    a, b = Store(options.detected), Store(options.truth)
    index = a.file["index"][:]
    assert np.array_equal(index, b.file["index"][:]), "stores of different pictures"
    facts = json.loads(options.scenes.read_text())
    clean = np.array([facts[i]["clean"] for i in index])
    occluded = np.array([facts[i]["occluder"] for i in index])
    detected, truth = a.file["keypoints_2d"][:].astype(float), b.file["keypoints_2d"][:].astype(float)
    confidence = a.file["confidence"][:]
    found = (confidence > 0).any(1)
    error = np.linalg.norm(detected - truth, axis=2)[found]
    own = without_definition(detected[found], truth[found])
    sure = confidence[found] > 0.6
    figures = {
        "pictures": len(index),
        "found": float(found.mean()),
        "clean": int(clean.sum()),
        "found_of_clean": float(found[clean].mean()),
        "found_of_occluded": float(found[occluded].mean()),
        "median_px": float(np.median(error)),
        "p90_px": float(np.percentile(error, 90)),
        "auc_0_50_px": area(error.ravel()),
        "without_definition": {
            "median_px": float(np.median(own)),
            "p90_px": float(np.percentile(own, 90)),
            "auc_0_50_px": area(own.ravel()),
        },
        "confidence_above_0.6": {"share": float(sure.mean()), "median_px": float(np.median(own[sure]))},
        "confidence_below_0.6": {"share": float(1 - sure.mean()), "median_px": float(np.median(own[~sure]))},
        "median_px_of_keypoints": {
            name: round(float(value), 2)
            for name, value in zip(JOINT_ORDERS["openpose"], np.median(own, 0), strict=True)
        },
    }
    print(json.dumps(figures, indent=1))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    if options.plot:
        plot(error, own, sure, options.plot)


def plot(error: np.ndarray, own: np.ndarray, sure: np.ndarray, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 4))
    thresholds = np.linspace(0, LIMIT, 501)
    for values, label in (
        (error.ravel(), "all keypoints"),
        (own.ravel(), "mean offset of definitions taken out"),
        (own[sure], "... confidence above 0.6"),
        (own[~sure], "... confidence below 0.6"),
        (own.max(1), "... worst keypoint of a picture"),
    ):
        share = np.searchsorted(np.sort(values), thresholds, side="right") / len(values)
        axes.plot(thresholds, share, label=label)
    axes.set(xlabel="error, px of a 224 px crop", ylabel="share within", xlim=(0, LIMIT), ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
