"""A trained network as the predictor: its hand in the photo's camera."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from handsss.data.augment import upright_angle
from handsss.detect.types import Detection, bounding_box
from handsss.detect.warp import Square, warp
from handsss.errors import InputError
from handsss.hand.model import share_poses
from handsss.network.checkpoint import is_weights, load_network, no_numbers, view_of
from handsss.network.encoder import IMAGE
from handsss.network.precision import FLOAT32
from handsss.network.regressors import HandVector
from handsss.reconstruct.predictor import Prediction
from handsss.reconstruct.starts import place, rotation_to_ray

_MARGIN = 0.25  # around the keypoints' box, of its longer side, on every side: as the training crops are cut
_FOCAL = 480.0  # px: of the crops that networks are trained on, FreiHAND's and the open dataset's


class NetworkPredictor:
    """Cuts the hand out, runs the network, and places its hand where the keypoints are.

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
        if not share_poses(own, model):
            raise InputError(
                f"{path}: was trained with the hand model {own!r}, whose poses mean nothing to {model!r}. Expected the "
                f"same one: give --model {own}."
            )

        view = view_of(self.loaded)
        self.upright, self.fill = view.upright, view.close or 1 / (1 + 2 * _MARGIN)

    def __call__(self, image: np.ndarray, intrinsics: np.ndarray, detection: Detection) -> Prediction:
        """See :class:`handsss.reconstruct.predictor.Predictor`.

        Raises:
            InputError: the network predicts no numbers.
        """
        roll = _roll(detection.keypoints) if self.upright else 0.0
        axes = Square(np.zeros(2), 1.0, roll).axes()
        box = bounding_box(np.concatenate([detection.keypoints[:, :2] @ axes, detection.keypoints[:, 2:]], 1))
        centre = axes @ (0.5 * (box[:2] + box[2:]))
        side = max(float((box[2:] - box[:2]).max()), 1.0) / self.fill
        crop = warp(image, Square(centre, side, roll).to_picture(IMAGE), IMAGE, repeat=False)
        # The network sees the crop as if the camera looked at its middle.
        K = torch.tensor([[[_FOCAL, 0, IMAGE / 2], [0, _FOCAL, IMAGE / 2], [0, 0, 1]]])
        picture = torch.as_tensor(np.ascontiguousarray(crop, dtype=np.float32)).permute(2, 0, 1)[None]
        known = self.loaded.network.hand.model.keypoint_sets
        name = detection.keypoint_set if detection.keypoint_set in known else "openpose"
        with torch.no_grad():
            made = self.loaded.network(picture.to(self.device), K.to(self.device), name, branch=False)
            rotation = self.loaded.network.turn(made.hand).cpu()
            pose = self.loaded.network.hand.absolute_pose(pca=made.hand.pose).cpu()
            hand, joints = HandVector(*(part.cpu() for part in made.hand)), made.joints.cpu()
        scale = float(hand.scale[0].abs())
        ray = np.linalg.solve(intrinsics, np.array([*centre, 1.0]))
        turn = rotation_to_ray(torch.as_tensor(ray)[None])[0] @ _about_view(roll)
        # Size and distance cannot be told apart in one picture: the hand keeps its model's size.
        offset = hand.translation[0].double()
        points = (joints[0].double() - offset) / scale @ turn.T
        if not bool(torch.isfinite(points).all()):
            raise no_numbers(self.loaded.path)
        translation = place(points, detection.keypoints, intrinsics)
        return Prediction(
            rotation=(turn @ rotation[0].double()).numpy(),
            translation=translation.numpy(),
            axis_angle=pose[0].double().numpy(),
            shape=hand.shape[0].double().numpy(),
        )


def _roll(keypoints: np.ndarray) -> float:
    """By how much a hand's up (wrist to middle knuckle) is turned clockwise from the picture's, radians."""
    seen = np.where(np.isfinite(keypoints).all(1), keypoints[:, 2], 0.0)
    return -upright_angle(keypoints[:, :2], seen)


def _about_view(angle: float) -> Tensor:
    """The turn [3, 3] about the line of sight that takes the crop's up to the picture's."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return torch.tensor([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
