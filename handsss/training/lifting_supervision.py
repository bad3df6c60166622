"""What 2D keypoints say of the hand in space: the lifting network's hands, which E_lifted compares predictions with.

Reprojection leaves it open how far every joint is away. The lifting network has learned from sampled poses of the open
hand what hands look like from somewhere; no picture and no label of one went into it. It sees the same keypoints and
confidences that E_loc does, so nothing more is asked of the data.
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
    """Readings of the keypoints, none of which a gradient goes through."""

    joints: Tensor  # [B, H, 21, 3] m, turned as in the camera's frame, somewhere in space
    probability: Tensor  # [B, H] of being the nearest
    trust: Tensor  # [B] mean confidence of the keypoints; 0 where none was seen


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
        """The network's hands for keypoints.

        Args:
            keypoints: [B, 21, 2] px.
            confidence: [B, 21] 0..1; zero for what was not seen.
            K: [B, 3, 3] px.
        """
        with torch.autocast(keypoints.device.type, enabled=False):
            confidence = confidence.float()
            none = (confidence > 0).sum(1) == 0
            rays = unproject(keypoints.float(), torch.ones_like(confidence), K.float())
            seen = normalise(rays[..., :2], torch.where(none[:, None], 1.0, confidence))
            lifted = self.network(seen.features)
            rows, hypotheses = lifted.score.shape
            turn = seen.turn[:, None] @ lifted.rotation
            output = self.layer(
                axis_angle=self.space.axis_angle(lifted.pose.flatten(0, 1)),
                shape=lifted.shape.flatten(0, 1),
                rotation=turn.flatten(0, 1),
            )
            joints = self.layer.keypoints(output, self.keypoint_set).reshape(rows, hypotheses, 21, 3)
        return LiftedHands(joints, lifted.score.softmax(1), confidence.mean(1))


def lifting_teacher(model: HandModel, keypoint_set: str, device: torch.device) -> LiftingTeacher:
    """The teacher that comes along, read once.

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
