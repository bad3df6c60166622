"""Several photos of one hand fitted together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from handsss.fitting.keypoint_fit import KeypointFitter, keypoint_fitter
from handsss.fitting.observation import Observation
from handsss.fitting.problem import HandParameters
from handsss.fitting.shared_fit import fit_one_shape, fit_shared, share
from handsss.geometry.cameras import project
from handsss.hand.load import load_model
from handsss.hand.sampling import sample_poses

INTRINSICS = torch.tensor([[480.0, 0, 112], [0, 480, 112], [0, 0, 1]], dtype=torch.float64)


@pytest.fixture(scope="module")
def fitter() -> KeypointFitter:
    return keypoint_fitter("open", "joints", "lifted")


def photos(fitter: KeypointFitter, count: int, *, one_pose: bool, seed: int = 0) -> tuple[HandParameters, Observation]:
    """Hands of one shape from all round, and their keypoints, 1 % of the box off."""
    rng = np.random.default_rng(seed)
    poses = torch.as_tensor(sample_poses(load_model("open"), 1 if one_pose else count, rng)).reshape(-1, 15, 3)
    place = np.stack([rng.normal(0, 0.02, count), rng.normal(0, 0.02, count), rng.uniform(0.4, 0.6, count)], 1)
    hands = HandParameters.under_model_prior(
        torch.as_tensor(Rotation.random(count, rng=rng).as_matrix()),
        torch.as_tensor(place),
        fitter.problem.space.coefficients(poses.expand(count, 15, 3)),
        torch.as_tensor(rng.normal(0, 1.0, 10)).expand(count, 10).clone(),
    )
    with torch.no_grad():
        seen = project(fitter.problem.keypoints(hands)[0], INTRINSICS)
    one = torch.ones(count, 21, dtype=torch.float64)
    observation = Observation(seen, one, INTRINSICS.expand(count, 3, 3))
    noise = torch.as_tensor(rng.normal(0, 0.01, (count, 21, 2))) * observation.size[:, None, None]
    return hands, observation._replace(keypoints=seen + noise)


def singly(fitter: KeypointFitter, observation: Observation) -> HandParameters:
    every = [Observation(*values) for values in zip(*observation[:3], strict=True)]
    return HandParameters.concat([one.parameters for one in fitter.fit_batch(every, [None] * len(every))])


def test_one_pose_from_many_sides_is_nearer_the_truth(fitter: KeypointFitter) -> None:
    truth, observation = photos(fitter, 5, one_pose=True, seed=1)
    alone = singly(fitter, observation)
    begun = share(alone, "pose and shape", alone.select(0))
    fit = fit_shared(fitter.problem, begun, observation, "pose and shape")
    for value in (fit.parameters.pose, fit.parameters.shape):
        torch.testing.assert_close(value, value[:1].expand_as(value))

    def bent(hands: HandParameters) -> float:
        angles = fitter.problem.space.axis_angle(hands.pose) - fitter.problem.space.axis_angle(truth.pose)
        return float(angles.norm(dim=-1).mean())

    assert bent(fit.parameters) < 0.7 * bent(alone)


def test_a_shared_shape_is_nearer_the_truth(fitter: KeypointFitter) -> None:
    truth, observation = photos(fitter, 8, one_pose=False, seed=2)
    alone = singly(fitter, observation)
    begun = share(alone, "shape", alone.select(0))
    fit = fit_shared(fitter.problem, begun, observation, "shape")
    torch.testing.assert_close(fit.parameters.shape, fit.parameters.shape[:1].expand(8, 10))
    assert (fit.parameters.pose[0] - fit.parameters.pose[1]).abs().max() > 0.1

    def off(hands: HandParameters) -> float:
        return float((hands.shape - truth.shape).norm(dim=1).mean())

    assert off(fit.parameters) < off(alone)


def test_a_photo_alone_ends_as_in_the_usual_fit(fitter: KeypointFitter) -> None:
    """With one photo nothing is shared: from the optimum of the usual fit there is nowhere to go."""
    _, observation = photos(fitter, 1, one_pose=True, seed=3)
    alone = singly(fitter, observation)
    residuals = fitter.problem.residuals(alone, observation)
    cost = float(fitter.problem.robust(residuals)[0])
    fit = fit_shared(fitter.problem, alone, observation, "pose and shape")
    assert fit.cost <= cost and fit.cost == pytest.approx(cost, rel=0.02)


def test_the_prior_of_a_shared_shape_counts_once(fitter: KeypointFitter) -> None:
    """The same photo four times: residuals count four times, the shared priors once."""
    hands, observation = photos(fitter, 1, one_pose=True, seed=4)
    four = HandParameters(*(value.expand(4, *value.shape[1:]).clone() for value in hands))
    seen = Observation(*(value.expand(4, *value.shape[1:]).clone() for value in observation[:3]))
    residuals = fitter.problem.residuals(hands, observation)
    shape = float(residuals[:, fitter.problem.columns["shape"]].square().sum())
    once = float(fitter.problem.robust(residuals)[0])
    fit = fit_shared(fitter.problem, four, seen, "shape", iterations=0)
    assert fit.cost == pytest.approx(4 * (once - shape) + shape, rel=1e-9)


def test_weights_of_one_change_nothing_and_a_small_one_lets_go(fitter: KeypointFitter) -> None:
    truth, observation = photos(fitter, 3, one_pose=False, seed=5)
    usual = fit_shared(fitter.problem, truth, observation, "shape", 3)
    same = fit_shared(fitter.problem, truth, observation, "shape", 3, weights=torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(usual.parameters.shape, same.parameters.shape)
    without = HandParameters(*(value[:2] for value in truth))
    rest = Observation(*(value[:2] for value in observation[:3]))
    two = fit_shared(fitter.problem, without, rest, "shape", 8, priors="each")
    nearly = torch.tensor([1.0, 1.0, 1e-6], dtype=torch.float64)
    three = fit_shared(fitter.problem, truth, observation, "shape", 8, weights=nearly, priors="each")
    torch.testing.assert_close(three.parameters.shape[0], two.parameters.shape[0], atol=0.02, rtol=0)


def test_a_photo_that_contradicts_counts_less(fitter: KeypointFitter) -> None:
    """The keypoints of one photo are no hand's."""
    _, observation = photos(fitter, 6, one_pose=False, seed=6)
    alone = singly(fitter, observation)
    agreed = fit_one_shape(fitter.problem, alone, observation)
    torch.testing.assert_close(agreed.parameters.shape, agreed.parameters.shape[:1].expand(6, 10))
    assert bool((agreed.weights > 0.3).all())
    order = torch.randperm(21, generator=torch.Generator().manual_seed(0))
    observation.keypoints[2] = observation.keypoints[2][order].clone()
    alone = singly(fitter, observation)
    fit = fit_one_shape(fitter.problem, alone, observation)
    assert int(fit.weights.argmin()) == 2 and float(fit.weights[2]) < 0.3
    assert float(fit.weights[[0, 1, 3, 4, 5]].min()) > 0.3
