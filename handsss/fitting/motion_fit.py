"""Frames of a film fitted together: every frame's keypoints and priors, and the motion between frames, which is smooth.

The motion prior is that of a cubic smoothing spline: velocities change by white noise, whatever the times between
frames are. What a frame says weighs as much as its own fit is sure (the normal equations of all frames are solved as
one banded system), so doubtful frames follow their neighbours, and frames without keypoints are filled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from scipy.linalg import LinAlgError, solveh_banded
from torch import Tensor

from handsss.fitting.levenberg_marquardt import jacobian
from handsss.fitting.observation import Observation
from handsss.fitting.problem import (
    PARAMETERS,
    POSE,
    POSITION,
    ROTATION,
    SHAPE,
    HandParameters,
    KeypointProblem,
    retract,
)
from handsss.geometry.rotations import matrix_to_axis_angle, skew

FREE = SHAPE.start  # parameters of a frame; the shape is the track's
_TOGETHER = 32  # frames whose Jacobians are held at once
_STILL = 1e-4  # relative change of the cost below which a step brought nothing
_PALM = (0, 5, 9, 13, 17)  # keypoints whose middle is where the hand is


@dataclass(frozen=True)
class MotionSettings:
    """How hands move: roots of the spectral densities of accelerations (docs/lab/films.md)."""

    joints: float = 6.0  # radians / s^1.5, of joint angles
    rotation: float = 4.0  # radians / s^1.5
    position: float = 0.2  # metres / s^1.5
    # Errors of keypoints go together from frame to frame: a frame's evidence counts this share.
    evidence: float = 0.1


class MotionFit(NamedTuple):
    """Hands of a track."""

    parameters: HandParameters  # [F]
    cost: float  # squared standard deviations


class _Terms(NamedTuple):
    """Residuals of the motion, in standard deviations, and their derivatives by the middle frame and both others."""

    residuals: np.ndarray  # [F - 2, 51]
    slopes: np.ndarray  # [3, F - 2, 51, 51] by the frame before, the frame itself, the frame after


@torch.no_grad()
def fit_motion(
    problem: KeypointProblem,
    parameters: HandParameters,
    observation: Observation,
    seen: np.ndarray,
    seconds: np.ndarray,
    settings: MotionSettings | None = None,
    iterations: int = 4,
) -> MotionFit:
    """Fit the frames of one hand, whose shape stays as it is.

    Args:
        problem: residuals of single frames.
        parameters: where to start, [F].
        observation: of each frame, [F]; of frames that are not seen, any.
        seen: [F] whether a frame has an observation; the others are filled by the motion.
        seconds: [F] increasing.
        settings: of the motion.
        iterations: at most.
    """
    settings = settings or MotionSettings()
    count = len(seconds)
    rows = torch.as_tensor(np.flatnonzero(seen))
    own = observation.select(rows)
    centre = np.broadcast_to(palm_middle(problem, parameters), (count, 3))
    if count < 3 or not len(rows):
        return MotionFit(parameters, 0.0)

    def valued(hands: HandParameters) -> tuple[Tensor, Tensor, float]:
        residuals = problem.residuals(hands.select(rows), own)
        cost, weights = problem.robust(residuals)
        moving = float((_motion(hands, centre, seconds, problem, settings) ** 2).sum())
        return residuals, weights, settings.evidence * float(cost.sum()) + moving

    residuals, weights, cost = valued(parameters)
    damping = 1e-4
    for _ in range(iterations):
        blocks, gradient = _frames(problem, parameters.select(rows), own, residuals, weights)
        diagonal, right = np.zeros((count, FREE, FREE)), np.zeros((count, FREE))
        diagonal[rows], right[rows] = settings.evidence * blocks, settings.evidence * gradient
        terms = _terms(parameters, centre, seconds, problem, settings)
        improved = False
        while not improved and damping < 1e3:
            delta = _step(diagonal, right, terms, damping)
            if delta is not None:
                candidate = retract(parameters, delta)
                new = valued(candidate)
                improved = new[2] < cost
            damping = max(damping * (0.2 if improved else 10), 1e-7)
        if not improved:
            break
        relative = (cost - new[2]) / max(cost, 1e-9)
        parameters, (residuals, weights, cost) = candidate, new
        if relative < _STILL:
            break
    return MotionFit(parameters, cost)


def palm_middle(problem: KeypointProblem, parameters: HandParameters) -> np.ndarray:
    """[3] m: the palm's middle in the hand's own frame, the median over hands [F]. The motion of a hand is that of this
    point, about which it turns, and not of the model's origin."""
    points, _ = problem.keypoints(parameters)
    own = (points - parameters.translation[:, None]) @ parameters.rotation
    middle: np.ndarray = np.median(own[:, list(_PALM)].mean(1).numpy(), axis=0)
    return middle


def _frames(
    problem: KeypointProblem, hands: HandParameters, observation: Observation, residuals: Tensor, weights: Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """Normal equations of each frame alone: [F, 51, 51] and [F, 51]."""
    blocks, gradients = [], []
    for some in torch.arange(len(residuals)).split(_TOGETHER):
        slopes = jacobian(problem, hands.select(some), observation.select(some), residuals[some], FREE)
        slopes = slopes * weights[some][..., None]
        turned = slopes.transpose(1, 2)
        blocks.append(turned @ slopes)
        gradients.append((turned @ (residuals[some] * weights[some])[..., None])[..., 0])
    return torch.cat(blocks).numpy(), torch.cat(gradients).numpy()


def _motion(
    hands: HandParameters, centre: np.ndarray, seconds: np.ndarray, problem: KeypointProblem, settings: MotionSettings
) -> np.ndarray:
    """[F - 2, 51] changes of velocity at the frames between the first and the last, in standard deviations."""
    between, deviation = _spacing(seconds)
    turned = matrix_to_axis_angle(hands.rotation[1:] @ hands.rotation[:-1].transpose(1, 2)).numpy()
    place = np.einsum("fij,fj->fi", hands.rotation.numpy(), centre) + hands.translation.numpy()
    angles = problem.space.axis_angle(hands.pose).flatten(1).numpy()
    parts = []
    for steps, density in (
        (turned, settings.rotation),
        (np.diff(place, axis=0), settings.position),
        (np.diff(angles, axis=0), settings.joints),
    ):
        velocity = steps / between[:, None]
        parts.append(np.diff(velocity, axis=0) / (density * deviation)[:, None])
    return np.concatenate(parts, 1)


def _spacing(seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[F - 1] seconds between frames, and [F - 2] roots of the time that each change of velocity had."""
    between = np.diff(seconds)
    return between, np.sqrt((between[1:] + between[:-1]) / 2)


def _terms(
    hands: HandParameters, centre: np.ndarray, seconds: np.ndarray, problem: KeypointProblem, settings: MotionSettings
) -> _Terms:
    residuals = _motion(hands, centre, seconds, problem, settings)
    between, deviation = _spacing(seconds)
    # How a frame's rotation, place and joint angles follow its parameters; rotations between frames are small.
    own = np.zeros((len(seconds), FREE, FREE))
    own[:, ROTATION, ROTATION] = np.eye(3)
    lever = torch.as_tensor(np.einsum("fij,fj->fi", hands.rotation.numpy(), centre))
    own[:, POSITION, ROTATION] = -skew(lever).numpy()
    x, y, z = hands.translation.numpy().T
    own[:, 3, 3] = own[:, 4, 4] = z
    own[:, 3, 5], own[:, 4, 5], own[:, 5, 5] = x, y, z
    own[:, POSE, POSE] = problem.space.basis.numpy().T
    own[:, ROTATION] /= settings.rotation
    own[:, POSITION] /= settings.position
    own[:, POSE] /= settings.joints
    after, before = 1 / (between[1:] * deviation), 1 / (between[:-1] * deviation)
    factors = (before, -(before + after), after)
    slopes = [factor[:, None, None] * own[k : len(own) - 2 + k] for k, factor in enumerate(factors)]
    return _Terms(residuals, np.stack(slopes))


def _step(diagonal: np.ndarray, right: np.ndarray, terms: _Terms, damping: float) -> Tensor | None:
    """The update [F, 61]; None where the system cannot be solved."""
    count = len(diagonal)
    bands = np.zeros((3, count, FREE, FREE))  # blocks of a frame with itself, the next and the one after that
    bands[0] = diagonal
    gradient = right.copy()
    for i in range(3):
        gradient[i : count - 2 + i] += np.einsum("frp,fr->fp", terms.slopes[i], terms.residuals)
        for j in range(i, 3):
            bands[j - i, i : count - 2 + i] += terms.slopes[i].transpose(0, 2, 1) @ terms.slopes[j]
    index = np.arange(FREE)
    bands[0][:, index, index] += damping * (bands[0][:, index, index] + 1e-3)
    try:
        solved = solveh_banded(_banded(bands), -gradient.ravel(), lower=True, check_finite=False, overwrite_ab=True)
    except (LinAlgError, ValueError):
        return None
    delta = np.zeros((count, PARAMETERS))
    delta[:, :FREE] = solved.reshape(count, FREE)
    longest = np.linalg.norm(delta[:, ROTATION], axis=1, keepdims=True)
    delta /= np.maximum(longest / 0.5, 1)
    return torch.as_tensor(delta) if np.isfinite(delta).all() else None


def _banded(bands: np.ndarray) -> np.ndarray:
    """The lower bands of the block matrix, as LAPACK wants them."""
    count = bands.shape[1]
    result = np.zeros((3 * FREE, count, FREE))
    column, row = np.meshgrid(np.arange(FREE), np.arange(FREE))
    for block in range(3):
        below = block * FREE + row - column  # how far below the diagonal
        keep = below >= 0
        # bands[block][f][p, q] couples p of frame f with q of frame f + block; in the lower triangle q is below.
        values = bands[block].transpose(0, 2, 1)
        result[below[keep], :, column[keep]] = values[:, row[keep], column[keep]].T
    return result.reshape(3 * FREE, count * FREE)
