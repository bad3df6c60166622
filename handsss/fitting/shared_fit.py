"""Several photos of one hand fitted together: some parameters are shared (the shape of one person's hand; the pose too,
where the photos show one pose from several sides), the others are each photo's own."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from handsss.fitting.levenberg_marquardt import jacobian
from handsss.fitting.observation import Observation
from handsss.fitting.problem import PARAMETERS, POSE, SHAPE, HandParameters, KeypointProblem, retract

Shared = Literal["shape", "pose and shape"]
_STILL = 1e-5  # relative change of the cost below which a step brought nothing


class SharedFit(NamedTuple):
    """Hands that share parameters."""

    parameters: HandParameters  # [B]; the shared ones are equal in all
    cost: float  # squared standard deviations over all photos; priors of shared parameters count once


def share(parameters: HandParameters, shared: Shared, like: HandParameters) -> HandParameters:
    """The hands [B] with the shared parameters of another one [1]."""
    count = len(parameters.pose)
    changed = parameters._replace(shape=like.shape.expand(count, -1).clone())
    if shared == "shape":
        return changed
    return changed._replace(
        pose=like.pose.expand(count, -1).clone(),
        prior_mean=like.prior_mean.expand(count, -1).clone(),
        prior_std=like.prior_std.expand(count, -1).clone(),
        prior_disagreement=like.prior_disagreement.expand(count, -1).clone(),
    )


@torch.no_grad()
def fit_shared(
    problem: KeypointProblem,
    parameters: HandParameters,
    observation: Observation,
    shared: Shared,
    iterations: int = 20,
) -> SharedFit:
    """Minimise the robust cost of all photos by Levenberg-Marquardt; each photo's own parameters are eliminated from
    the normal equations (Schur complement), so time grows linearly with the photos.

    Args:
        problem: its residuals.
        parameters: where to start, [B]; shared parameters are the same in all (see :func:`share`).
        observation: of each photo, [B].
        shared: which parameters.
        iterations: at most.
    """
    count = len(parameters.pose)
    common = torch.zeros(PARAMETERS, dtype=torch.bool)
    common[SHAPE] = True
    once = [problem.columns["shape"]]
    if shared == "pose and shape":
        common[POSE] = True
        once += [problem.columns["disagreement"], problem.columns["pose"]]
    residuals = problem.residuals(parameters, observation)
    share_of = torch.ones_like(residuals[0])
    for columns in once:
        share_of[columns] = count**-0.5  # a prior of one thing counts once

    def valued(residuals: Tensor) -> tuple[Tensor, float]:
        cost, weights = problem.robust(residuals * share_of)
        return weights * share_of, float(cost.sum())

    weights, cost = valued(residuals)
    damping = 1e-2
    for _ in range(iterations):
        slopes = jacobian(problem, parameters, observation, residuals) * weights[..., None]
        weighted = (residuals * weights)[..., None]
        own, together = slopes[..., ~common], slopes[..., common]
        own_h = own.transpose(1, 2) @ own
        cross = own.transpose(1, 2) @ together
        shared_h = (together.transpose(1, 2) @ together).sum(0)
        own_g = own.transpose(1, 2) @ weighted
        shared_g = (together.transpose(1, 2) @ weighted).sum(0)
        improved = False
        while not improved and damping < 1e6:
            left = own_h + torch.diag_embed(damping * (own_h.diagonal(dim1=1, dim2=2) + 1e-3))
            right = shared_h + torch.diag(damping * (shared_h.diagonal() + 1e-3))
            solved = torch.linalg.solve(left, torch.cat([cross, own_g], 2))
            reduced = right - (cross.transpose(1, 2) @ solved[..., :-1]).sum(0)
            target = shared_g - (cross.transpose(1, 2) @ solved[..., -1:]).sum(0)
            step = -torch.linalg.solve(reduced, target)
            delta = torch.zeros(count, PARAMETERS, dtype=torch.float64)
            delta[:, common] = step[:, 0]
            delta[:, ~common] = -(solved[..., -1] + solved[..., :-1] @ step[:, 0])
            delta /= (delta[:, :3].norm(dim=1).max() / 0.5).clamp_min(1)  # as in levenberg_marquardt
            candidate = retract(parameters, delta)
            moved = problem.residuals(candidate, observation)
            new_weights, new_cost = valued(moved)
            improved = new_cost < cost
            damping = max(damping * (0.3 if improved else 5), 1e-6)
        if not improved:
            break
        relative = (cost - new_cost) / max(cost, 1e-9)
        parameters, residuals, weights, cost = candidate, moved, new_weights, new_cost
        if relative < _STILL:
            break
    return SharedFit(parameters, cost)
