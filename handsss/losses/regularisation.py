"""Regularisation: E_beta, E_C, E_s, E_J, and the average-pose prior. Method, section 2; supplement, section 1."""

from __future__ import annotations

import torch
from torch import Tensor

from handsss.hand.model import LEAST_SPREAD
from handsss.losses.geometric import lengths


def shape_loss(shape: Tensor) -> Tensor:
    """E_beta: mean square of the shape coefficients [B, 10]."""
    return shape.square().mean()


def texture_loss(texture: Tensor, confidence: Tensor) -> Tensor:
    """E_C (supplement, equations 1-2): ``con_sum / n`` times the sum over vertices of the squared distance to the mean
    colour, zero for a vertex whose every channel lies inside mean +- 2 standard deviations; mean over the batch.

    Args:
        texture: [B, V, 3].
        confidence: [B, 21].
    """
    mean = texture.mean(1, keepdim=True)
    deviation = (texture - mean).square().mean(1, keepdim=True).sqrt().detach()
    usual = ((texture - mean).abs() <= 2 * deviation).all(-1)
    squared = torch.where(usual, torch.zeros_like(usual, dtype=texture.dtype), (texture - mean).square().sum(-1))
    return (confidence.sum(1) * squared.mean(1)).mean()


def scale_loss(joints: Tensor, mean_bone: float, *, squared: bool = True) -> Tensor:
    """E_s: squared (or, as in the released code, absolute) difference between the length of bone 9-10 and the
    dataset's average; mean over the batch.

    Args:
        joints: [B, 21, 3] m.
        mean_bone: m.
        squared: supplement True, released code False.
    """
    difference = lengths(joints[:, 10] - joints[:, 9]) - mean_bone
    return (difference.square() if squared else difference.abs()).mean()


def skeleton_loss(excess: Tensor) -> Tensor:
    """E_J (supplement, equations 3-4): mean over the 15 joints of how far azimuth, pitch and roll leave their range.

    Args:
        excess: [B, 15, 3] radians, see :meth:`handsss.hand.layer.HandLayer.limit_excess`.
    """
    return excess.abs().sum(-1).mean()


def average_pose_loss(pose: Tensor) -> Tensor:
    """The average-pose prior that E_J replaces: mean square of the pose coefficients [B, 30]."""
    return pose.square().mean()


def plausible_pose_loss(pose: Tensor, spread: Tensor) -> Tensor:
    """Mean square of the pose coefficients in units of their own spread: how unusual a pose is. Not the paper's: joint
    limits know no joint from its neighbours, whose flexions belong together; the spreads do.

    Args:
        pose: [B, P] coefficients.
        spread: [P or more] standard deviations of the hand model's coefficients; none counts as less than
            :data:`~handsss.hand.model.LEAST_SPREAD`.
    """
    return (pose / spread[: pose.shape[1]].clamp_min(LEAST_SPREAD)).square().mean()
