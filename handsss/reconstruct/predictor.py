"""Where a trained network plugs in: it gives the start that the fit refines."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from handsss.detect.types import Detection


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


def load_predictor(checkpoint: str | None, model: str = "open") -> Predictor | None:
    """The predictor of a checkpoint; None for "none" or nothing: the fit then starts from its own bank of poses.

    Args:
        checkpoint: a file of ``handsss train``, or a run's folder.
        model: name of the hand model that is fitted.

    Raises:
        InputError: not a checkpoint, or one of another hand model.
    """
    if checkpoint is None or checkpoint == "none":
        return None
    from handsss.reconstruct.network_predictor import NetworkPredictor

    return NetworkPredictor(Path(checkpoint), model)
