"""Networks that were trained on upright or close hands see such hands, and their answer is turned back.

Where the data brings no detections, the built-in detector says how and where the hand lies: truth must not decide what
a network gets to see.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from handsss.data.augment import Augmentation
from handsss.detect.detector import HandDetector
from handsss.evaluation.ground_truth import DetectedKeypoints
from handsss.geometry.framing import Turn


class Upright(NamedTuple):
    """Pictures as the network sees them."""

    crops: np.ndarray  # [B, 224, 224, 3] uint8
    K: np.ndarray  # [B, 3, 3]
    turns: list[Turn]

    def points(self, points: np.ndarray) -> np.ndarray:
        """Predicted points [B, N, 3] in the pictures' own cameras."""
        return np.stack([values @ turn.space for values, turn in zip(points, self.turns, strict=True)])

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Predicted points [B, N, 2] in the pictures' own pixels."""
        return np.stack([turn.pixels_before(values) for values, turn in zip(points, self.turns, strict=True)])


def as_seen(crops: np.ndarray, K: np.ndarray, detected: DetectedKeypoints | None, view: Augmentation) -> Upright:
    """Turn and zoom pictures as a network's training did.

    Args:
        crops: [B, 224, 224, 3] uint8.
        K: [B, 3, 3] px.
        detected: of these pictures; None: the built-in detector is run.
        view: see :attr:`handsss.data.augment.Augmentation.view`.
    """
    if not view.turns:
        return Upright(crops, K, [Turn(0.0)] * len(crops))
    turns = []
    for number, crop in enumerate(crops):
        if detected is None:
            turns.append(view.turn(*_detected(crop)))
        else:
            keypoints = detected.keypoints[number]
            seen = np.where(np.isfinite(keypoints).all(1), detected.confidence[number], 0.0)
            turns.append(view.turn(np.nan_to_num(keypoints), seen))
    pictures = np.stack([turn.picture(crop) for turn, crop in zip(turns, crops, strict=True)])
    return Upright(pictures, np.stack([turn.camera(k) for turn, k in zip(turns, K, strict=True)]), turns)


@lru_cache(maxsize=1)
def _detector() -> HandDetector:
    return HandDetector()


def _detected(crop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints [21, 2] and confidence [21]; all zero where no hand was found."""
    found = _detector().detect(np.ascontiguousarray(crop))
    if not found:
        return np.zeros((21, 2)), np.zeros(21)
    best = max(found, key=lambda hand: hand.score)
    return best.keypoints[:, :2], best.keypoints[:, 2]
