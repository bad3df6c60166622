"""The keypoint fit as a least-squares problem: parameters, residuals, priors.

Everything is solved for a right hand (a left one is mirrored by the caller) and every residual is in units of its own
standard deviation, so that the sum of squares is a negative log posterior and its terms need no further weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from handsss.geometry.cameras import project
from handsss.geometry.rotations import axis_angle_to_matrix
from handsss.hand.joints import BONES
from handsss.hand.keypoint_sets import KeypointSet
from handsss.hand.layer import HandLayer, HandOutput
from handsss.hand.model import LEAST_SPREAD, HandModel

# Columns of the parameter vector.
ROTATION, POSITION, POSE, SHAPE = slice(0, 3), slice(3, 6), slice(6, 51), slice(51, 61)
PARAMETERS = 61


@dataclass(frozen=True)
class FitSettings:
    """Standard deviations and sizes of the fit."""

    keypoint_sigma: float = 0.009  # of the longer side of the keypoints' box, for a fully confident point
    robust_scale: float = 10.0  # sigmas at which a keypoint's pull starts to fade (Geman-McClure)
    bone_sigma: float = 0.20  # of a unit bone direction in the picture
    limit_sigma_deg: float = 3.0  # beyond a joint limit
    pose_weight: float = 1.0  # pose coefficients count in units of their prior's spread times this
    lifted_spread: float = 1.0  # whitened: how far the lifting network's poses are trusted (docs/lab/starts.md)
    lifted_own_spread: float = 3.0  # the same of the hand model's own poses beside them, whose pull those have felt
    predicted_spread: float = 2.0  # the same of poses that a checkpoint's network saw in the picture
    # Expected poses should decide where keypoints cannot, and not pull at those that were seen well: both spreads times
    # a factor from here (nothing was surely seen) to there (everything was), by the mean confidence.
    spread_unsure: float = 0.3
    spread_sure: float = 1.6
    pose_floor: float = LEAST_SPREAD  # radians
    shape_weight: float = 1.0  # shape coefficients ~ N(0, 1) times this
    starts: int = 8  # hypotheses that are refined
    first_iterations: int = 7
    final_iterations: int = 14

    def lenience(self, confidence: Tensor) -> float:
        """The factor on spreads of expected poses for keypoints of such confidences [21]."""
        mean = float(confidence.clamp(0, 1).mean())
        return self.spread_unsure + (self.spread_sure - self.spread_unsure) * mean


class HandParameters(NamedTuple):
    """A right hand's placement, pose and shape, and what its pose is expected to be; leading dimension: hypotheses or
    hands. Make it with :func:`free_hands` where nothing is expected but the hand model's own poses."""

    rotation: Tensor  # [B, 3, 3]
    translation: Tensor  # [B, 3] metres
    pose: Tensor  # [B, 45] whitened coefficients of the pose space
    shape: Tensor  # [B, 10]
    expected: Tensor  # [B, 45] the middle of the pose prior, whitened
    spread: Tensor  # [B, 1] its standard deviation, whitened: 1 for the hand model's own prior
    doubt: Tensor  # [B, 1] squared standard deviations by which what is expected contradicts itself

    def pick(self, index: Tensor | int) -> HandParameters:
        chosen = torch.as_tensor(index).reshape(-1)
        return HandParameters(*(value[chosen] for value in self))

    def copy(self) -> HandParameters:
        """The same hands in memory of their own, for :meth:`put`."""
        return HandParameters(*(value.clone() for value in self))

    def put(self, index: Tensor, hands: HandParameters) -> None:
        """Set those that an index names, in place."""
        for own, value in zip(self, hands, strict=True):
            own[index] = value

    def believing(self, pose: Tensor, spread: float) -> HandParameters:
        """The same hands, expected to have a pose [1 or B, 45] too: the product of both Gaussians.

        ``a |x - m|^2 + b |x - n|^2 = (a + b) |x - middle|^2 + a b / (a + b) |m - n|^2``: the last part, which no pose
        can change, tells hypotheses that agree with what else is expected from others.
        """
        own, other = self.spread.square().reciprocal(), spread**-2
        middle = (own * self.expected + other * pose) / (own + other)
        apart = (self.expected - pose).square().sum(1, keepdim=True)
        doubt = self.doubt + own * other / (own + other) * apart
        return self._replace(expected=middle, spread=(own + other).rsqrt(), doubt=doubt)


def joined(hands: Sequence[HandParameters]) -> HandParameters:
    """Hands of several batches in one."""
    return HandParameters(*(torch.cat(values) for values in zip(*hands, strict=True)))


def free_hands(
    rotation: Tensor, translation: Tensor, pose: Tensor, shape: Tensor, spread: float = 1.0
) -> HandParameters:
    """Hands [B] under the hand model's own prior: a Gaussian about its mean pose, a unit one if nothing else is
    known."""
    one = torch.ones_like(pose[:, :1])
    middle, doubt = torch.zeros_like(pose), torch.zeros_like(one)
    return HandParameters(rotation, translation, pose, shape, middle, spread * one, doubt)


def reduced_model(model: HandModel, keypoint_set: KeypointSet) -> tuple[HandModel, KeypointSet]:
    """The part of a model that its keypoints depend on: exact, and several times faster to pose.

    The joints become 16 extra vertices of the template that are regressed from themselves.
    """
    columns = np.unique(keypoint_set.vertex_weights.indices)
    extra_tips = np.setdiff1d(model.tips, columns)
    columns = np.concatenate([columns, extra_tips])
    kept = len(columns)
    rest_joints = model.j_regressor @ model.v_template
    regressor = np.concatenate([np.zeros((16, kept)), np.eye(16)], 1)
    vertex_weights = csr_matrix(
        np.concatenate([keypoint_set.vertex_weights[:, columns].toarray(), np.zeros((21, 16))], 1)
    )
    small = replace(
        model,
        v_template=np.concatenate([model.v_template[columns], rest_joints]),
        faces=np.zeros((0, 3), dtype=np.int32),
        weights=np.concatenate([model.weights[columns], np.eye(16)]),
        shapedirs=np.concatenate(
            [model.shapedirs[columns], np.einsum("jv,vcs->jcs", model.j_regressor, model.shapedirs)]
        ),
        posedirs=np.concatenate([model.posedirs[columns], np.zeros((16, 3, 135))]),
        j_regressor=regressor,
        tips=np.array([int(np.flatnonzero(columns == tip)[0]) for tip in model.tips]),
        uv=None,
        uv_faces=None,
        nail_faces=None,
        keypoint_sets={},
    )
    return small, KeypointSet(keypoint_set.name, keypoint_set.joint_weights, vertex_weights)


class PoseSpace:
    """Whitened pose coefficients: a unit Gaussian in them is the model's pose prior."""

    def __init__(self, model: HandModel, floor: float, dtype: torch.dtype = torch.float64) -> None:
        spread = np.maximum(model.hands_std, floor)
        self.mean = torch.as_tensor(model.hands_mean, dtype=dtype)
        self.basis = torch.as_tensor(spread[:, None] * model.hands_components, dtype=dtype)  # [45, 45]
        self.inverse = torch.as_tensor(model.hands_components.T / spread, dtype=dtype)

    def axis_angle(self, coefficients: Tensor) -> Tensor:
        """[B, 45] coefficients to [B, 15, 3] radians relative to the flat hand."""
        return (self.mean + coefficients @ self.basis).reshape(-1, 15, 3)

    def coefficients(self, axis_angle: Tensor) -> Tensor:
        """The inverse of :meth:`axis_angle`."""
        return (axis_angle.reshape(-1, 45) - self.mean) @ self.inverse


class Observation(NamedTuple):
    """The 2D keypoints of one hand, as a right hand; or of several, with a leading dimension B beside as many hands."""

    keypoints: Tensor  # [21, 2] px
    confidence: Tensor  # [21] 0..1; zero for points that are not to be used
    intrinsics: Tensor  # [3, 3]

    @property
    def size(self) -> Tensor:
        """The longer side of the box of the confident keypoints, px (at least 1); [] or [B]."""
        unused = (self.confidence <= 0)[..., None]
        low = self.keypoints.masked_fill(unused, float("inf")).amin(-2)
        high = self.keypoints.masked_fill(unused, float("-inf")).amax(-2)
        return (high - low).amax(-1).clamp_min(1.0)

    def pick(self, index: Tensor) -> Observation:
        """Those of several hands [B] that an index names; the same one where there is only one."""
        return self if self.confidence.ndim == 1 else Observation(*(value[index] for value in self))


def several(observations: Sequence[Observation]) -> Observation:
    """Observations of one hand each as one of all."""
    return Observation(*(torch.stack(values) for values in zip(*observations, strict=True)))


class KeypointProblem:
    """Residuals of hands against what was observed."""

    def __init__(self, model: HandModel, keypoint_set: KeypointSet, settings: FitSettings) -> None:
        self.settings = settings
        self.whole_set = keypoint_set  # of the whole hand, where the reduced one is not needed
        small, self.keypoint_set = reduced_model(model, keypoint_set)
        self.layer = HandLayer(small, flat_hand_mean=True, dtype=torch.float64)
        self.space = PoseSpace(model, settings.pose_floor)
        self._bones = torch.tensor(BONES)

    def posed(self, parameters: HandParameters) -> tuple[HandOutput, Tensor]:
        """The reduced hands in the camera frame, and their local joint rotations [B, 15, 3, 3]."""
        local = axis_angle_to_matrix(self.space.axis_angle(parameters.pose))
        output = self.layer(
            matrices=local, shape=parameters.shape, rotation=parameters.rotation, translation=parameters.translation
        )
        return output, local

    def keypoints(self, parameters: HandParameters) -> tuple[Tensor, Tensor]:
        """Camera-frame keypoints [B, 21, 3] and local joint rotations [B, 15, 3, 3]."""
        output, local = self.posed(parameters)
        return self.layer.keypoints(output, self.keypoint_set), local

    def residuals(self, parameters: HandParameters, observation: Observation) -> Tensor:
        """All residuals [B, M], in standard deviations, before robust weighting: keypoints come first (42).

        Args:
            parameters: hands [B].
            observation: of one hand, or of B.
        """
        return self.compared(parameters, *self.keypoints(parameters), observation)

    def compared(self, parameters: HandParameters, points: Tensor, local: Tensor, observation: Observation) -> Tensor:
        """:meth:`residuals` of hands whose keypoints and local rotations are known already, see :meth:`keypoints`."""
        settings = self.settings
        projected = project(points, observation.intrinsics)
        size = observation.size[..., None]
        keypoints, confidence = observation.keypoints, observation.confidence
        offsets = (projected - keypoints) * (confidence / (settings.keypoint_sigma * size))[..., None]
        start, end = self._bones[:, 0], self._bones[:, 1]
        seen = keypoints[..., end, :] - keypoints[..., start, :]
        length = seen.norm(dim=-1)
        # A bone seen end-on has no direction to speak of: trust grows with its length over 8 % of the hand.
        trust = (confidence[..., start] * confidence[..., end]).sqrt() * (length / (0.08 * size)).clamp(max=1)
        made = torch.nn.functional.normalize(projected[:, end] - projected[:, start], dim=-1, eps=1e-6)
        directions = (made - seen / length.clamp_min(1e-6)[..., None]) * (trust[..., None] / settings.bone_sigma)
        excess = self.layer.limit_excess(local) / np.deg2rad(settings.limit_sigma_deg)
        batch = projected.shape[0]
        return torch.cat(
            [
                offsets.reshape(batch, -1),
                directions.reshape(batch, -1),
                excess.reshape(batch, -1),
                parameters.doubt.sqrt() * settings.pose_weight,
                (parameters.pose - parameters.expected) / parameters.spread * settings.pose_weight,
                parameters.shape * settings.shape_weight,
            ],
            1,
        )

    def robust(self, residuals: Tensor) -> tuple[Tensor, Tensor]:
        """Cost [B] and square-root weights [B, M] of iteratively reweighted least squares.

        Keypoints are robust as points (both coordinates share a weight): Geman-McClure, ``s r^2 / (s + r^2)``.
        """
        squared = residuals[:, :42].reshape(-1, 21, 2).square().sum(-1)
        scale = self.settings.robust_scale**2 * 2
        cost = (scale * squared / (scale + squared)).sum(1) + residuals[:, 42:].square().sum(1)
        root = scale / (scale + squared)
        weights = torch.ones_like(residuals)
        weights[:, :42] = root[..., None].expand(-1, -1, 2).reshape(-1, 42)
        return cost, weights


def step(parameters: HandParameters, delta: Tensor) -> HandParameters:
    """Move hypotheses by ``delta`` [B, 61]: rotations are turned from the left, depth moves in its logarithm."""
    depth = parameters.translation[:, 2:]
    lateral = parameters.translation[:, :2] / depth + delta[:, 3:5]
    moved = depth * torch.exp(delta[:, 5:6].clamp(-1.0, 1.0))
    return HandParameters(
        axis_angle_to_matrix(delta[:, ROTATION]) @ parameters.rotation,
        torch.cat([lateral * moved, moved], 1),
        parameters.pose + delta[:, POSE],
        parameters.shape + delta[:, SHAPE],
        parameters.expected,
        parameters.spread,
        parameters.doubt,
    )
