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
_TOGETHER = 32  # hands whose Jacobians are held at once


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
    weights: Tensor | None = None,
    priors: Literal["once", "each"] = "once",
) -> SharedFit:
    """Minimise the robust cost of all photos by Levenberg-Marquardt; each photo's own parameters are eliminated from
    the normal equations (Schur complement), so time grows linearly with the photos.

    Args:
        problem: its residuals.
        parameters: where to start, [B]; shared parameters are the same in all (see :func:`share`).
        observation: of each photo, [B].
        shared: which parameters.
        iterations: at most.
        weights: [B] > 0 factors on the photos' costs; all the same if left out.
        priors: those of shared parameters count once, or with each photo.
    """
    count = len(parameters.pose)
    trust = torch.ones(count, dtype=torch.float64) if weights is None else weights
    common = torch.zeros(PARAMETERS, dtype=torch.bool)
    common[SHAPE] = True
    once = [problem.columns["shape"]]
    if shared == "pose and shape":
        common[POSE] = True
        once += [problem.columns["disagreement"], problem.columns["pose"]]
    residuals = problem.residuals(parameters, observation)
    share_of = torch.ones_like(residuals)
    for columns in once if priors == "once" else ():
        share_of[:, columns] = (count * trust[:, None]).rsqrt()  # a prior of one thing counts once

    def valued(residuals: Tensor) -> tuple[Tensor, float]:
        cost, roots = problem.robust(residuals * share_of)
        return roots * share_of * trust.sqrt()[:, None], float((cost * trust).sum())

    roots, cost = valued(residuals)
    damping = 1e-2
    for _ in range(iterations):
        normal = _normal_equations(problem, parameters, observation, residuals, roots, common)
        improved = False
        while not improved and damping < 1e6:
            delta = _step(normal, damping, common)
            candidate = retract(parameters, delta)
            moved = problem.residuals(candidate, observation)
            new_roots, new_cost = valued(moved)
            improved = new_cost < cost
            damping = max(damping * (0.3 if improved else 5), 1e-6)
        if not improved:
            break
        relative = (cost - new_cost) / max(cost, 1e-9)
        parameters, residuals, roots, cost = candidate, moved, new_roots, new_cost
        if relative < _STILL:
            break
    return SharedFit(parameters, cost)


class _Normal(NamedTuple):
    """Normal equations: each hand's own parameters (O), the shared ones (S), and what couples them."""

    own: Tensor  # [B, O, O]
    cross: Tensor  # [B, O, S]
    own_gradient: Tensor  # [B, O, 1]
    shared: Tensor  # [S, S]
    shared_gradient: Tensor  # [S, 1]


def _normal_equations(
    problem: KeypointProblem,
    parameters: HandParameters,
    observation: Observation,
    residuals: Tensor,
    roots: Tensor,
    common: Tensor,
) -> _Normal:
    """Some hands at a time: a Jacobian takes far more memory than what is kept of it."""
    parts = []
    for rows in torch.arange(len(residuals)).split(_TOGETHER):
        slopes = jacobian(problem, parameters.select(rows), observation.select(rows), residuals[rows])
        slopes = slopes * roots[rows][..., None]
        weighted = (residuals[rows] * roots[rows])[..., None]
        own, shared = slopes[..., ~common], slopes[..., common]
        transposed = own.transpose(1, 2)
        parts.append(
            _Normal(
                transposed @ own,
                transposed @ shared,
                transposed @ weighted,
                (shared.transpose(1, 2) @ shared).sum(0),
                (shared.transpose(1, 2) @ weighted).sum(0),
            )
        )
    own_h, cross, own_g, shared_h, shared_g = zip(*parts, strict=True)
    return _Normal(torch.cat(own_h), torch.cat(cross), torch.cat(own_g), sum(shared_h), sum(shared_g))


def _step(normal: _Normal, damping: float, common: Tensor) -> Tensor:
    """The update [B, P]: the own parameters are eliminated, the shared ones solved, the own ones follow."""
    left = normal.own + torch.diag_embed(damping * (normal.own.diagonal(dim1=1, dim2=2) + 1e-3))
    right = normal.shared + torch.diag(damping * (normal.shared.diagonal() + 1e-3))
    solved = torch.linalg.solve(left, torch.cat([normal.cross, normal.own_gradient], 2))
    crossed = normal.cross.transpose(1, 2)
    reduced = right - (crossed @ solved[..., :-1]).sum(0)
    target = normal.shared_gradient - (crossed @ solved[..., -1:]).sum(0)
    step = -torch.linalg.solve(reduced, target)
    delta = torch.zeros(len(solved), PARAMETERS, dtype=torch.float64)
    delta[:, common] = step[:, 0]
    delta[:, ~common] = -(solved[..., -1] + solved[..., :-1] @ step[:, 0])
    bounded: Tensor = delta / (delta[:, :3].norm(dim=1).max() / 0.5).clamp_min(1)  # as in levenberg_marquardt
    return bounded


_LEAST_EXCESS = 20.0  # squared standard deviations that a shared shape may cost any photo
_LEAST_COST = 60.0  # that any photo may cost
_USUAL = 3.0  # times the photos' median
_ROUNDS = 3  # of reweighting
LEAST_WEIGHT = 0.02


class OneShape(NamedTuple):
    """Hands of one shape."""

    parameters: HandParameters  # [B]; shapes are equal
    weights: Tensor  # [B] 0..1: how far each photo agrees with the others


@torch.no_grad()
def fit_one_shape(problem: KeypointProblem, alone: HandParameters, observation: Observation) -> OneShape:
    """One shape for the hands of several photos, robustly: photos that cost much more than the others, or that it costs
    much more (a wrong fit, a hand of other proportions), count less.

    The prior of the shape counts with each photo: errors of keypoints go together from photo to photo, and what a wrong
    camera does to perspective too, so that their number says less than it seems. Counted once, the prior let the hand's
    size drift (docs/lab/same-hand.md).

    Args:
        problem: its residuals.
        alone: each photo's own fit, [B].
        observation: of each photo, [B].
    """
    middle = alone.select(0)._replace(shape=alone.shape.median(0, keepdim=True).values)
    fit = SharedFit(share(alone, "shape", middle), 0.0)
    own = _cost_without_shape(problem, alone, observation)
    weights = torch.ones_like(own)
    for _ in range(_ROUNDS):
        fit = fit_shared(problem, fit.parameters, observation, "shape", weights=weights, priors="each")
        cost = _cost_without_shape(problem, fit.parameters, observation)
        weights = torch.minimum(_agreement((cost - own).clamp_min(0), _LEAST_EXCESS), _agreement(cost, _LEAST_COST))
    return OneShape(fit.parameters, weights)


def _agreement(cost: Tensor, least: float) -> Tensor:
    """Weights [B] of photos by what each of them costs [B] (Geman-McClure, full up to what is usual)."""
    usual = (_USUAL * cost.median()).clamp_min(least)
    return (usual / (usual + cost)).square().mul(4).clamp(LEAST_WEIGHT, 1)


def _cost_without_shape(problem: KeypointProblem, parameters: HandParameters, observation: Observation) -> Tensor:
    residuals = problem.residuals(parameters, observation)
    cost, _ = problem.robust(residuals)
    return cost - residuals[:, problem.columns["shape"]].square().sum(1)
