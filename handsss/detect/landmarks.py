"""Reading 21 keypoints in a region, and how sure each of them is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from handsss.detect.networks import Network
from handsss.geometry.window import Square, warp

SIZE = 224
_TRUNK = [0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18]  # keypoints that MediaPipe's tracking region is made from

# Perturbed crops: turn in degrees, scale. Each is read plain and mirrored, and turns come in both directions, so that
# a mirrored photo gives mirrored crops.
_PERTURBATIONS = ((0.0, 1.0), (20.0, 1.07), (-20.0, 1.07))
_SPREAD_FREE, _SPREAD_SCALE = 0.005, 0.010  # of the region's side


class Reading(NamedTuple):
    """The landmark network's answer for one crop."""

    points: np.ndarray  # [21, 2] px of the picture
    presence: float  # 0..1
    right: float  # 0..1: probability of a right hand


class Landmarks(NamedTuple):
    """The agreed answer of all crops."""

    points: np.ndarray  # [21, 2] px, median
    confidence: np.ndarray  # [21] 0..1
    presence: float  # 0..1, mean
    right: float  # 0..1, mean
    region: Square


def region_of(points: np.ndarray) -> Square:
    """The tracking region of a hand: upright along wrist -> knuckles, twice its trunk, moved a tenth forward."""
    x, y = (points[5] + 2 * points[9] + points[13]) / 4 - points[0]
    angle = float(np.arctan2(x, -y))
    axes = Square(np.zeros(2), 1.0, angle).axes()
    local = points[_TRUNK] @ axes
    low, high = local.min(0), local.max(0)
    side = max(float((high - low).max()), 2.0)
    up = np.array([np.sin(angle), -np.cos(angle)])
    return Square(axes @ ((low + high) / 2) + 0.1 * side * up, 2.0 * side, angle)


class LandmarkReader:
    """Keypoints of the hand in a square of a picture."""

    def __init__(self, threads: int = 1) -> None:
        self._network = Network("hand_landmark_full.tflite", threads)

    def read(self, picture: np.ndarray, square: Square, *, mirrored: bool = False) -> Reading:
        """One pass over one crop; a mirrored crop's answer comes back un-mirrored."""
        matrix = square.to_picture(SIZE, mirrored)
        landmarks, presence, right, _ = self._network(warp(picture, matrix, SIZE, repeat=True))
        points = landmarks.reshape(21, 3)[:, :2].astype(np.float64) @ matrix[:, :2].T + matrix[:, 2]
        probability = float(right.ravel()[0])
        return Reading(points, float(presence.ravel()[0]), 1 - probability if mirrored else probability)

    def read_carefully(self, picture: np.ndarray, points: np.ndarray) -> Landmarks:
        """The median over six perturbed crops around points of an earlier pass, with a confidence for each point.

        The confidence falls with the spread: ``exp(-0.5 (max(spread - 0.005, 0) / 0.010)^2) * presence``, spread being
        the root mean square deviation over the region's side.
        """
        region = region_of(points)
        readings = []
        for turn, scale in _PERTURBATIONS:
            square = Square(region.centre, region.side * scale, region.angle + np.deg2rad(turn))
            readings += [self.read(picture, square), self.read(picture, square, mirrored=True)]
        every = np.array([reading.points for reading in readings])
        middle = np.median(every, 0)
        spread = np.sqrt(((every - middle) ** 2).sum(-1).mean(0)) / region.side
        presence = float(np.mean([reading.presence for reading in readings]))
        confidence = np.exp(-0.5 * (np.maximum(spread - _SPREAD_FREE, 0) / _SPREAD_SCALE) ** 2) * presence
        right = float(np.mean([reading.right for reading in readings]))
        return Landmarks(middle, confidence, presence, right, region)
