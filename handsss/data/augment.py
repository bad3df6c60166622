"""Augmentations: turning in the picture's plane, colour, occlusion. Truth is moved along exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from handsss.data.schema import CROP
from handsss.detect.warp import warp

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True)
class Augmentation:
    """How much of what; all zero leaves rows as they are."""

    upright: bool = False  # turned until the detected hand points up: part of the network's input, in evaluation too
    rotation_deg: float = 0.0  # turned by up to so much either way
    colour: float = 0.0  # 0..1: brightness, contrast, saturation up to 60 %, hue up to 18 degrees, at 1
    occlusion: float = 0.0  # chance that something covers a part of the picture

    @property
    def active(self) -> bool:
        return self.upright or self.rotation_deg > 0 or self.colour > 0 or self.occlusion > 0

    @property
    def turns(self) -> bool:
        """Whether pictures are turned."""
        return self.upright or self.rotation_deg > 0


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


class Turn(NamedTuple):
    """A turn of the picture about the crop's centre; clockwise as seen, since y points down."""

    angle: float  # radians

    @property
    def plane(self) -> np.ndarray:
        """[2, 3] map of crop pixels."""
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        linear = np.array([[cosine, -sine], [sine, cosine]])
        centre = np.full(2, CROP / 2)
        return np.concatenate([linear, (centre - linear @ centre)[:, None]], 1)

    @property
    def space(self) -> np.ndarray:
        """[3, 3] turn of the camera frame about its axis."""
        matrix = np.eye(3)
        matrix[:2, :2] = self.plane[:, :2]
        return matrix

    def camera(self, K: np.ndarray) -> np.ndarray:
        """The camera with which turned points fall on turned pixels: ``A K R^T``. The turn is about the crop's centre
        and not about the principal point, so that moves along."""
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

    def picture(self, picture: np.ndarray) -> np.ndarray:
        """The turned picture [224, 224, 3] uint8; edges are continued outwards."""
        return np.round(warp(picture, self._inverse(), CROP, repeat=True) * 255).astype(np.uint8)

    def mask(self, mask: np.ndarray) -> np.ndarray:
        """The turned mask [224, 224] of 0 and 1; nothing beyond its edges."""
        grey = np.repeat((mask * 255).astype(np.uint8)[:, :, None], 3, 2)
        return (warp(grey, self._inverse(), CROP, repeat=False)[:, :, 0] > 0.5).astype(np.uint8)

    def _inverse(self) -> np.ndarray:
        return Turn(-self.angle).plane


def jitter_colour(picture: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Brightness, contrast, saturation and hue changed at random.

    Args:
        picture: [H, W, 3] uint8.
        strength: 0..1.
        rng: decides.
    """
    colour = picture.astype(np.float32) / 255
    brightness, contrast, saturation = np.exp(rng.uniform(-0.47, 0.47, 3) * strength).astype(np.float32)
    colour = colour * brightness
    mean = np.float32((colour @ _LUMA).mean())
    colour = (colour - mean) * contrast + mean
    grey = (colour @ _LUMA)[..., None]
    colour = (colour - grey) * saturation + grey
    hue = rng.uniform(-1, 1) * strength * np.deg2rad(18)
    axis = np.full(3, 3**-0.5)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn = np.eye(3) + np.sin(hue) * cross + (1 - np.cos(hue)) * cross @ cross
    colour = colour @ turn.T.astype(np.float32)
    return np.round(np.clip(colour, 0, 1) * 255).astype(np.uint8)


def occlude(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A turned rectangle or ellipse of some colour, noisy, laid over a part of the picture (5 to 40 % across).

    Args:
        picture: [H, W, 3] uint8.
        rng: decides.
    """
    height, width = picture.shape[:2]
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
    cover = base + rng.normal(0, rng.uniform(0, 25), picture.shape)
    result = picture.copy()
    result[inside] = np.clip(cover, 0, 255).astype(np.uint8)[inside]
    return result
