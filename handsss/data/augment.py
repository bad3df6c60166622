"""Augmentations: in-plane rotation, zoom, colour, occlusion. Ground truth is transformed exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from handsss.geometry.framing import CROP
from handsss.geometry.window import Window
from handsss.network.input_view import InputView

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True)
class Augmentation:
    """Strength of each augmentation; zero turns it off."""

    # Part of the network's input, in evaluation too:
    upright: bool = False  # turned until the detected hand points up
    crop_fill: float = 0.0  # share of the image's side that the detected hand's box fills, centred; 0: crop unchanged
    # In training alone:
    rotation_deg: float = 0.0  # turned by up to so much either way
    zoom: float = 0.0  # enlarged or shrunk by up to so much, and shifted by up to half as much of the picture's side
    detection_dropout: float = 0.0  # probability that upright and crop_fill ignore the detection
    colour: float = 0.0  # 0..1: brightness, contrast, saturation up to 60 %, hue up to 18 degrees, at 1
    occlusion: float = 0.0  # chance that something covers a part of the picture

    @property
    def turns(self) -> bool:
        """Whether pictures are turned or zoomed."""
        return self.upright or self.crop_fill > 0 or self.rotation_deg > 0 or self.zoom > 0

    @property
    def view(self) -> Augmentation:
        """What of it is part of the network's input."""
        return Augmentation(upright=self.upright, crop_fill=self.crop_fill)

    def window(self, keypoints: np.ndarray, confidence: np.ndarray, rng: np.random.Generator | None = None) -> Window:
        """The window of a crop that the network sees.

        Args:
            keypoints: [21, 2] px, detected.
            confidence: [21].
            rng: decides what is random; None: nothing is.
        """
        if rng is not None and self.detection_dropout > 0 and rng.random() < self.detection_dropout:
            confidence = np.zeros_like(confidence)
        roll = 0.0
        if rng is not None and self.rotation_deg > 0:
            roll = -float(np.deg2rad(rng.uniform(-self.rotation_deg, self.rotation_deg)))
        window = InputView(self.upright, self.crop_fill).of_crop(keypoints, confidence, extra_roll=roll)
        if rng is None or self.zoom == 0:
            return window
        side = CROP / (window.scale * float(np.exp(rng.uniform(-self.zoom, self.zoom))))
        centre = window.centre + rng.uniform(-self.zoom / 2, self.zoom / 2, 2) * side
        return Window.square(centre, side, CROP, roll=window.roll)


class Recolouring(NamedTuple):
    """An affine map of colours: ``linear @ colour + grey * mean``, the mean being the picture's mean grey."""

    linear: np.ndarray  # [3, 3]
    grey: float

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """The recoloured picture [H, W, 3] uint8."""
        colour = picture.reshape(-1, 3).astype(np.float32)
        mean = float((colour @ LUMA).mean())
        colour = colour @ self.linear.T.astype(np.float32) + np.float32(self.grey * mean)
        return np.rint(np.clip(colour, 0, 255)).astype(np.uint8).reshape(picture.shape)


def draw_recolouring(strength: float, rng: np.random.Generator) -> Recolouring:
    """Brightness, contrast, saturation and hue changed at random.

    Args:
        strength: 0..1.
        rng: decides.
    """
    brightness, contrast, saturation = np.exp(rng.uniform(-0.47, 0.47, 3) * strength).tolist()
    hue = rng.uniform(-1, 1) * strength * np.deg2rad(18)
    axis = np.full(3, 3**-0.5)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn = np.eye(3) + np.sin(hue) * cross + (1 - np.cos(hue)) * cross @ cross
    # One affine map: saturation is about each pixel's grey, contrast about the picture's mean grey; hue turns about the
    # line of greys, so both stay what they are.
    linear = brightness * contrast * turn @ (saturation * np.eye(3) + (1 - saturation) * LUMA)
    return Recolouring(linear, (1 - contrast) * brightness)


def draw_cover(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A turned rectangle or ellipse of some colour, noisy (5 to 40 % across): [H, W, 4] uint8, the last 255 inside.

    Args:
        height, width: of the picture.
        rng: decides.
    """
    rows, columns = np.mgrid[:height, :width] + 0.5
    centre = rng.uniform(0.1, 0.9, 2) * (width, height)
    half = rng.uniform(0.05, 0.4, 2) * min(width, height) / 2
    angle = rng.uniform(0, np.pi)
    x, y = columns - centre[0], rows - centre[1]
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    inside = (
        (np.abs(u) < half[0]) & (np.abs(v) < half[1])
        if rng.random() < 0.5
        else (u / half[0]) ** 2 + (v / half[1]) ** 2 < 1
    )
    base = rng.uniform(0, 255, 3) + rng.uniform(-60, 60, 3) * (u / max(half[0], 1))[..., None]
    cover = base + rng.normal(0, rng.uniform(0, 25), (height, width, 3))
    colours = np.clip(cover, 0, 255).astype(np.uint8)
    return np.concatenate([colours, np.where(inside, 255, 0).astype(np.uint8)[..., None]], 2)


def covered(picture: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """A picture [H, W, 3] uint8 of which a :func:`draw_cover` hides a part."""
    return np.where(cover[..., 3:] > 0, cover[..., :3], picture)
