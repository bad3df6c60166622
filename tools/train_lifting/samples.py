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

from handsss.data.synthetic.poses import grasp_pose
from handsss.fitting.problem import FitSettings, PoseSpace, reduced_model
from handsss.geometry.rotations import axis_angle_to_matrix
from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model
from handsss.hand.model import HandModel
from handsss.hand.sampling import sample_poses

KEYPOINT_SET = "mediapipe"
_VIEWS = 4  # of a hand in one batch

# Of errors over the hand's radius in the picture (root mean square about its middle).
_MEDIAN_ERROR, _SPREAD, _LARGEST = 0.15, 0.75, 1.2
_OF_LEVEL = (1.04, 0.74, 0.57, 0.61, 0.81)  # wrist, then knuckle to tip, relative to the picture's
_ALONG, _ACROSS, _PALM = (
    0.7,
    0.45,
    0.6,
)  # correlations: of neighbours on a finger, of neighbouring fingers; palm's share
# logit(confidence) = slope * log(size of error / pivot) + noise
_SLOPE, _PIVOT, _DOUBT = -2.6, 0.19, 1.2


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


def error_factor() -> Tensor:
    """Cholesky factor [21, 21] of the errors' covariance in one direction; mean square length 1 in two."""
    level = np.arange(4)
    along = _ALONG ** np.abs(level[:, None] - level)
    across = _ACROSS ** np.abs(np.arange(5)[:, None] - np.arange(5))
    covariance = np.zeros((21, 21))
    covariance[1:, 1:] = np.kron(across, along)
    covariance[0, 0] = 1
    # What moves the palm moves wrist and knuckles, and less of what hangs on them.
    palm = np.array([0.7, *([1.0, 0.5, 0.2, 0.0] * 5)])
    covariance = (1 - _PALM) * covariance + _PALM * (np.outer(palm, palm) + np.diag(1 - palm**2))
    size = np.array([_OF_LEVEL[0], *(_OF_LEVEL[1:] * 5)])
    covariance *= np.outer(size, size)
    return torch.as_tensor(np.linalg.cholesky(covariance / (2 * np.trace(covariance) / 21)), dtype=torch.float32)


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
        radius = (rays - rays.mean(1, keepdim=True)).square().sum(-1).mean(1).sqrt()
        size = (_MEDIAN_ERROR * torch.exp(_SPREAD * self.normal(count, 1))).clamp(max=_LARGEST)
        of_finger = torch.exp(0.35 * self.normal(count, 5)).repeat_interleave(4, 1)
        size = size * torch.cat([torch.ones(count, 1), of_finger], 1)
        size = torch.where(self.uniform(count, 1) < settings.clean, 0.0, size)
        error = (self.factor @ self.normal(count, 21, 2)) * size[..., None]
        # A finger that was taken for another, or for something else: all of it goes, its tip most.
        finger = (self.uniform(count, 1) * 5).long()
        gross = (torch.arange(20) // 4 == finger) & (self.uniform(count, 1) < settings.gross)
        reach = torch.tensor([0.2, 0.5, 0.8, 1.0]).repeat(5) * gross
        error[:, 1:] += 0.7 * reach[..., None] * self.normal(count, 1, 2)
        size[:, 1:] += 0.3 * reach
        trust = torch.sigmoid(_SLOPE * (size.clamp_min(0.02) / _PIVOT).log() + _DOUBT * self.normal(count, 21))
        lost = (self.uniform(count, 1) < settings.dropped) & (self.uniform(count, 21) < 0.4 * self.uniform(count, 1))
        confidence = torch.where(lost, 0.0, trust.clamp_min(1e-3))
        return rays + error * radius[:, None, None], confidence


def quaternion_to_matrix(values: Tensor) -> Tensor:
    """Rotations [B, 3, 3] of quaternions [B, 4] of any length; of Gaussian ones: even over all rotations."""
    w, x, y, z = torch.nn.functional.normalize(values, dim=1).unbind(1)
    rows = [
        torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], 1),
        torch.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], 1),
        torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], 1),
    ]
    return torch.stack(rows, 1)
