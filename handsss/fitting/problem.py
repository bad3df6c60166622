"""The keypoint fit as a non-linear least-squares problem: parameters, residuals, priors.

The fit solves for right hands only; callers mirror left ones. Every residual is divided by its standard deviation: the
sum of squares is (twice) a negative log posterior, and its terms need no further weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from handsss.fitting.depth import depth_residuals
from handsss.fitting.observation import Observation
from handsss.geometry.cameras import project
from handsss.geometry.rotations import axis_angle_to_matrix
from handsss.hand.joints import BONES
from handsss.hand.keypoint_sets import KeypointSet
from handsss.hand.layer import HandLayer, HandOutput
from handsss.hand.limits import limit_excess
from handsss.hand.model import LEAST_SPREAD, HandModel

# Columns of the parameter vector.
ROTATION, POSITION, POSE, SHAPE = slice(0, 3), slice(3, 6), slice(6, 51), slice(51, 61)
PARAMETERS = 61


@dataclass(frozen=True)
class FitSettings:
    """Standard deviations, robust scale and iteration counts of the fit."""

    keypoint_sigma: float = 0.009  # of the longer side of the keypoints' box, for a fully confident point
    robust_scale: float = 5.0  # sigmas at which a keypoint's pull starts to fade (Geman-McClure)
    bone_sigma: float = 0.20  # of a unit bone direction in the picture
    limit_sigma_deg: float = 3.0  # beyond a joint limit
    pose_weight: float = 1.0  # factor on the pose prior's residuals
    # Standard deviations of pose priors, in whitened coefficients (docs/lab/starts.md).
    lifted_std: float = 1.0  # about the lifting network's pose
    lifted_model_std: float = 3.0  # about the model's mean pose, beside a lifted pose, which already knows that prior
    predicted_std: float = 2.0  # about the pose of the image network
    # Pose priors should decide what keypoints leave open, and not pull at well-detected ones: the deviations above are
    # multiplied by a factor between these two, linear in the keypoints' mean confidence (0 to 1).
    prior_scale_unsure: float = 0.3
    prior_scale_sure: float = 1.6
    pose_floor: float = LEAST_SPREAD  # radians
    shape_weight: float = 1.0  # factor on the residuals of the shape prior N(0, 1)
    # The detector's 3D points: variance of each point is depth_sigma^2 + (depth_spread x its spread)^2.
    depth_sigma: float = 0.020  # metres
    depth_spread: float = 2.0
    depth_robust_scale: float = 3.0  # sigmas, as robust_scale
    starts: int = 8  # hypotheses that are refined
    first_iterations: int = 7
    final_iterations: int = 14

    def prior_scale(self, confidence: Tensor) -> float:
        """The factor on the standard deviations of pose priors, for keypoints with these confidences [21]."""
        return float(self.prior_scales(confidence[None]))

    def prior_scales(self, confidence: Tensor) -> Tensor:
        """[B, 1] :meth:`prior_scale` of hands [B, 21]."""
        mean = confidence.clamp(0, 1).mean(1, keepdim=True).double()
        return self.prior_scale_unsure + (self.prior_scale_sure - self.prior_scale_unsure) * mean


class HandParameters(NamedTuple):
    """Right hands: rigid transform, pose, shape, and a Gaussian prior on the pose. The leading dimension runs over
    hypotheses or hands. :meth:`under_model_prior` makes hands whose prior is the hand model's own."""

    rotation: Tensor  # [B, 3, 3]
    translation: Tensor  # [B, 3] metres
    pose: Tensor  # [B, 45] whitened coefficients of the pose space
    shape: Tensor  # [B, 10]
    prior_mean: Tensor  # [B, 45] whitened
    prior_std: Tensor  # [B, 1] whitened: 1 for the hand model's own prior
    prior_disagreement: Tensor  # [B, 1] squared standard deviations between the priors that were multiplied

    @classmethod
    def under_model_prior(
        cls, rotation: Tensor, translation: Tensor, pose: Tensor, shape: Tensor, prior_std: float = 1.0
    ) -> HandParameters:
        """Hands [B] under the hand model's own pose prior: a Gaussian about its mean pose, by default a unit one."""
        one = torch.ones_like(pose[:, :1])
        return cls(rotation, translation, pose, shape, torch.zeros_like(pose), prior_std * one, torch.zeros_like(one))

    @classmethod
    def concat(cls, hands: Sequence[HandParameters]) -> HandParameters:
        """Several batches as one."""
        return cls(*(torch.cat(values) for values in zip(*hands, strict=True)))

    def select(self, index: Tensor | int) -> HandParameters:
        """The hands at an index or a mask, as a batch."""
        chosen = torch.as_tensor(index).reshape(-1)
        return HandParameters(*(value[chosen] for value in self))

    def copy(self) -> HandParameters:
        """A copy that :meth:`assign` may change."""
        return HandParameters(*(value.clone() for value in self))

    def assign(self, index: Tensor, hands: HandParameters) -> None:
        """Overwrite the hands at an index or a mask, in place."""
        for own, value in zip(self, hands, strict=True):
            own[index] = value

    def with_pose_prior(self, pose: Tensor, std: float | Tensor) -> HandParameters:
        """The same hands with one more Gaussian prior on the pose: the product of both.

        ``a |x - m|^2 + b |x - n|^2 = (a + b) |x - mean|^2 + a b / (a + b) |m - n|^2``. The last term does not depend on
        the pose: it is kept, since it ranks hypotheses whose priors agree above others.

        Args:
            pose: [1 or B, 45] the mean of the new prior, whitened.
            std: its standard deviation; or [B, 1], each hand's.
        """
        own, other = self.prior_std.square().reciprocal(), std**-2
        mean = (own * self.prior_mean + other * pose) / (own + other)
        distance = (self.prior_mean - pose).square().sum(1, keepdim=True)
        disagreement = self.prior_disagreement + own * other / (own + other) * distance
        return self._replace(prior_mean=mean, prior_std=(own + other).rsqrt(), prior_disagreement=disagreement)


def reduced_model(model: HandModel, keypoint_set: KeypointSet) -> tuple[HandModel, KeypointSet]:
    """The vertices of a model that its keypoints depend on: the same keypoints, several times faster.

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


class KeypointProblem:
    """Residuals of hands against observed keypoints and priors."""

    def __init__(self, model: HandModel, keypoint_set: KeypointSet, settings: FitSettings) -> None:
        self.settings = settings
        self.full_keypoint_set = keypoint_set  # for the full mesh
        small, self.keypoint_set = reduced_model(model, keypoint_set)
        self.layer = HandLayer(small, flat_hand_mean=True, dtype=torch.float64)
        self.space = PoseSpace(model, settings.pose_floor)
        self._bones = torch.tensor(BONES)
        self._limits = torch.as_tensor(np.deg2rad(model.fit_limits_deg))  # [15, 3, 2]
        limits = limit_excess(torch.zeros(1, 15, 3, dtype=torch.float64), self._limits).numel()
        counts = {
            "keypoints": 42,
            "bones": 2 * len(BONES),
            "limits": limits,
            "disagreement": 1,
            "pose": 45,
            "shape": 10,
        }
        ends = np.cumsum(list(counts.values()))
        self.columns = {name: slice(end - counts[name], end) for name, end in zip(counts, ends, strict=True)}
        self.plain_columns = slice(42, int(ends[-1]))  # those that are not robust; depth follows

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
        """All residuals [B, M], in standard deviations, before robust weighting: keypoints come first (42), depth last
        (63, where there is any).

        Args:
            parameters: hands [B].
            observation: of one hand, or of B.
        """
        return self.residuals_of(parameters, *self.keypoints(parameters), observation)

    def residuals_of(
        self, parameters: HandParameters, points: Tensor, local: Tensor, observation: Observation
    ) -> Tensor:
        """:meth:`residuals`, given the hands' :meth:`keypoints` and local rotations."""
        settings = self.settings
        projected = project(points, observation.intrinsics)
        size = observation.size[..., None]
        keypoints, confidence = observation.keypoints, observation.confidence
        offsets = (projected - keypoints) * (confidence / (settings.keypoint_sigma * size))[..., None]
        start, end = self._bones[:, 0], self._bones[:, 1]
        detected = keypoints[..., end, :] - keypoints[..., start, :]
        length = detected.norm(dim=-1)
        # A bone seen end-on has no reliable direction: its weight grows with its length, up to 8 % of the hand.
        trust = (confidence[..., start] * confidence[..., end]).sqrt() * (length / (0.08 * size)).clamp(max=1)
        fitted = torch.nn.functional.normalize(projected[:, end] - projected[:, start], dim=-1, eps=1e-6)
        directions = (fitted - detected / length.clamp_min(1e-6)[..., None]) * (trust[..., None] / settings.bone_sigma)
        angles = self.layer.angles(local, axis_angle=self.space.axis_angle(parameters.pose))
        excess = limit_excess(angles, self._limits) / np.deg2rad(settings.limit_sigma_deg)
        batch = projected.shape[0]
        residuals = [
            offsets.reshape(batch, -1),
            directions.reshape(batch, -1),
            excess.reshape(batch, -1),
            parameters.prior_disagreement.sqrt() * settings.pose_weight,
            (parameters.pose - parameters.prior_mean) / parameters.prior_std * settings.pose_weight,
            parameters.shape * settings.shape_weight,
        ]
        if observation.world is not None:
            world, spread = observation.world[..., :3], observation.world[..., 3]
            certainty = (settings.depth_sigma**2 + (settings.depth_spread * spread).square()).rsqrt()
            residuals.append(depth_residuals(points, world, certainty).reshape(batch, -1))
        return torch.cat(residuals, 1)

    def robust(self, residuals: Tensor) -> tuple[Tensor, Tensor]:
        """Cost [B] and square-root weights [B, M] of iteratively reweighted least squares.

        Keypoints, and points of the depth evidence, are robust as points (their coordinates share a weight):
        Geman-McClure, ``s r^2 / (s + r^2)``.
        """
        weights = torch.ones_like(residuals)
        cost = residuals[:, self.plain_columns].square().sum(1)
        for columns, dimensions, scale in self._robust_groups(residuals):
            squared = residuals[:, columns].unflatten(1, (21, dimensions)).square().sum(-1)
            cost = cost + (scale * squared / (scale + squared)).sum(1)
            root = scale / (scale + squared)
            weights[:, columns] = root[..., None].expand(-1, -1, dimensions).flatten(1)
        return cost, weights

    def _robust_groups(self, residuals: Tensor) -> list[tuple[slice, int, float]]:
        """Columns, coordinates a point and squared robust scale of what is robust."""
        groups = [(slice(0, 42), 2, 2 * self.settings.robust_scale**2)]
        if residuals.shape[1] > self.plain_columns.stop:
            groups.append((slice(self.plain_columns.stop, None), 3, 3 * self.settings.depth_robust_scale**2))
        return groups


def retract(parameters: HandParameters, delta: Tensor) -> HandParameters:
    """Apply an update [B, 61] to hypotheses: the exponential map on the left of rotations, the logarithm of depth, and
    lateral moves over depth (a retraction from the tangent space)."""
    depth = parameters.translation[:, 2:]
    lateral = parameters.translation[:, :2] / depth + delta[:, 3:5]
    moved = depth * torch.exp(delta[:, 5:6].clamp(-1.0, 1.0))
    return HandParameters(
        axis_angle_to_matrix(delta[:, ROTATION]) @ parameters.rotation,
        torch.cat([lateral * moved, moved], 1),
        parameters.pose + delta[:, POSE],
        parameters.shape + delta[:, SHAPE],
        parameters.prior_mean,
        parameters.prior_std,
        parameters.prior_disagreement,
    )
