"""Crops as a network was trained to see them: upright or close hands.

Where the data has no detections, the built-in detector decides how the hand lies: ground truth must not decide what a
network gets to see.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from handsss.data.augment import Augmentation
from handsss.detect.detector import HandDetector
from handsss.evaluation.ground_truth import DetectedKeypoints
from handsss.network.input_view import NetworkInput


def as_seen(crops: np.ndarray, K: np.ndarray, detected: DetectedKeypoints | None, view: Augmentation) -> NetworkInput:
    """Crops through the windows that a network's training used.

    Args:
        crops: [B, 224, 224, 3] uint8.
        K: [B, 3, 3] px.
        detected: keypoints of these crops; None runs the built-in detector.
        view: see :attr:`handsss.data.augment.Augmentation.view`.
    """
    if not view.turns:
        return NetworkInput.of_crops(crops, K, None)
    windows = []
    for number, crop in enumerate(crops):
        if detected is None:
            windows.append(view.window(*_detected(crop)))
        else:
            keypoints = detected.keypoints[number]
            confidence = np.where(np.isfinite(keypoints).all(1), detected.confidence[number], 0.0)
            windows.append(view.window(np.nan_to_num(keypoints), confidence))
    return NetworkInput.of_crops(crops, K, windows)


@lru_cache(maxsize=1)
def _detector() -> HandDetector:
    return HandDetector()


def _detected(crop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints [21, 2] and confidence [21]; all zero where no hand was found."""
    hands = _detector().detect(np.ascontiguousarray(crop))
    if not hands:
        return np.zeros((21, 2)), np.zeros(21)
    best = max(hands, key=lambda hand: hand.score)
    return best.keypoints[:, :2], best.keypoints[:, 2]
