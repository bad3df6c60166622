"""A hand after the fit, with what it came from."""

from __future__ import annotations

from typing import NamedTuple

from handsss.fitting.hand_input import HandInput
from handsss.fitting.keypoint_fit import KeypointFit
from handsss.fitting.problem import HandParameters
from handsss.hand.result import SharedShape


class FittedHand(NamedTuple):
    """One hand, as a right one."""

    input: HandInput
    keypoint_set: str  # the definition that it was fitted with
    fit: KeypointFit  # to the keypoints
    parameters: HandParameters  # [1] after the outline
    predicted: bool  # the first start is the image network's
    figures: dict[str, float]  # of the outline's fit
    seconds: dict[str, float]
    shared: SharedShape | None = None  # its shape is that of several photos
