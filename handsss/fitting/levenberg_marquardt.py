"""Levenberg-Marquardt over many hypotheses of many hands at once, with robust reweighting."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from handsss.fitting.observation import Observation
from handsss.fitting.problem import PARAMETERS, HandParameters, KeypointProblem, retract

DIFFERENCE = 1e-6  # of forward differences
_STILL = 1e-4  # relative change of the cost below which a step brought nothing


class FitState(NamedTuple):
    """Hypotheses and what they cost."""

    parameters: HandParameters
    cost: Tensor  # [B] robust cost, squared standard deviations


class _Work(NamedTuple):
    """Hypotheses between two steps."""

    parameters: HandParameters
    residuals: Tensor  # [B, M]
    weights: Tensor  # [B, M] square roots
    cost: Tensor  # [B]
    damping: Tensor  # [B]

    def select(self, index: Tensor) -> _Work:
        return _Work(self.parameters.select(index), *(value[index] for value in self[1:]))


def moved_by_differences(parameters: HandParameters, count: int = PARAMETERS) -> tuple[HandParameters, Tensor]:
    """Hands [B * P] moved by ``DIFFERENCE`` along each of the first P parameters, and [B * P] which hand each is."""
    batch = len(parameters.pose)
    rows = torch.arange(batch).repeat_interleave(count)
    deltas = (torch.eye(PARAMETERS, dtype=torch.float64)[:count] * DIFFERENCE).repeat(batch, 1)
    return retract(parameters.select(rows), deltas), rows


def jacobian(
    problem: KeypointProblem,
    parameters: HandParameters,
    observation: Observation,
    residuals: Tensor | None = None,
    free: int = PARAMETERS,
) -> Tensor:
    """[B, M, P] of the residuals by forward differences in float64: all directions of all hypotheses are one batch of
    the layer.

    Args:
        residuals: [B, M] at the parameters, where they are known.
        free: P, the first parameters; the shape comes last.
    """
    if residuals is None:
        residuals = problem.residuals(parameters, observation)
    batch, count = residuals.shape
    hands, rows = moved_by_differences(parameters, free)
    moved = problem.residuals(hands, observation.select(rows))
    moved = moved.reshape(batch, free, count)
    return ((moved - residuals[:, None]) / DIFFERENCE).transpose(1, 2)


def _improve(problem: KeypointProblem, work: _Work, observation: Observation, free: int) -> tuple[_Work, Tensor]:
    """One step of every hypothesis, taken where it lowers the cost, and [B] whether that still brings something."""
    slopes = jacobian(problem, work.parameters, observation, work.residuals, free) * work.weights[..., None]
    gradient = (slopes.transpose(1, 2) @ (work.residuals * work.weights)[..., None])[..., 0]
    hessian = slopes.transpose(1, 2) @ slopes
    diagonal = hessian.diagonal(dim1=1, dim2=2)
    damped = hessian + torch.diag_embed(work.damping[:, None] * (diagonal + 1e-3))
    delta = -torch.linalg.solve(damped, gradient)
    # A turn of more than half a radian a step leaves the region in which the linearisation means anything.
    delta = delta / (delta[:, :3].norm(dim=1, keepdim=True) / 0.5).clamp_min(1)
    candidate = retract(work.parameters, torch.nn.functional.pad(delta, (0, PARAMETERS - free)))
    residuals = problem.residuals(candidate, observation)
    cost, weights = problem.robust(residuals)
    better = cost < work.cost  # False for NaN: such a step is never taken
    relative = torch.where(better, work.cost - cost, 0.0) / work.cost.clamp_min(1e-9)
    taken = _Work(
        HandParameters(
            *(
                torch.where(better.reshape(-1, *[1] * (old.ndim - 1)), new, old)
                for old, new in zip(work.parameters, candidate, strict=True)
            )
        ),
        torch.where(better[:, None], residuals, work.residuals),
        torch.where(better[:, None], weights, work.weights),
        torch.where(better, cost, work.cost),
        torch.where(better, work.damping * 0.3, work.damping * 5).clamp(1e-6, 1e4),
    )
    return taken, ~(better & (relative < _STILL))


@torch.no_grad()
def minimise(
    problem: KeypointProblem,
    parameters: HandParameters,
    observation: Observation,
    iterations: int,
    hand: Tensor | None = None,
    free: int = PARAMETERS,
) -> FitState:
    """Minimise the robust cost from every hypothesis.

    A step is taken where it lowers the cost; elsewhere the damping grows. A hand is done early when none of its
    hypotheses moves: it ends the same whichever hands are fitted beside it.

    Args:
        problem: its residuals.
        parameters: hypotheses [B].
        observation: of their hand, or of each hypothesis's.
        iterations: at most.
        hand: [B] numbers of the hands that hypotheses are of; one hand if left out.
        free: number of the first parameters that move; ``SHAPE.start`` keeps shapes as they are.
    """
    residuals = problem.residuals(parameters, observation)
    cost, weights = problem.robust(residuals)
    work = _Work(parameters, residuals, weights, cost, torch.full_like(cost, 1e-2))
    hand = torch.zeros(len(cost), dtype=torch.long) if hand is None else hand
    rows = torch.arange(len(cost))  # of the hypotheses that are still at work
    ended = FitState(parameters.copy(), cost.clone())
    for iteration in range(iterations):
        work, brings = _improve(problem, work, observation, free)
        moving = torch.isin(hand, hand[brings])
        if iteration + 1 < iterations and bool(moving.all()):
            continue
        ended.parameters.assign(rows, work.parameters)
        ended.cost[rows] = work.cost
        if not bool(moving.any()):
            break
        rows, hand = rows[moving], hand[moving]
        work, observation = work.select(moving), observation.select(moving)
    return ended
