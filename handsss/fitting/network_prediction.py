"""The trained network's prediction in the photo's camera, from which the fit starts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch

from handsss.detect.types import Detection
from handsss.errors import InputError
from handsss.fitting.pose_bank import solve_translation
from handsss.geometry.rotations import rotation_to_ray
from handsss.geometry.window import Window
from handsss.hand.open_hand import OPEN_MODELS, pose_compatible
from handsss.network.checkpoint import input_view_of, is_weights, load_network, non_finite_error
from handsss.network.device import choose_device
from handsss.network.input_view import usual_intrinsics
from handsss.network.precision import FLOAT32
from handsss.network.regressors import HandVector
from handsss.network.s2hand import S2HandOutput
from handsss.network.weights import OPEN, bundled

AUTO, NONE = "auto", "none"


class PosePrediction(NamedTuple):
    """A right hand's parameters, in the camera of the picture given."""

    rotation: np.ndarray  # [3, 3] about the canonical origin
    translation: np.ndarray  # [3] metres
    axis_angle: np.ndarray  # [15, 3] relative to the flat hand
    shape: np.ndarray  # [10]


class PredictorInput(NamedTuple):
    """A detected right hand; left ones come mirrored."""

    image: np.ndarray  # [H, W, 3] uint8
    intrinsics: np.ndarray  # [3, 3] px
    detection: Detection


def group_rows(names: Sequence[str]) -> dict[str, list[int]]:
    """The indices of each name, names in order of appearance: rows with one name are computed as one batch."""
    return {name: [row for row, own in enumerate(names) if own == name] for name in dict.fromkeys(names)}


class Predictor(Protocol):
    """Estimates right hands' parameters from images."""

    name: str  # for users

    def predict_batch(self, hands: Sequence[PredictorInput]) -> list[PosePrediction]:
        """Predict hands of any images in one batch."""
        ...


class NetworkPredictor:
    """Crops the hand, runs the network, and translates its hand to where the keypoints are.

    Args:
        path: a checkpoint, or a run's folder.
        model: the hand model that is fitted: one with the network's own pose and shape space.
        device: that the network computes on.
        precision: of the network: float32, bfloat16 or float16.

    Raises:
        UserError: an unknown precision.
        InputError: not a checkpoint, or one of another hand model.
    """

    def __init__(self, path: Path, model: str, device: str | torch.device = "cpu", precision: str = FLOAT32) -> None:
        self.loaded = load_network(path, device, precision)
        self.device = torch.device(device)
        file = self.loaded.path
        self.name = file.stem if is_weights(file) else str(file)
        own = self.loaded.model
        if not pose_compatible(own, model):
            raise InputError(
                f"{path}: was trained with the hand model {own!r}, whose pose space differs from that of {model!r}. "
                f"Expected the same one: give {{model}} {own}.",
                options=("model",),
            )
        self.view = input_view_of(self.loaded)

    def __call__(self, image: np.ndarray, intrinsics: np.ndarray, detection: Detection) -> PosePrediction:
        """One hand; see :meth:`predict_batch`."""
        return self.predict_batch([PredictorInput(image, intrinsics, detection)])[0]

    def predict_batch(self, hands: Sequence[PredictorInput]) -> list[PosePrediction]:
        """See :class:`Predictor`.

        Raises:
            InputError: the network's output is not finite.
        """
        known = self.loaded.network.hand.model.keypoint_sets
        predictions: dict[int, PosePrediction] = {}
        sets = [hand.detection.keypoint_set for hand in hands]
        names = [name if name in known else "openpose" for name in sets]
        for name, rows in group_rows(names).items():
            predictions |= zip(rows, self._predict([hands[row] for row in rows], name), strict=True)
        return [predictions[row] for row in range(len(hands))]

    def look(self, hands: Sequence[PredictorInput], keypoint_set: str) -> tuple[list[Window], S2HandOutput]:
        """What the network says of hands, each before a camera that looks at it, and the windows it sees them in.

        Args:
            hands: of any images.
            keypoint_set: definition of the output's joints.
        """
        windows = [self.view.of_photo(hand.detection.keypoints) for hand in hands]
        crops = [window.sample(hand.image, repeat=False) for window, hand in zip(windows, hands, strict=True)]
        pictures = torch.tensor(np.stack(crops)).permute(0, 3, 1, 2).contiguous()
        K = torch.tensor(usual_intrinsics(), dtype=torch.float32).expand(len(crops), 3, 3)
        with torch.no_grad():
            output = self.loaded.network(pictures.to(self.device), K.to(self.device), keypoint_set, branch=False)
        return windows, output

    def _predict(self, hands: Sequence[PredictorInput], keypoint_set: str) -> list[PosePrediction]:
        """Hands whose keypoints follow one definition."""
        # The network sees a crop as if the camera looked at its middle; the rotation to the photo's ray is added below.
        windows, output = self.look(hands, keypoint_set)
        network = self.loaded.network
        with torch.no_grad():
            rotation = network.turn(output.hand).cpu().double()
            pose = network.hand.absolute_pose(pca=output.hand.pose).cpu().double()
            hand = HandVector(*(part.cpu().double() for part in output.hand))
            joints = output.joints.cpu().double()
        predictions = []
        for row, (window, (_, intrinsics, detection)) in enumerate(zip(windows, hands, strict=True)):
            ray = np.linalg.solve(intrinsics, np.array([*window.centre, 1.0]))
            turn = rotation_to_ray(torch.tensor(ray)[None])[0] @ torch.as_tensor(window.rotation.T)
            # Size and distance are ambiguous in one image: the hand keeps the model's size.
            points = (joints[row] - hand.translation[row]) / float(hand.scale[row].abs()) @ turn.T
            if not bool(torch.isfinite(points).all()):
                raise non_finite_error(self.loaded.path)
            translation = solve_translation(points, detection.keypoints, intrinsics)
            predictions.append(
                PosePrediction(
                    (turn @ rotation[row]).numpy(), translation.numpy(), pose[row].numpy(), hand.shape[row].numpy()
                )
            )
        return predictions


def load_predictor(
    checkpoint: str | None, model: str = "open", device: str = "cpu", precision: str = "float32"
) -> Predictor | None:
    """The predictor of a checkpoint.

    Args:
        checkpoint: a file or run folder of ``handsss train``, a weights file, or the name of bundled weights. "auto":
            the bundled weights if they were trained with this hand model, else no network. "none" or None: no network.
        model: name of the hand model that is fitted.
        device: of the network: auto, cpu, cuda or cuda:NUMBER.
        precision: of the network: float32, bfloat16 or float16.

    Returns:
        None without a network: the fit then starts from keypoints alone.

    Raises:
        UserError: no such device here, or an unknown precision.
        InputError: not a checkpoint, or one of another hand model.
    """
    if checkpoint is None or checkpoint == NONE:
        return None
    if checkpoint == AUTO:
        if model not in OPEN_MODELS:
            return None
        checkpoint = str(bundled(OPEN))  # even if the working folder holds a file of its name
    return NetworkPredictor(Path(checkpoint), model, choose_device(device), precision)
