"""The expected error against the real one on rendered pictures, whose truth is known: rank correlation, calibration,
and what is flagged.

    python -m benchmarks.expected_error ROOT [--split evaluation] [--first 0] [--rows 1000] [--json FILE] [--curve PNG]

ROOT has FreiHAND's layout, as `handsss synthesize` writes it. Every other picture withholds its camera. Pictures
without a detected hand do not count.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from handsss.fitting.expected_error import load_expected_error
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
    parser.add_argument("--json", type=Path)
    parser.add_argument("--curve", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data: Collected = collect(options.root, options.split, options.first, options.rows, only_usual=True)
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
