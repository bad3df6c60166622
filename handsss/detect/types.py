"""What a detector says about a hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Detection:
    """One hand in a picture."""

    hand: str  # "left" | "right": the real, anatomical hand
    score: float  # presence, 0..1
    handedness: float  # probability that `hand` names the right side, 0.5..1
    keypoints: np.ndarray  # [21, 3] x, y (px of the picture given), confidence 0..1; OpenPose order
    keypoint_set: str  # the definition that the points follow: "mediapipe", "openpose", ...
    region: np.ndarray  # [4, 2] px: corners of the square the points were read in, or of their box
