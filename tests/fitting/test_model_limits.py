"""Joint limits in the fit: the open hand's, and those of a MANO-format model's own poses."""

from __future__ import annotations

import math

import numpy as np
import torch

from benchmarks.model_limits import from_truth, hands, mano_model, ways
from handsss.fitting.problem import FitSettings, HandParameters, KeypointProblem, Observation
from handsss.hand.load import load_model
from handsss.hand.model import HandModel
from tests.mano_files import Arrays
from tests.mano_hands import bent_poses

_LIMITS = slice(42 + 40, 42 + 40 + 45)  # in the residuals, behind keypoints and bones


def residuals(model: HandModel, pose: torch.Tensor) -> tuple[KeypointProblem, torch.Tensor]:
    """Of hands in a pose [B, 45] that are seen as they are."""
    problem = KeypointProblem(model, model.keypoint_set("joints"), FitSettings())
    count = len(pose)
    rotation = torch.eye(3, dtype=torch.float64).expand(count, 3, 3)
    translation = torch.tensor([[0.0, 0.0, 0.5]], dtype=torch.float64).expand(count, 3)
    coefficients = problem.space.coefficients(pose.reshape(count, 15, 3))
    placed = HandParameters.under_model_prior(rotation, translation, coefficients, torch.zeros(count, 10).double())
    camera = torch.tensor([[500.0, 0, 160], [0, 500, 160], [0, 0, 1]], dtype=torch.float64)
    seen = Observation(torch.rand(21, 2, dtype=torch.float64) * 320, torch.ones(21, dtype=torch.float64), camera)
    return problem, problem.residuals(placed, seen)[:, _LIMITS]


def test_the_open_hands_fit_has_the_limits_of_its_layer() -> None:
    pose = 0.5 * torch.randn(3, 45, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    problem, found = residuals(load_model("open"), pose)
    matrices = problem.layer.pose_matrices(axis_angle=problem.space.axis_angle(problem.space.coefficients(pose)))
    expected = problem.layer.limit_excess(matrices) / math.radians(FitSettings().limit_sigma_deg)
    assert expected.max() > 1
    assert torch.equal(found, expected.reshape(3, 45))


def test_own_poses_cost_nothing_and_half_a_turn_is_told_from_the_vector(bent_mano: Arrays) -> None:
    model = mano_model(bent_mano)
    _, own = residuals(model, torch.as_tensor(bent_poses(20, seed=6)))
    assert own.square().sum(1).mean() < 1
    pose = torch.as_tensor(model.hands_mean)[None].clone()
    pose[0, 2] = math.radians(200)  # z of the first joint: pitch -200; its matrix says 160
    _, found = residuals(model, pose)
    excess = (model.fit_limits_deg[0, 1, 0] + 200) / FitSettings().limit_sigma_deg
    np.testing.assert_allclose(found.reshape(15, 3)[0, 1], excess)


def test_bent_hands_of_a_mano_file_are_fitted_rightly(bent_mano: Arrays) -> None:
    """Table 1 as a prior more than doubles the error of a fit that starts from the true hand; the model's own limits
    leave it alone."""
    given = hands(mano_model(bent_mano), bent_poses(12, seed=8), noise=0.012, seed=9)
    errors = {
        name: from_truth(way[0], given, way[1])["aligned_mm"]
        for name, way in ways(bent_mano).items()
        if name in ("table 1, 3 degrees", "no limits", "the model's own poses")
    }
    assert errors["the model's own poses"] < 3.5, errors
    assert errors["the model's own poses"] < 1.05 * errors["no limits"], errors
    assert errors["table 1, 3 degrees"] > 1.7 * errors["the model's own poses"], errors
