"""Palm detection: MediaPipe's palm network, its anchors and its weighted non-maximum suppression."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from handsss.detect.networks import Network
from handsss.geometry.window import Window

SIZE = 192
NMS_IOU = 0.3  # from which two boxes are one palm
_WRIST, _MIDDLE = 0, 2  # of the palm's seven keypoints: the direction of the hand


class Palm(NamedTuple):
    """A palm in the picture."""

    score: float  # 0..1
    centre: np.ndarray  # [2] px
    size: np.ndarray  # [2] px
    points: np.ndarray  # [7, 2] px

    def region(self, size: int) -> Window:
        """The square of ``size`` px in which the landmark network looks for the whole hand: 2.6 palms wide, moved half
        a palm towards the fingers, turned so that they point up."""
        x, y = self.points[_MIDDLE] - self.points[_WRIST]
        angle = float(np.arctan2(x, -y))
        side = float(self.size.max())
        up = np.array([np.sin(angle), -np.cos(angle)])
        return Window.square(self.centre + 0.5 * side * up, 2.6 * side, size, roll=angle)


def anchors() -> np.ndarray:
    """The network's 2016 anchor centres [2016, 2] in 0..1: 24 x 24 cells with two, then 12 x 12 with six."""
    grids = []
    for cells, repeats in ((24, 2), (12, 6)):
        y, x = np.mgrid[0:cells, 0:cells]
        centres = (np.stack([x, y], -1).reshape(-1, 2) + 0.5) / cells
        grids.append(np.repeat(centres, repeats, 0))
    return np.concatenate(grids)


def iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of a box [4] (x0, y0, x1, y1) with boxes [N, 4]."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.maximum(high - low, 0).prod(1)
    union = (box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(1) - shared
    ratio: np.ndarray = shared / np.maximum(union, 1e-12)
    return ratio


def weighted_nms(boxes: np.ndarray, scores: np.ndarray, values: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """Weighted non-maximum suppression: overlapping candidates become their score-weighted mean, best first.

    Args:
        boxes: [N, 4].
        scores: [N].
        values: [N, K] what is averaged.

    Returns:
        the best score and mean values [K] of each group.
    """
    left = np.argsort(-scores, kind="stable")
    merged = []
    while len(left):
        same = iou(boxes[left[0]], boxes[left]) > NMS_IOU
        same[0] = True
        group = left[same]
        merged.append((float(scores[group[0]]), np.average(values[group], axis=0, weights=scores[group])))
        left = left[~same]
    return merged


class PalmDetector:
    """MediaPipe's palm detector on a square window of a picture."""

    def __init__(self, threads: int = 1) -> None:
        self._network = Network("palm_detection_full.tflite", threads)
        self._anchors = anchors()

    def __call__(self, picture: np.ndarray, region: Window, minimum_score: float = 0.5) -> list[Palm]:
        """Palms in a square window of a picture.

        Args:
            picture: [H, W, 3] uint8; black outside.
            region: the square.
            minimum_score: 0..1.
        """
        window = region.resized(SIZE)
        outputs = self._network(window.sample(picture, repeat=False))
        raw, logits = outputs if outputs[0].shape[-1] == 18 else outputs[::-1]
        scores = 1 / (1 + np.exp(-np.clip(logits[:, 0].astype(np.float64), -50, 50)))
        chosen = np.flatnonzero(scores >= minimum_score)
        if not len(chosen):
            return []
        values = raw[chosen].astype(np.float64) / SIZE
        start = self._anchors[chosen]
        values[:, :2] += start
        values[:, 4:] += np.tile(start, 7)
        boxes = np.concatenate([values[:, :2] - values[:, 2:4] / 2, values[:, :2] + values[:, 2:4] / 2], 1)
        palms = []
        for score, mean in weighted_nms(boxes, scores[chosen], values):
            points = np.concatenate([mean[None, :2], mean[4:].reshape(7, 2)]) * SIZE
            mapped = window.to_picture(points)
            palms.append(Palm(score, mapped[0], mean[2:4] * SIZE / window.scale, mapped[1:]))
        return palms
