"""The fit's own account of how sure it is."""

from __future__ import annotations

import pytest
import torch

from handsss.fitting.keypoint_fit import KeypointFitter, keypoint_fitter
from handsss.fitting.levenberg_marquardt import jacobian
from handsss.fitting.observation import Observation
from handsss.fitting.posterior import aligned_deviations, similarity_directions
from handsss.fitting.problem import PARAMETERS, retract
from handsss.geometry.procrustes import procrustes
from tests.fitting.test_keypoint_fit import random_hands
from tests.reconstruction.test_batch import noisy


@pytest.fixture(scope="module")
def fitter() -> KeypointFitter:
    return keypoint_fitter("open", "joints", "search")


def test_deviations_are_those_of_hands_drawn_from_the_posterior(fitter: KeypointFitter) -> None:
    """Parameters drawn from N(0, (J'WJ)^-1), posed, aligned by Procrustes: their spread about the fit."""
    problem = fitter.problem
    truth = random_hands(problem, 2, seed=5)
    seen = Observation.stack(noisy(fitter, truth))
    own = aligned_deviations(problem, truth, seen)
    assert own.shape == (2, 21)
    for row in range(2):
        hand, one = truth.select(row), seen.select(torch.tensor([row]))
        _, weights = problem.robust(problem.residuals(hand, one))
        slopes = jacobian(problem, hand, one)[0] * weights[0][:, None]
        covariance = torch.linalg.inv(slopes.T @ slopes + 1e-6 * torch.eye(PARAMETERS, dtype=torch.float64))
        shrunk = 1e-3  # small steps: the linearisation is exact then
        generator = torch.Generator().manual_seed(row)
        noise = torch.randn(4000, PARAMETERS, generator=generator, dtype=torch.float64)
        steps = shrunk * noise @ torch.linalg.cholesky(covariance).T
        points, _ = problem.keypoints(retract(hand.select(torch.zeros(4000, dtype=torch.long)), steps))
        (middle,) = problem.keypoints(hand)[0].numpy()
        moved = points.numpy()
        target = middle[None].repeat(4000, 0)
        apart = torch.tensor(procrustes(moved, target)(moved) - target)
        drawn = apart.square().sum(-1).mean(0).sqrt() / shrunk
        torch.testing.assert_close(own[row], drawn, rtol=0.06, atol=1e-6)


def test_unseen_fingers_are_less_sure(fitter: KeypointFitter) -> None:
    hands = random_hands(fitter.problem, 1, seed=6)
    (one,) = noisy(fitter, hands)
    confidence = torch.ones(21, dtype=torch.float64)
    hidden = confidence.clone()
    hidden[9:13] = 0  # the middle finger
    sure, unsure = (
        aligned_deviations(fitter.problem, hands, Observation.stack([one._replace(confidence=c)]))[0]
        for c in (confidence, hidden)
    )
    assert float((unsure[10:13] / sure[10:13]).min()) > 1.3


def test_a_similarity_moves_points_along_its_directions() -> None:
    """And nothing else does: the seven directions are orthonormal, and moves along them vanish."""
    points = torch.randn(3, 21, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    basis = similarity_directions(points)
    torch.testing.assert_close(basis.transpose(1, 2) @ basis, torch.eye(7, dtype=torch.float64).expand(3, 7, 7))
    axis = torch.tensor([0.3, -0.2, 0.9], dtype=torch.float64)
    move = torch.linalg.cross(axis.expand_as(points), points, dim=-1) + 0.4 * points + axis
    flat = move.reshape(3, 63, 1)
    torch.testing.assert_close(basis @ (basis.transpose(1, 2) @ flat), flat)
