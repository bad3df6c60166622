"""Supervision of E_lifted: 3D hypotheses of the lifting network for 2D keypoints.

Reprojection does not constrain the joints' depths. The lifting network was trained on sampled poses of the open hand,
without images or labels. Its input are the keypoints and confidences of E_loc, so the data need nothing more.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from handsss.errors import UserError
from handsss.fitting.lifting import can_lift, open_lifting
from handsss.fitting.lifting_network import FILE, normalise
from handsss.fitting.problem import reduced_model
from handsss.geometry.cameras import unproject
from handsss.hand.layer import HandLayer
from handsss.hand.model import HandModel


class LiftedHands(NamedTuple):
    """3D hypotheses for 2D keypoints, without gradient."""

    joints: Tensor  # [B, H, 21, 3] m, rotated as in the camera's frame, at any position
    probability: Tensor  # [B, H] of being the best hypothesis
    confidence: Tensor  # [B] mean over the keypoints; 0 if none was detected


class LiftingTeacher:
    """Lifts batches of keypoints.

    Args:
        keypoint_set: definition of the keypoints, and of the joints.
        device: of both.
        path: of the network.
    """

    def __init__(self, keypoint_set: str, device: torch.device, path: Path = FILE) -> None:
        network, self.space, model = open_lifting(path, torch.float32)
        self.network = network.to(device)
        self.space.mean, self.space.basis = self.space.mean.to(device), self.space.basis.to(device)
        small, self.keypoint_set = reduced_model(model, model.keypoint_set(keypoint_set))
        self.layer = HandLayer(small, flat_hand_mean=True).to(device)

    @torch.no_grad()
    def __call__(self, keypoints: Tensor, confidence: Tensor, K: Tensor) -> LiftedHands:
        """Lift a batch of keypoints.

        Args:
            keypoints: [B, 21, 2] px.
            confidence: [B, 21] 0..1; 0 if not detected.
            K: [B, 3, 3] px.
        """
        with torch.autocast(keypoints.device.type, enabled=False):
            confidence = confidence.float()
            none = (confidence > 0).sum(1) == 0
            rays = unproject(keypoints.float(), torch.ones_like(confidence), K.float())
            inputs = normalise(rays[..., :2], torch.where(none[:, None], 1.0, confidence))
            lifted = self.network(inputs.features)
            rows, hypotheses = lifted.score.shape
            turn = inputs.turn[:, None] @ lifted.rotation
            output = self.layer(
                axis_angle=self.space.axis_angle(lifted.pose.flatten(0, 1)),
                shape=lifted.shape.flatten(0, 1),
                rotation=turn.flatten(0, 1),
            )
            joints = self.layer.keypoints(output, self.keypoint_set).reshape(rows, hypotheses, 21, 3)
        return LiftedHands(joints, lifted.score.softmax(1), confidence.mean(1))


def lifting_teacher(model: HandModel, keypoint_set: str, device: torch.device) -> LiftingTeacher:
    """The bundled lifting network, loaded once.

    Raises:
        UserError: it does not know the hand model.
    """
    if not can_lift(model):
        raise UserError(
            f"losses.w_lifted: the lifting network knows the open hand only, not {model.name!r}. Give "
            "losses.w_lifted=0."
        )
    return _teacher(keypoint_set, device)


@lru_cache(maxsize=4)
def _teacher(keypoint_set: str, device: torch.device) -> LiftingTeacher:
    return LiftingTeacher(keypoint_set, device)
