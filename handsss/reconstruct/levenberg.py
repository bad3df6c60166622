"""Levenberg-Marquardt over many hypotheses at once, with robust reweighting."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from handsss.reconstruct.fit_problem import PARAMETERS, HandParameters, KeypointProblem, Observation, step

_DIFFERENCE = 1e-6


class FitState(NamedTuple):
    """Hypotheses and what they cost."""

    parameters: HandParameters
    cost: Tensor  # [B] robust cost, squared standard deviations


def _jacobian(
    problem: KeypointProblem, parameters: HandParameters, residuals: Tensor, observation: Observation
) -> Tensor:
    """[B, M, P] by forward differences in float64: all directions of all hypotheses are one batch of the layer."""
    batch, count = residuals.shape
    repeated = HandParameters(*(value.repeat_interleave(PARAMETERS, 0) for value in parameters))
    deltas = (torch.eye(PARAMETERS, dtype=torch.float64) * _DIFFERENCE).repeat(batch, 1)
    moved = problem.residuals(step(repeated, deltas), observation).reshape(batch, PARAMETERS, count)
    return ((moved - residuals[:, None]) / _DIFFERENCE).transpose(1, 2)


@torch.no_grad()
def minimise(
    problem: KeypointProblem, parameters: HandParameters, observation: Observation, iterations: int
) -> FitState:
    """Minimise the robust cost from every hypothesis.

    A step is taken where it lowers the cost; elsewhere the damping grows. Stops early when no hypothesis moves.
    """
    residuals = problem.residuals(parameters, observation)
    cost, weights = problem.robust(residuals)
    damping = torch.full_like(cost, 1e-2)
    for _ in range(iterations):
        jacobian = _jacobian(problem, parameters, residuals, observation) * weights[..., None]
        gradient = (jacobian.transpose(1, 2) @ (residuals * weights)[..., None])[..., 0]
        hessian = jacobian.transpose(1, 2) @ jacobian
        diagonal = hessian.diagonal(dim1=1, dim2=2)
        damped = hessian + torch.diag_embed(damping[:, None] * (diagonal + 1e-3))
        delta = -torch.linalg.solve(damped, gradient)
        # A turn of more than half a radian a step leaves the region in which the linearisation means anything.
        delta = delta / (delta[:, :3].norm(dim=1, keepdim=True) / 0.5).clamp_min(1)
        candidate = step(parameters, delta)
        new_residuals = problem.residuals(candidate, observation)
        new_cost, new_weights = problem.robust(new_residuals)
        better = new_cost < cost  # False for NaN: such a step is never taken
        change = torch.where(better, cost - new_cost, torch.zeros_like(cost))
        parameters = HandParameters(
            *(
                torch.where(better.reshape(-1, *[1] * (old.ndim - 1)), new, old)
                for old, new in zip(parameters, candidate, strict=True)
            )
        )
        residuals = torch.where(better[:, None], new_residuals, residuals)
        weights = torch.where(better[:, None], new_weights, weights)
        damping = torch.where(better, damping * 0.3, damping * 5).clamp(1e-6, 1e4)
        relative = change / cost.clamp_min(1e-9)
        cost = torch.where(better, new_cost, cost)
        if bool(((relative < 1e-4) & better).all()):
            break
    return FitState(parameters, cost)
