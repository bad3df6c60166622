"""How sure a fit is by its own account: the Gaussian (Laplace) approximation of the posterior at the fitted hand."""

from __future__ import annotations

import torch
from torch import Tensor

from handsss.fitting.levenberg_marquardt import DIFFERENCE, moved_by_differences
from handsss.fitting.observation import Observation
from handsss.fitting.problem import PARAMETERS, HandParameters, KeypointProblem

_DAMPING = 1e-6  # added to the diagonal of the normal equations, squared reciprocal standard deviations


@torch.no_grad()
def aligned_deviations(problem: KeypointProblem, hands: HandParameters, observation: Observation) -> Tensor:
    """Standard deviations of the keypoints after a similarity alignment, which takes place, turn and size away.

    ``C = (J' W J)^-1`` with the Jacobian J of all residuals and their robust weights W; keypoints move by ``K C K'``, K
    being their Jacobian without the seven directions in which a similarity moves them.

    Args:
        problem: its residuals.
        hands: fitted hands [B].
        observation: of each hand, [B].

    Returns:
        [B, 21] metres: root of the summed variances of x, y and z.
    """
    batch = len(hands.pose)
    points, local = problem.keypoints(hands)
    residuals = problem.residuals_of(hands, points, local, observation)
    _, weights = problem.robust(residuals)
    moved, rows = moved_by_differences(hands)
    moved_points, moved_local = problem.keypoints(moved)
    changes = problem.residuals_of(moved, moved_points, moved_local, observation.select(rows))
    slopes = (changes.reshape(batch, PARAMETERS, -1) - residuals[:, None]) / DIFFERENCE * weights[:, None]
    covariance = torch.linalg.inv(
        slopes @ slopes.transpose(1, 2) + _DAMPING * torch.eye(PARAMETERS, dtype=torch.float64)
    )
    flow = (moved_points.reshape(batch, PARAMETERS, -1) - points.reshape(batch, 1, -1)) / DIFFERENCE  # [B, P, 63]
    directions = similarity_directions(points)
    flow = flow - (flow @ directions) @ directions.transpose(1, 2)
    variance = torch.einsum("bpk,bpq,bqk->bk", flow, covariance, flow)
    return variance.reshape(batch, 21, 3).sum(-1).clamp_min(0).sqrt()


def similarity_directions(points: Tensor) -> Tensor:
    """[B, 63, 7] orthonormal: how points [B, 21, 3] move under translations, turns about their middle and growth."""
    batch = len(points)
    centred = points - points.mean(1, keepdim=True)
    eye = torch.eye(3, dtype=points.dtype)
    shifts = eye.expand(batch, 21, 3, 3)  # [..., coordinate, direction]
    turns = torch.stack([torch.linalg.cross(axis.expand_as(centred), centred, dim=-1) for axis in eye], -1)
    growth = centred[..., None]
    every = torch.cat([shifts, turns, growth], -1).reshape(batch, 63, 7)
    return torch.linalg.qr(every).Q
