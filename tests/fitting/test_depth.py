"""The detector's 3D points as residuals of the fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from handsss.fitting.depth import depth_residuals, world_in_camera
from handsss.fitting.keypoint_fit import KeypointFitter
from handsss.fitting.levenberg_marquardt import jacobian
from handsss.fitting.observation import Observation, observation_of
from handsss.fitting.problem import PARAMETERS, FitSettings, HandParameters, retract
from handsss.geometry.cameras import project
from handsss.hand.load import load_model
from handsss.hand.sampling import sample_poses

INTRINSICS = np.array([[480.0, 0, 112], [0, 480, 112], [0, 0, 1]])


@pytest.fixture(scope="module")
def fitter() -> KeypointFitter:
    settings = FitSettings(depth_sigma=0.005, depth_spread=1.0, depth_robust_scale=3.0)
    return KeypointFitter(load_model("open"), "joints", settings, start="search")


def hands_of(fitter: KeypointFitter, count: int, seed: int) -> HandParameters:
    rng = np.random.default_rng(seed)
    poses = torch.as_tensor(sample_poses(load_model("open"), count, rng)).reshape(count, 15, 3)
    place = np.stack([rng.normal(0, 0.03, count), rng.normal(0, 0.03, count), rng.uniform(0.45, 0.8, count)], 1)
    return HandParameters.under_model_prior(
        torch.as_tensor(Rotation.random(count, rng=rng).as_matrix()),
        torch.as_tensor(place),
        fitter.problem.space.coefficients(poses),
        torch.as_tensor(rng.normal(0, 0.7, (count, 10))),
    )


def test_points_are_turned_to_the_ray_through_the_hand() -> None:
    """A camera that looks straight at the hand sees the points as given; elsewhere by the smallest rotation."""
    rng = np.random.default_rng(0)
    world = np.concatenate([rng.normal(0, 0.05, (21, 3)), np.full((21, 1), 0.004)], 1)
    keypoints = np.concatenate([rng.uniform(-20, 20, (21, 2)), np.ones((21, 1))], 1)
    keypoints[:, :2] += 112 - keypoints[:, :2].mean(0)
    np.testing.assert_allclose(world_in_camera(world, keypoints, INTRINSICS), world, atol=1e-12)
    keypoints[:, 0] += 480  # 45 degrees to the right: about y, so that z points along (1, 0, 1)
    turned = world_in_camera(world, keypoints, INTRINSICS)
    about_y = Rotation.from_euler("y", 45, degrees=True).as_matrix()
    np.testing.assert_allclose(turned[:, :3], world[:, :3] @ about_y.T, atol=1e-12)
    np.testing.assert_array_equal(turned[:, 3], world[:, 3])


def test_points_without_confidence_do_not_move_the_ray() -> None:
    world = np.random.default_rng(1).normal(0, 0.05, (21, 4))
    keypoints = np.concatenate([np.full((21, 2), 300.0), np.ones((21, 1))], 1)
    other = keypoints.copy()
    other[4] = [np.nan, 5, 1]
    other[7] = [-4000, 900, 0]
    np.testing.assert_allclose(
        world_in_camera(world, other, INTRINSICS), world_in_camera(world, keypoints, INTRINSICS), atol=1e-12
    )


def test_residuals_know_neither_place_nor_size() -> None:
    generator = torch.Generator().manual_seed(0)
    points = 0.05 * torch.randn(3, 21, 3, generator=generator, dtype=torch.float64)
    certainty = 50 + 50 * torch.rand(3, 21, generator=generator, dtype=torch.float64)
    moved = 1.7 * points + torch.tensor([0.1, -0.2, 0.6])
    torch.testing.assert_close(depth_residuals(points, moved, certainty), torch.zeros_like(points), atol=1e-12, rtol=0)


def test_residuals_by_hand() -> None:
    """Four points of which two count: +-1 along x against +-1 along y, both of root mean square 1, sigma 0.5."""
    points = torch.zeros(1, 4, 3, dtype=torch.float64)
    points[0, 0, 0], points[0, 1, 0], points[0, 2] = 1, -1, 9
    world = torch.zeros(4, 3, dtype=torch.float64)
    world[0, 1], world[1, 1], world[3] = 2, -2, 5
    certainty = torch.tensor([2.0, 2.0, 0.0, 0.0], dtype=torch.float64)
    expected = torch.zeros(1, 4, 3, dtype=torch.float64)
    expected[0, 0], expected[0, 1] = torch.tensor([2.0, -2, 0]), torch.tensor([-2.0, 2, 0])
    torch.testing.assert_close(depth_residuals(points, world, certainty), expected)


def observed(fitter: KeypointFitter, hands: HandParameters, spread: float = 0.003) -> Observation:
    points = fitter.problem.keypoints(hands)[0]
    world = torch.cat([points[0] - points[0].mean(0), torch.full((21, 1), spread, dtype=torch.float64)], 1)
    K = torch.as_tensor(INTRINSICS)
    return Observation(project(points, K)[0], torch.ones(21, dtype=torch.float64), K, world)


def test_jacobian_with_depth_against_autograd(fitter: KeypointFitter) -> None:
    problem = fitter.problem
    hands = hands_of(fitter, 1, 3)
    generator = torch.Generator().manual_seed(4)  # off the limits, where the excess has a kink
    hands = hands._replace(pose=hands.pose + 0.05 * torch.randn(hands.pose.shape, generator=generator).double())
    observation = observed(fitter, hands_of(fitter, 1, 5))

    def at(delta: torch.Tensor) -> torch.Tensor:
        return problem.residuals(retract(hands, delta), observation)

    with torch.no_grad():
        numeric = jacobian(problem, hands, observation)
    exact = torch.autograd.functional.jacobian(at, torch.zeros(1, PARAMETERS, dtype=torch.float64))
    assert numeric.shape[1] == problem.plain_columns.stop + 63
    torch.testing.assert_close(numeric[0], exact[0, :, 0], atol=2e-3, rtol=1e-3)


def test_depth_places_fingers_that_are_hidden(fitter: KeypointFitter) -> None:
    """Two fingers without keypoints: priors alone guess them, 3D points know them. Mean error of these fingers about
    the hand's middle, over hands."""
    truth = hands_of(fitter, 4, 11)
    hidden = slice(5, 13)
    with torch.no_grad():
        points = fitter.problem.keypoints(truth)[0]
    without, with_depth = [], []
    for hand in range(4):
        observation = observed(fitter, truth.select(hand))
        observation.confidence[hidden] = 0
        for errors, given in ((without, observation._replace(world=None)), (with_depth, observation)):
            with torch.no_grad():
                fitted = fitter.problem.keypoints(fitter(given).parameters)[0]
            difference = (fitted - fitted.mean(1, keepdim=True)) - (points[hand] - points[hand].mean(0))
            errors.append(float(difference[:, hidden].norm(dim=-1).mean()))
    assert np.mean(with_depth) < 0.4 * np.mean(without), (with_depth, without)


def test_hands_with_and_without_depth_share_a_batch(fitter: KeypointFitter) -> None:
    """A hand without 3D points ends the same beside one that has them."""
    hands = hands_of(fitter, 2, 21)
    plain = observed(fitter, hands.select(0))._replace(world=None)
    deep = observed(fitter, hands.select(1))
    alone = fitter(plain).parameters
    together = fitter.fit_batch([plain, deep], [None, None])[0].parameters
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)


def test_a_point_that_is_far_off_pulls_less(fitter: KeypointFitter) -> None:
    problem = fitter.problem
    hands = hands_of(fitter, 1, 31)
    observation = observed(fitter, hands)
    assert observation.world is not None
    observation.world[8, 2] += 0.5
    residuals = problem.residuals(hands, observation)
    cost, weights = problem.robust(residuals)
    depth = weights[0, problem.plain_columns.stop :].reshape(21, 3)
    others = torch.cat([depth[:8], depth[9:]])
    assert depth[8].max() < 0.3 * others.min() and torch.equal(depth[8, 0], depth[8, 2])
    scale = 3 * 3.0**2
    assert float(cost) < float(residuals[:, problem.plain_columns].square().sum()) + 21 * scale


def test_an_observation_keeps_the_spread() -> None:
    world = np.random.default_rng(0).uniform(0.001, 0.01, (21, 4))
    keypoints = np.concatenate([np.random.default_rng(1).uniform(50, 150, (21, 2)), np.ones((21, 1))], 1)
    observation = observation_of(keypoints, INTRINSICS, world)
    assert observation.world is not None
    np.testing.assert_array_equal(observation.world[:, 3].numpy(), world[:, 3])
    assert observation_of(keypoints, INTRINSICS).world is None
