"""Hands to learn lifting from: poses of the open hand, seen from all round, as a detector would report them.

The detector's errors follow what it does on 1,853 rendered pictures with known truth (docs/lab/starts.md): sizes that
differ from picture to picture, errors that go along fingers and across the palm, confidences that know of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from handsss.data.online.detector_errors import ErrorDraws, ErrorRates, disturbed, error_factor
from handsss.data.synthetic.poses import grasp_pose
from handsss.fitting.problem import FitSettings, PoseSpace, reduced_model
from handsss.geometry.rotations import axis_angle_to_matrix, quaternion_to_matrix
from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model
from handsss.hand.model import HandModel
from handsss.hand.sampling import sample_poses

KEYPOINT_SET = "mediapipe"
_VIEWS = 4  # of a hand in one batch


@dataclass(frozen=True)
class SampleSettings:
    """What is drawn, and how often."""

    poses: int = 12000  # of the coupled sampler
    grasps: int = 600  # grasps and signs
    clean: float = 0.15  # share without errors
    gross: float = 0.08  # share of hands with a finger somewhere else
    dropped: float = 0.10  # share of hands with points that were not seen
    joints: float = 0.25  # share whose keypoints are the model's joints, as OpenPose's are taken


class Samples(NamedTuple):
    """Hands in a camera that looks near them, and what is seen of them."""

    rotation: Tensor  # [B, 3, 3]
    pose: Tensor  # [B, 45] whitened
    shape: Tensor  # [B, 10]
    points: Tensor  # [B, 21, 3] metres, true keypoints of KEYPOINT_SET
    rays: Tensor  # [B, 21, 2] reported, on the plane z = 1
    confidence: Tensor  # [B, 21]


class Sampler:
    """Draws samples; the same seed gives the same ones.

    Args:
        settings: see :class:`SampleSettings`.
        seed: of everything that is drawn.
    """

    def __init__(self, settings: SampleSettings, seed: int) -> None:
        self.settings = settings
        self.model: HandModel = load_model("open")
        self.generator = torch.Generator().manual_seed(seed)
        rng = np.random.default_rng(seed)
        poses = [sample_poses(self.model, min(2000, settings.poses), rng) for _ in range(-(-settings.poses // 2000))]
        grasps = np.stack([grasp_pose(self.model, rng) for _ in range(settings.grasps)])
        self.space = PoseSpace(self.model, FitSettings().pose_floor, torch.float32)
        self.common = self.space.coefficients(torch.as_tensor(np.concatenate(poses), dtype=torch.float32))
        self.grasps = self.space.coefficients(torch.as_tensor(grasps, dtype=torch.float32))
        small, self.keypoint_set = reduced_model(self.model, self.model.keypoint_set(KEYPOINT_SET))
        self.layer = HandLayer(small, flat_hand_mean=True)
        self.factor = error_factor()

    def normal(self, *size: int) -> Tensor:
        return torch.randn(*size, generator=self.generator)

    def uniform(self, *size: int) -> Tensor:
        return torch.rand(*size, generator=self.generator)

    def points(self, rotation: Tensor, pose: Tensor, shape: Tensor) -> tuple[Tensor, Tensor]:
        """Keypoints of KEYPOINT_SET and joints, [B, 21, 3] both, about the canonical origin."""
        local = axis_angle_to_matrix(self.space.axis_angle(pose))
        output = self.layer(matrices=local, shape=shape, rotation=rotation)
        return self.layer.keypoints(output, self.keypoint_set), output.joints

    def pose(self, count: int) -> Tensor:
        """One in three a grasp or sign, else of the coupled sampler; a third lie between two; all a little shaken."""

        def draw() -> Tensor:
            common = self.common[(self.uniform(count) * len(self.common)).long()]
            grasps = self.grasps[(self.uniform(count) * len(self.grasps)).long()]
            return torch.where(self.uniform(count, 1) < 0.35, grasps, common)

        first, second = draw(), draw()
        share = torch.where(self.uniform(count, 1) < 1 / 3, 0.5 * self.uniform(count, 1), 0.0)
        return first + share * (second - first) + 0.15 * self.normal(count, 45)

    def rotation(self, count: int) -> Tensor:
        """Palm or back to the camera with some lean, as hands are held up (two in five), or any view."""
        anyhow = quaternion_to_matrix(self.normal(count, 4))
        upright = torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
        sides = torch.pi * (self.uniform(count) < 0.5)
        zero = torch.zeros(count)
        lean = axis_angle_to_matrix(torch.stack([0.45 * self.normal(count), zero, zero], 1))
        turn = axis_angle_to_matrix(torch.stack([zero, sides + 0.65 * self.normal(count), zero], 1))
        held = lean @ turn @ upright
        return torch.where(self.uniform(count, 1, 1) < 0.4, held, anyhow)

    @torch.no_grad()
    def __call__(self, count: int) -> Samples:
        """``count`` samples; distances run from 25 cm to 1.6 m."""
        # Posing is what takes longest: each hand is looked at from several sides.
        hands = -(-count // _VIEWS)
        pose, shape = self.pose(hands), 0.8 * self.normal(hands, 10)
        still = torch.eye(3).expand(hands, 3, 3)
        pose, shape, points, joints = (
            value.repeat_interleave(_VIEWS, 0)[:count] for value in (pose, shape, *self.points(still, pose, shape))
        )
        rotation = self.rotation(count)
        points, joints = points @ rotation.transpose(1, 2), joints @ rotation.transpose(1, 2)
        middle = points.mean(1, keepdim=True)
        depth = 0.25 * torch.exp(self.uniform(count) * np.log(1.6 / 0.25))
        depth = torch.maximum(depth, 0.1 - (points - middle)[..., 2].amin(1))
        aside = 0.05 * self.normal(count, 2)
        place = torch.cat([aside * depth[:, None], depth[:, None]], 1)[:, None] - middle
        used = torch.where(self.uniform(count, 1, 1) < self.settings.joints, joints, points) + place
        rays = used[..., :2] / used[..., 2:]
        rays, confidence = self.detected(rays)
        return Samples(rotation, pose, shape, points + place, rays, confidence)

    def detected(self, rays: Tensor) -> tuple[Tensor, Tensor]:
        """What a detector makes of true rays [B, 21, 2]: rays and confidences [B, 21]."""
        count, settings = len(rays), self.settings
        draws = ErrorDraws(
            self.normal(count, 1),
            self.normal(count, 5),
            self.uniform(count, 1),
            self.normal(count, 21, 2),
            self.uniform(count, 1),
            self.uniform(count, 1),
            self.normal(count, 1, 2),
            self.normal(count, 21),
            self.uniform(count, 1),
            self.uniform(count, 21),
            self.uniform(count, 1),
        )
        return disturbed(rays, self.factor, draws, ErrorRates(settings.clean, settings.gross, settings.dropped))
