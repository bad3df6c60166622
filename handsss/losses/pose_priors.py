"""Priors on the pose coefficients: the average-pose prior that E_J replaces, and one scaled by their deviations."""

from __future__ import annotations

from torch import Tensor

from handsss.hand.model import LEAST_SPREAD


def average_pose(pose: Tensor) -> Tensor:
    """Average-pose prior: ``mean(theta^2)`` over coefficients and batch, instead of E_J.

    Source: the prior of earlier work that supplement, fig. 1 compares with. Setting: ``losses.pose_prior = "average"``,
    weight ``losses.w_J``. See docs/method.md, losses.

    Args:
        pose: [B, 30] pose coefficients about the mean pose.
    """
    return pose.square().mean()


def plausible_pose(pose: Tensor, deviation: Tensor) -> Tensor:
    """``mean((theta / sigma)^2)``: how unusual a pose is. Not the paper's: joint limits treat every joint alone, while
    flexions of neighbours are correlated, which the principal components capture.

    Weight: ``losses.w_plausible``.

    Args:
        pose: [B, P] pose coefficients about the mean pose.
        deviation: [P or more] standard deviations of the hand model's coefficients, clamped from below to
            :data:`~handsss.hand.model.LEAST_SPREAD`.
    """
    return (pose / deviation[: pose.shape[1]].clamp_min(LEAST_SPREAD)).square().mean()
