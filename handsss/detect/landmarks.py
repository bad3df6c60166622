"""21 keypoints in a region with a confidence each: MediaPipe's landmark network with test-time augmentation."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from handsss.detect.networks import Network
from handsss.geometry.window import Window

SIZE = 224
_TRUNK = [0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18]  # keypoints that MediaPipe's tracking region is made from

# Test-time augmentation: rotation in degrees, scale. Each is run plain and mirrored, and rotations come in both
# directions, so that a mirrored photo gives mirrored crops.
_PERTURBATIONS = ((0.0, 1.0), (20.0, 1.07), (-20.0, 1.07))
_SPREAD_FREE, _SPREAD_SCALE = 0.005, 0.010  # of the region's side


class Reading(NamedTuple):
    """The landmark network's answer for one crop."""

    points: np.ndarray  # [21, 2] px of the picture
    presence: float  # 0..1
    right: float  # 0..1: probability of a right hand
    world: np.ndarray  # [21, 3] metres, see Landmarks; about an origin of its own


class Landmarks(NamedTuple):
    """The landmarks over all augmented crops."""

    points: np.ndarray  # [21, 2] px, median
    confidence: np.ndarray  # [21] 0..1
    presence: float  # 0..1, mean
    right: float  # 0..1, mean
    region: Window
    # The network's fourth output: metric 3D points about their middle, x right, y down, z away from the camera, as if
    # the camera looked straight at the hand (handsss.fitting.depth turns them to the hand's place in the picture).
    world: np.ndarray  # [21, 3] metres, mean
    world_spread: np.ndarray  # [21] metres: root mean square distance of the crops' points from that mean


def region_of(points: np.ndarray) -> Window:
    """The tracking region of a hand: upright along wrist -> knuckles, twice its trunk, moved a tenth forward."""
    x, y = (points[5] + 2 * points[9] + points[13]) / 4 - points[0]
    angle = float(np.arctan2(x, -y))
    trunk = Window.around_points(points[_TRUNK], SIZE, fill=1.0, smallest=2.0, roll=angle)
    side = SIZE / trunk.scale
    up = np.array([np.sin(angle), -np.cos(angle)])
    return Window.square(trunk.centre + 0.1 * side * up, 2.0 * side, SIZE, roll=angle)


class LandmarkReader:
    """Keypoints of the hand in a square of a picture.

    Args:
        threads: of the network's own.
        at_once: crops of a hand that are read at the same time, each by a network of its own; the results are the same.
    """

    def __init__(self, threads: int = 1, at_once: int = 1) -> None:
        self._networks = [Network("hand_landmark_full.tflite", threads) for _ in range(at_once)]
        self._pool = ThreadPoolExecutor(at_once) if at_once > 1 else None

    def read(self, picture: np.ndarray, window: Window, network: int = 0) -> Reading:
        """One pass over one window of SIZE px; the answer for a mirrored one comes back un-mirrored."""
        landmarks, presence, right, world = self._networks[network](window.sample(picture, repeat=True))
        points = window.to_picture(landmarks.reshape(21, 3)[:, :2].astype(np.float64))
        probability = float(right.ravel()[0])
        metric = window.rotate_back(world.reshape(21, 3).astype(np.float64))
        return Reading(points, float(presence.ravel()[0]), 1 - probability if window.mirrored else probability, metric)

    def predict_with_tta(self, picture: np.ndarray, points: np.ndarray) -> Landmarks:
        """The median over six augmented crops (rotated, scaled, mirrored), with a confidence for each point, and the
        mean of their metric points.

        The confidence falls with the spread: ``exp(-0.5 (max(spread - 0.005, 0) / 0.010)^2) * presence``, spread being
        the root mean square deviation over the region's side.

        Args:
            picture: [H, W, 3] uint8.
            points: [21, 2] px, of a first pass; they decide the region.
        """
        return self._augmented(picture, points, _PERTURBATIONS)

    def read_twice(self, picture: np.ndarray, points: np.ndarray, frame: int) -> Landmarks:
        """As :meth:`predict_with_tta`, with two of its six crops, which take turns from frame to frame of a film: what
        each crop's own error adds, the mean over a few frames takes away.

        Args:
            picture: [H, W, 3] uint8.
            points: [21, 2] px, of the frame before; they decide the region.
            frame: its number.
        """
        return self._augmented(picture, points, _PERTURBATIONS[frame % 3 : frame % 3 + 1])

    def _augmented(
        self, picture: np.ndarray, points: np.ndarray, perturbations: Sequence[tuple[float, float]]
    ) -> Landmarks:
        region = region_of(points)
        views = [region.turned(np.deg2rad(turn), enlarged=scale) for turn, scale in perturbations]
        views = [view for window in views for view in (window, window.flipped())]
        if self._pool is None:
            readings = [self.read(picture, view) for view in views]
        else:
            turns = [number % len(self._networks) for number in range(len(views))]
            readings = list(self._pool.map(self.read, [picture] * len(views), views, turns))
        # Of few readings the mean square deviation from their own middle is too small.
        few = np.sqrt(len(readings) / (len(readings) - 1) * (2 * len(_PERTURBATIONS) - 1) / (2 * len(_PERTURBATIONS)))
        every = np.array([reading.points for reading in readings])
        middle = np.median(every, 0)
        spread = few * np.sqrt(((every - middle) ** 2).sum(-1).mean(0)) * region.scale / SIZE
        presence = float(np.mean([reading.presence for reading in readings]))
        confidence = np.exp(-0.5 * (np.maximum(spread - _SPREAD_FREE, 0) / _SPREAD_SCALE) ** 2) * presence
        right = float(np.mean([reading.right for reading in readings]))
        metric = np.array([reading.world - reading.world.mean(0) for reading in readings])
        world = metric.mean(0)
        world_spread = few * np.sqrt(((metric - world) ** 2).sum(-1).mean(0))
        return Landmarks(middle, confidence, presence, right, region, world, world_spread)
