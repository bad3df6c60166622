"""How a network sees a hand: the window of the picture, its camera, and the way back for what the network says.

Networks may be trained on hands that are turned upright or brought close; prediction and evaluation must show them
hands in the same way. Training adds random changes to it: :meth:`handsss.data.augment.Augmentation.window`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from handsss.geometry.framing import CROP, FOCAL_LENGTH, MARGIN, close_up, upright_angle
from handsss.geometry.window import Window


class InputView(NamedTuple):
    """What of a network's augmentation settings is part of its input."""

    upright: bool = False  # rolled until the detected hand points up
    crop_fill: float = 0.0  # share of the side that the centred box of the keypoints fills; 0: crops unchanged

    def roll(self, keypoints: np.ndarray, confidence: np.ndarray) -> float:
        """Radians by which the window is rolled clockwise for keypoints [21, 2] px with confidence [21]."""
        return -upright_angle(keypoints, confidence) if self.upright else 0.0

    def of_crop(self, keypoints: np.ndarray, confidence: np.ndarray, *, extra_roll: float = 0.0) -> Window:
        """The window of a crop [224, 224] that the network sees.

        Args:
            keypoints: [21, 2] px, detected.
            confidence: [21], 0 where nothing is detected.
            extra_roll: radians, added to the view's own.
        """
        roll = self.roll(keypoints, confidence) + extra_roll
        if self.crop_fill > 0:
            return close_up(keypoints, confidence, roll, self.crop_fill)
        return Window.square((CROP / 2, CROP / 2), CROP, CROP, roll=roll)

    def of_photo(self, keypoints: np.ndarray) -> Window:
        """The window of a photo of any size that the network sees; the hand is framed as training crops frame it.

        Args:
            keypoints: [21, 3] px and confidence, at least one finite with confidence.
        """
        confidence = np.where(np.isfinite(keypoints).all(1), keypoints[:, 2], 0.0)
        detected = keypoints[confidence > 0, :2]
        fill = self.crop_fill or 1 / (1 + 2 * MARGIN)
        roll = self.roll(keypoints[:, :2], confidence)
        return Window.around_points(detected, CROP, fill=fill, smallest=1.0, roll=roll)


class NetworkInput(NamedTuple):
    """Crops as the network sees them."""

    crops: np.ndarray  # [B, 224, 224, 3] uint8
    K: np.ndarray  # [B, 3, 3] px
    windows: list[Window]  # of the original crops

    @staticmethod
    def of_crops(crops: np.ndarray, K: np.ndarray, windows: list[Window] | None) -> NetworkInput:
        """What windows show of crops [B, 224, 224, 3] uint8 with cameras K [B, 3, 3]; None shows them as they are."""
        if windows is None:
            return NetworkInput(crops, K, [Window.square((CROP / 2, CROP / 2), CROP, CROP)] * len(crops))
        shown = [w.sample(crop, repeat=True, dtype=np.uint8) for w, crop in zip(windows, crops, strict=True)]
        return NetworkInput(
            np.stack(shown), np.stack([w.intrinsics(k) for w, k in zip(windows, K, strict=True)]), windows
        )

    def points(self, points: np.ndarray) -> np.ndarray:
        """Predicted points [B, N, 3] metres in the original crops' camera frames."""
        return np.stack([window.rotate_back(values) for values, window in zip(points, self.windows, strict=True)])

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Predicted points [B, N, 2] in the original crops' pixels."""
        return np.stack([window.to_picture(values) for values, window in zip(points, self.windows, strict=True)])


def usual_intrinsics() -> np.ndarray:
    """The camera [3, 3] that a crop is given where the photo's own is used afterwards: it looks at the crop's middle,
    with a focal length usual in training."""
    return np.array([[FOCAL_LENGTH, 0.0, CROP / 2], [0.0, FOCAL_LENGTH, CROP / 2], [0.0, 0.0, 1.0]])
