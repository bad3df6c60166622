"""A detected hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from handsss.errors import UserError

SideSource = Literal["detector", "keypoints", "option", "fit"]
MINIMUM_SPAN = 4.0  # px, longer side of the box around a hand's keypoints: smaller ones are none
KEYPOINT_SET = "mediapipe"  # what the built-in detector's points follow


@dataclass(frozen=True)
class Detection:
    """One hand in a picture."""

    hand: str  # "left" | "right": the real, anatomical hand
    score: float  # presence, 0..1
    handedness: float  # the source's probability that `hand` names the right side, 0..1; below 0.5 where imposed
    keypoints: np.ndarray  # [21, 3] x, y (px of the picture given), confidence 0..1; OpenPose order
    keypoint_set: str  # the definition that the points follow: "mediapipe", "openpose", ...
    region: np.ndarray  # [4, 2] px: corners of the square the points were read in, or of their box
    # [21, 4] metres: 3D points about their middle as if the camera looked straight at the hand (x right, y down, z away
    # from the camera), and how far the detector's readings of each spread; None: the source gives no depth.
    world: np.ndarray | None = None
    side_from: SideSource = "detector"  # who says which side it is


def mirror(detection: Detection, width: int) -> Detection:
    """The same hand in the mirrored picture (x -> width - x): the other hand."""
    keypoints = np.array(detection.keypoints, dtype=np.float64)
    keypoints[:, 0] = width - keypoints[:, 0]
    region = np.array(detection.region, dtype=np.float64)
    region[:, 0] = width - region[:, 0]
    world = None if detection.world is None else detection.world * np.array([-1.0, 1.0, 1.0, 1.0])
    hand = "left" if detection.hand == "right" else "right"
    return replace(detection, hand=hand, keypoints=keypoints, region=region, world=world)


def other_side(detection: Detection) -> Detection:
    """The same points called a hand of the other side."""
    hand = "left" if detection.hand == "right" else "right"
    return replace(detection, hand=hand, handedness=1 - detection.handedness)


def impose_side(detection: Detection, side: str) -> Detection:
    """The same points called a "left" or "right" hand, because the user says so."""
    own = detection if detection.hand == side else other_side(detection)
    return replace(own, side_from="option")


def check_sides(hand: str, side: str) -> None:
    """That hands of a side are not left out (``hand``) while all are said to be of the other (``side``).

    Raises:
        UserError: they are.
    """
    if "auto" not in (hand, side) and hand != side:
        raise UserError(
            f"{{hand}} {hand} keeps {hand} hands only, but {{side}} {side} says that all are {side} ones. Leave one of "
            "them out.",
            options=("hand", "side"),
        )
