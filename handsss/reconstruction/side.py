"""The side of a hand: what the user asked for, and, where the detector doubts, which side fits better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from handsss.detect.types import Detection, impose_side, other_side
from handsss.errors import UserError
from handsss.fitting.hand_input import HandInput, hand_inputs
from handsss.fitting.keypoint_fit import COST_SHARE

# Probability of the detector's side below which both sides are fitted (docs/lab/detector.md).
CERTAIN = 0.8
_LEAST_PROBABILITY = 1e-3  # the detector is never surer than this


class FoundHands(NamedTuple):
    """Hands of one image, and those that were not asked for."""

    inputs: list[HandInput]
    left_out: list[str]  # sides of hands of the other side
    intrinsics: np.ndarray  # [3, 3] px of the image, with which they are fitted


def asked_for(detections: Sequence[Detection], hand: str, side: str) -> tuple[list[Detection], list[str]]:
    """Hands of the side asked for, and the sides of those left out.

    Args:
        detections: of an image.
        hand: "left" or "right" keeps hands of this side; "auto": all.
        side: "left" or "right" is what every hand is; "auto": as detected.
    """
    hands = [detection if side == "auto" else impose_side(detection, side) for detection in detections]
    kept = [detection for detection in hands if hand in ("auto", detection.hand)]
    return kept, [detection.hand for detection in hands if hand not in ("auto", detection.hand)]


def left_out_note(left_out: Sequence[str]) -> UserError | None:
    """What is said of hands that were found and not asked for, with its option; None if there are none."""
    if not left_out:
        return None
    counts = {side: left_out.count(side) for side in ("left", "right")}
    words = [f"one {side} hand" if n == 1 else f"{n} {side} hands" for side, n in counts.items() if n]
    sides = " and ".join(words)
    other = "right" if left_out[0] == "left" else "left"
    verb = "was" if len(left_out) == 1 else "were"
    return UserError(f"{sides} {verb} found and left out: {{side}} {other} imposes the side", options=("side",))


def doubtful(inputs: Sequence[HandInput]) -> list[int]:
    """Rows of the hands whose side the detector is not certain of; sides that were given or imposed are certain."""
    return [
        row
        for row, one in enumerate(inputs)
        if one.detection.side_from == "detector" and one.detection.handedness < CERTAIN
    ]


def as_other_side(hand_input: HandInput) -> HandInput:
    """The same hand of the same photo, prepared as one of the other side."""
    # The image shows a right hand, mirrored for left ones: called a left one, it is mirrored (back).
    (other,) = hand_inputs(
        hand_input.image,
        hand_input.intrinsics,
        [replace(other_side(hand_input.detection), side_from="fit")],
        hand_input.detect_seconds,
    )
    return other._replace(left=not hand_input.left)


def fits_better(cost: float, other_cost: float, handedness: float) -> bool:
    """Whether the other side explains a hand better.

    Args:
        cost, other_cost: of the fits as the detector's and as the other side: squared standard deviations of keypoints,
            depth, joint limits and priors.
        handedness: the detector's probability of its side.
    """
    p = float(np.clip(handedness, _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY))
    return COST_SHARE * (other_cost - cost) + 2 * np.log(p / (1 - p)) < 0


def decided(
    inputs: Sequence[HandInput], others: Mapping[int, HandInput], better: Mapping[int, bool]
) -> list[HandInput]:
    """The hands with their sides decided; where both were fitted, the fit has said it."""
    chosen = []
    for row, one in enumerate(inputs):
        if row not in others:
            chosen.append(one)
        elif better[row]:
            chosen.append(others[row])
        else:
            chosen.append(one._replace(detection=replace(one.detection, side_from="fit")))
    return chosen
