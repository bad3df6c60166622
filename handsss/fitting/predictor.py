"""Where a trained network plugs in: it gives the start that the fit refines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from handsss.detect.types import Detection
from handsss.hand.model import OPEN_MODELS
from handsss.network.weights import OPEN, shipped


class Prediction(NamedTuple):
    """A right hand's parameters, in the camera of the picture given."""

    rotation: np.ndarray  # [3, 3] about the canonical origin
    translation: np.ndarray  # [3] metres
    axis_angle: np.ndarray  # [15, 3] relative to the flat hand
    shape: np.ndarray  # [10]


# A picture [H, W, 3] uint8 (left hands come mirrored), its camera [3, 3], the right hand found in it.
Pictured = tuple[np.ndarray, np.ndarray, Detection]


def rows_by(names: Sequence[str]) -> dict[str, list[int]]:
    """The places of each name, in their order: what has one name goes through network or fit together."""
    return {name: [row for row, own in enumerate(names) if own == name] for name in dict.fromkeys(names)}


class Predictor(Protocol):
    """Anything that looks at pictures of right hands and says how they are posed."""

    name: str  # what users know it by

    def many(self, hands: Sequence[Pictured]) -> list[Prediction]:
        """Hands of any pictures, all in one batch."""
        ...


AUTO, NONE = "auto", "none"


def load_predictor(
    checkpoint: str | None, model: str = "open", device: str = "cpu", precision: str = "float32"
) -> Predictor | None:
    """The predictor of a checkpoint.

    Args:
        checkpoint: a file of ``handsss train``, a run's folder, weights, or the name of some that come along;
            "auto": those that come along, for the hand model that they were trained with, else none; "none" or None.
        model: name of the hand model that is fitted.
        device: that the network computes on: auto, cpu, cuda or cuda:NUMBER.
        precision: of the network: float32, bfloat16 or float16.

    Returns:
        None where there is none: the fit then starts from keypoints alone.

    Raises:
        UserError: no such device here, or an unknown precision.
        InputError: not a checkpoint, or one of another hand model.
    """
    if checkpoint is None or checkpoint == NONE:
        return None
    if checkpoint == AUTO:
        if model not in OPEN_MODELS:
            return None
        checkpoint = str(shipped(OPEN))  # whatever has its name in the working folder
    from handsss.fitting.network_prediction import NetworkPredictor
    from handsss.network.device import choose_device

    return NetworkPredictor(Path(checkpoint), model, choose_device(device), precision)
