"""Distances, areas under the curve (AUC) and F-scores."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

# Official protocol of FreiHAND and HO-3D: 100 thresholds, ends included, an error equal to one lies within it.
LIMIT_3D = 0.05  # m
LIMIT_2D = 50.0  # px (supplement, table 5); thresholds as in 3D
STEPS = 100
F_THRESHOLDS = (0.005, 0.015)  # m; a distance equal to one is beyond it


def thresholds(limit: float) -> np.ndarray:
    """[100] from 0 to the limit."""
    return np.linspace(0.0, limit, STEPS)


def areas(errors: np.ndarray, limit: float) -> np.ndarray:
    """The contribution of each error to the AUC of the share of errors within a threshold.

    The mean of the values over any set of errors is the set's area under the curve (trapezoids, divided by the limit),
    so that areas of joints, frames and whole datasets come from one array.

    Args:
        errors: any shape; infinite ones lie within no threshold.
        limit: largest threshold, same unit.

    Returns:
        The errors' shape, 0..1.
    """
    steps = thresholds(limit)
    # Trapezoid weights, summed from the threshold at which an error begins to count.
    weights = np.full(STEPS, 1.0 / (STEPS - 1))
    weights[[0, -1]] /= 2
    tail = np.concatenate([np.cumsum(weights[::-1])[::-1], [0.0]])
    within: np.ndarray = tail[np.searchsorted(steps, errors, side="left")]
    return within


def curve(errors: np.ndarray, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds [100] and the share of errors within each (<=).

    Args:
        errors: any shape.
        limit: largest threshold, same unit.
    """
    steps = thresholds(limit)
    flat = np.sort(np.ravel(errors))
    share = np.searchsorted(flat, steps, side="right") / max(flat.size, 1)
    return steps, share


def distances(points: np.ndarray, true_points: np.ndarray) -> np.ndarray:
    """Euclidean, [N, P] of [N, P, D]."""
    return np.linalg.norm(points - true_points, axis=-1)


def f_scores(vertices: np.ndarray, true_vertices: np.ndarray) -> np.ndarray:
    """F-scores of point clouds: harmonic mean of the shares of predicted points near a true one and of true points near
    a predicted one (strictly nearer than the threshold; Knapitsch et al. 2017, as FreiHAND uses it).

    Args:
        vertices: [N, V, 3] m, predicted.
        true_vertices: [N, V', 3] m.

    Returns:
        [N, 2] at 5 and 15 mm; 0 where no point is near.
    """
    result = np.zeros((len(vertices), len(F_THRESHOLDS)))
    bound = 1.1 * max(F_THRESHOLDS)  # farther neighbours need not be found
    for i, (predicted, true) in enumerate(zip(vertices, true_vertices, strict=True)):
        to_true = cKDTree(true).query(predicted, distance_upper_bound=bound)[0]
        to_predicted = cKDTree(predicted).query(true, distance_upper_bound=bound)[0]
        for k, threshold in enumerate(F_THRESHOLDS):
            recall, precision = (to_true < threshold).mean(), (to_predicted < threshold).mean()
            if recall + precision > 0:
                result[i, k] = 2 * recall * precision / (recall + precision)
    return result
