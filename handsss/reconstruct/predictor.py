"""Where a trained network plugs in: it gives the start that the fit refines."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from handsss.detect.types import Detection
from handsss.errors import InputError


class Prediction(NamedTuple):
    """A right hand's parameters, in the camera of the picture given."""

    rotation: np.ndarray  # [3, 3] about the canonical origin
    translation: np.ndarray  # [3] metres
    axis_angle: np.ndarray  # [15, 3] relative to the flat hand
    shape: np.ndarray  # [10]


class Predictor(Protocol):
    """Anything that looks at a picture of a right hand and says how it is posed."""

    def __call__(self, image: np.ndarray, intrinsics: np.ndarray, detection: Detection) -> Prediction:
        """Args: image [H, W, 3] uint8 (left hands come mirrored), its camera [3, 3], the hand found in it."""
        ...


def load_predictor(checkpoint: str | None) -> Predictor | None:
    """The predictor of a checkpoint; None for "none" or nothing: the fit then starts from its own bank of poses.

    Raises:
        InputError: a checkpoint was named: this version has no network to load it into.
    """
    if checkpoint is None or checkpoint == "none":
        return None
    raise InputError(
        f"--checkpoint {checkpoint}: expected 'none', since this version of handsss fits hands without a network. "
        "Leave the option out."
    )
