"""How hands are framed for networks: the crop's side and camera, the margin around keypoints, and how a hand lies."""

from __future__ import annotations

import numpy as np

from handsss.geometry.window import Window

CROP = 224  # px, side of every crop that networks are trained on and see
MARGIN = 0.25  # around the keypoints' box in a crop, on every side, as a share of its longer side
BOX_MARGIN = 0.1  # around a box that a dataset gives, likewise
FOCAL_LENGTH = 480.0  # px, usual for a crop: FreiHAND's cameras and the synthetic data's
USUAL_BOX = 96.0  # px: the longer side of a hand's box in a crop, assumed where nothing was detected
LEAST_BOX = 16.0  # px: keypoints that lie closer together are a detector's mistake


def upright_angle(keypoints: np.ndarray, confidence: np.ndarray) -> float:
    """Radians by which a picture must be turned clockwise for the hand to point up: wrist to the middle finger's
    knuckle. A window that shows the hand upright has this as its negative roll.

    Args:
        keypoints: [21, 2] px.
        confidence: [21]; 0 where the wrist or the knuckle is not detected gives an angle of 0.
    """
    if min(confidence[0], confidence[9]) <= 0:
        return 0.0
    x, y = (keypoints[9] - keypoints[0]).astype(np.float64)
    return float(-np.pi / 2 - np.arctan2(y, x)) if x or y else 0.0


def close_up(keypoints: np.ndarray, confidence: np.ndarray, roll: float, fill: float) -> Window:
    """The window of a crop in which the hand's box lies in the middle and fills a share of the side.

    Args:
        keypoints: [21, 2] px of the crop.
        confidence: [21]; with less than half of the keypoints detected, the hand is assumed in the crop's middle with a
            box of 96 px.
        roll: radians, of the window.
        fill: share of the window's side.
    """
    detected = keypoints[confidence > 0].astype(np.float64)
    if 2 * len(detected) < len(keypoints):
        return Window.square((CROP / 2, CROP / 2), USUAL_BOX / fill, CROP, roll=roll)
    return Window.around_points(detected, CROP, fill=fill, smallest=LEAST_BOX, roll=roll)


def bounding_box(keypoints: np.ndarray) -> np.ndarray:
    """Box [4] (x0, y0, x1, y1) px of the keypoints [21, 3] that are finite and have confidence; NaN if none has."""
    used = np.isfinite(keypoints).all(1) & (keypoints[:, 2] > 0)
    if not used.any():
        return np.full(4, np.nan)
    return np.concatenate([keypoints[used, :2].min(0), keypoints[used, :2].max(0)])
