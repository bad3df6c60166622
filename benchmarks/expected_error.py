"""The expected error against the real one on rendered pictures, whose truth is known: rank correlation, calibration,
and what is flagged.

    python -m benchmarks.expected_error ROOT [--split evaluation] [--first 0] [--rows 1000] [--json FILE] [--curve PNG]

    python -m benchmarks.expected_error PHOTOS --six-views [--every 4] [--json FILE]

ROOT has FreiHAND's layout, as `handsss synthesize` writes it. Every other picture withholds its camera. Pictures
without a detected hand do not count. With --six-views the photos are those of benchmarks.six_views, real hands: the
joint fit of all six views takes the truth's place.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from benchmarks.six_views import by_hands, detect, joint
from handsss.fitting.doubt import features_of
from handsss.fitting.expected_error import load_expected_error
from handsss.geometry.procrustes import aligned_distances
from handsss.io.image import read_image
from handsss.reconstruction.pipeline import HandPipeline
from handsss.reconstruction.settings import PipelineSettings
from tools.train_expected_error.collect import Collected, collect

_GROUPS = 8
_WORST = 0.1  # share of the hands that are to be flagged


def figures_of(expected: np.ndarray, errors: np.ndarray) -> dict[str, Any]:
    """Figures of expected and real errors [N, 21] mm."""
    hand, truth = expected.mean(1), errors.mean(1)
    groups = np.array_split(np.argsort(hand), _GROUPS)
    flagged = hand >= np.quantile(hand, 1 - 2 * _WORST)
    worst = truth >= np.quantile(truth, 1 - _WORST)
    return {
        "hands": len(hand),
        "rank_correlation_of_hands": round(float(spearmanr(hand, truth).statistic), 3),
        "rank_correlation_of_joints": round(float(spearmanr(expected.ravel(), errors.ravel()).statistic), 3),
        "mean_expected_mm": round(float(hand.mean()), 2),
        "mean_error_mm": round(float(truth.mean()), 2),
        "calibration_expected_error_mm": [
            [round(float(hand[rows].mean()), 2), round(float(truth[rows].mean()), 2)] for rows in groups
        ],
        "worst_tenth_among_the_fifth_that_is_expected_worst": round(float(flagged[worst].mean()), 2),
    }


def of_views(photos: Path, every: int) -> Collected:
    """Hands of each so-manieth shape's views, against the joint fit of all of them."""
    pipeline = HandPipeline("open", PipelineSettings(side="right"))
    features, errors = [], []
    for views in detect(photos, every)[0].values():
        with torch.no_grad():
            truth = joint(views)
        for name, (size, hand) in views.items():
            picture = read_image(photos / name).array
            fitted = pipeline.fitter(pipeline.find_hands(picture, by_hands(size, hand), [hand]).inputs)
            problem = pipeline.fitter.problem(fitted[0].keypoint_set)
            with torch.no_grad():
                own = problem.keypoints(fitted[0].parameters)[0][0].numpy()
            features.append(features_of(problem, fitted)[0])
            errors.append(1e3 * aligned_distances(own, truth))
    count = len(features)
    return Collected(np.stack(features), np.stack(errors), np.arange(count), np.zeros(count, dtype=int))


def draw(figures: dict[str, Any], expected: np.ndarray, errors: np.ndarray, path: Path) -> None:
    """The calibration curve, with every hand as a dot."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    axes.scatter(expected.mean(1), errors.mean(1), s=6, alpha=0.3, color="tab:blue", label="hands")
    axes.plot(
        *zip(*figures["calibration_expected_error_mm"], strict=True), "o-", color="tab:red", label="means of eighths"
    )
    top = float(np.quantile(errors.mean(1), 0.99)) * 1.1
    axes.plot([0, top], [0, top], "--", color="grey", lw=1)
    axes.set(xlim=(0, top), ylim=(0, top), xlabel="expected error, mm", ylabel="aligned error (PA-MPJPE), mm")
    axes.legend()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--split", default="evaluation")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--six-views", action="store_true")
    parser.add_argument("--every", type=int, default=4, help="with --six-views: take each so-manieth shape")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--curve", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.six_views:
        data = of_views(options.root, options.every)
    else:
        data = collect(options.root, options.split, options.first, options.rows, only_usual=True)
    with torch.no_grad():
        expected = load_expected_error()(torch.tensor(data.features)).mean(0).double().numpy()
    figures = figures_of(expected, data.errors)
    print(json.dumps(figures, indent=1))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    if options.curve:
        draw(figures, expected, data.errors, options.curve)


if __name__ == "__main__":
    main()
