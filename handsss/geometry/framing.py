"""How a hand lies in a picture, and the square crops that networks see: turned, zoomed, brought to the middle."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from handsss.geometry.window import warp

CROP = 224  # px, side of every crop
MIDDLE = (CROP / 2, CROP / 2)  # px
USUAL_BOX = 96.0  # px: a hand's box in a crop where nothing was detected
_LEAST_BOX = 16.0  # px: keypoints that lie closer together are a detector's mistake


def upright_angle(keypoints: np.ndarray, confidence: np.ndarray) -> float:
    """By how much a picture must be turned for the hand to point up, radians: wrist to the middle finger's knuckle.

    Args:
        keypoints: [21, 2] px.
        confidence: [21]; a hand whose wrist or knuckle was not seen stays as it is.
    """
    if min(confidence[0], confidence[9]) <= 0:
        return 0.0
    x, y = (keypoints[9] - keypoints[0]).astype(np.float64)
    return float(-np.pi / 2 - np.arctan2(y, x)) if x or y else 0.0


def close_up(
    keypoints: np.ndarray, confidence: np.ndarray, angle: float, fill: float
) -> tuple[float, tuple[float, float]]:
    """How a picture that will be turned must be zoomed, on which point, so that the hand's box fills a share of it.

    Args:
        keypoints: [21, 2] px.
        confidence: [21]; a hand of which less than half was seen is taken to lie in the middle, at a usual size.
        angle: of the turn, radians.
        fill: share of the picture's side.

    Returns:
        The zoom, and the point that comes to the middle (px of the picture as it was).
    """
    seen = keypoints[confidence > 0].astype(np.float64)
    if 2 * len(seen) < len(keypoints):
        return fill * CROP / USUAL_BOX, MIDDLE
    axes = Turn(angle).plane[:, :2]
    turned = seen @ axes.T
    low, high = turned.min(0), turned.max(0)
    x, y = (axes.T @ ((low + high) / 2)).tolist()
    return fill * CROP / max(float((high - low).max()), _LEAST_BOX), (x, y)


def bounding_box(keypoints: np.ndarray) -> np.ndarray:
    """Box [4] (x0, y0, x1, y1) px of the keypoints [21, 3] that are finite and have confidence; NaN if none has."""
    used = np.isfinite(keypoints).all(1) & (keypoints[:, 2] > 0)
    if not used.any():
        return np.full(4, np.nan)
    return np.concatenate([keypoints[used, :2].min(0), keypoints[used, :2].max(0)])


class Turn(NamedTuple):
    """A turn of the picture, clockwise as seen, since y points down; zoomed on a point that comes to the middle."""

    angle: float  # radians
    zoom: float = 1.0
    centre: tuple[float, float] = MIDDLE  # px of the picture as it was

    @property
    def plane(self) -> np.ndarray:
        """[2, 3] map of crop pixels."""
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        linear = self.zoom * np.array([[cosine, -sine], [sine, cosine]])
        return np.concatenate([linear, (MIDDLE - linear @ np.array(self.centre))[:, None]], 1)

    @property
    def space(self) -> np.ndarray:
        """[3, 3] turn of the camera frame about its axis."""
        matrix = np.eye(3)
        matrix[:2, :2] = self.plane[:, :2] / self.zoom
        return matrix

    def camera(self, K: np.ndarray) -> np.ndarray:
        """The camera with which turned points fall on turned pixels: ``A K R^T``. The turn is not about the principal
        point, so that moves along; a zoom is one of the camera."""
        full = np.eye(3)
        full[:2] = self.plane
        turned: np.ndarray = full @ K @ self.space.T
        return turned

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Turned pixels [..., 2]."""
        moved: np.ndarray = points @ self.plane[:, :2].T + self.plane[:, 2]
        return moved

    def points(self, points: np.ndarray) -> np.ndarray:
        """Turned camera-frame points [..., 3]."""
        moved: np.ndarray = points @ self.space.T
        return moved

    def picture(self, picture: np.ndarray, reduction: int = 1) -> np.ndarray:
        """The turned picture [S, S, 3] uint8, S = 224 / reduction; edges are continued outwards."""
        matrix = self.to_crop(reduction)
        return np.round(warp(picture, matrix, CROP // reduction, repeat=True, samples=reduction) * 255).astype(np.uint8)

    def to_crop(self, reduction: int = 1) -> np.ndarray:
        """[2, 3] map of the turned and reduced picture's pixels to those of before."""
        matrix = self.inverse
        matrix[:, :2] *= reduction
        return matrix

    def mask(self, mask: np.ndarray) -> np.ndarray:
        """The turned mask [224, 224] of 0 and 1; nothing beyond its edges."""
        grey = np.repeat((mask * 255).astype(np.uint8)[:, :, None], 3, 2)
        return (warp(grey, self.inverse, CROP, repeat=False)[:, :, 0] > 0.5).astype(np.uint8)

    @property
    def inverse(self) -> np.ndarray:
        """[2, 3] map of turned pixels to those of before."""
        back = np.linalg.inv(self.plane[:, :2])
        return np.concatenate([back, -back @ self.plane[:, 2:]], 1)

    def pixels_before(self, points: np.ndarray) -> np.ndarray:
        """Turned pixels [..., 2] as they were."""
        back = self.inverse
        moved: np.ndarray = points @ back[:, :2].T + back[:, 2]
        return moved
