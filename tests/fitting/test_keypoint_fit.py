"""The keypoint fit: its problem, its solver and what it recovers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from handsss.errors import InputError
from handsss.fitting.keypoint_fit import CONTRADICTED, KeypointFitter, Start, keypoint_fitter
from handsss.fitting.levenberg_marquardt import jacobian, minimise
from handsss.fitting.network_prediction import PosePrediction, load_predictor
from handsss.fitting.observation import Observation, observation_of
from handsss.fitting.problem import (
    PARAMETERS,
    FitSettings,
    HandParameters,
    KeypointProblem,
    PoseSpace,
    reduced_model,
    retract,
)
from handsss.geometry.cameras import project
from handsss.geometry.procrustes import procrustes
from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model
from handsss.hand.sampling import sample_poses

INTRINSICS = torch.tensor([[480.0, 0, 112], [0, 480, 112], [0, 0, 1]], dtype=torch.float64)


@pytest.fixture(scope="module")
def fitter() -> KeypointFitter:
    return keypoint_fitter("open", "joints", "search")


def random_hands(problem: KeypointProblem, count: int, seed: int) -> HandParameters:
    rng = np.random.default_rng(seed)
    poses = torch.as_tensor(sample_poses(load_model("open"), count, rng)).reshape(count, 15, 3)
    rotation = torch.as_tensor(Rotation.random(count, rng=rng).as_matrix())
    translation = np.stack([rng.normal(0, 0.03, count), rng.normal(0, 0.03, count), rng.uniform(0.45, 0.8, count)], 1)
    shape = torch.as_tensor(rng.normal(0, 0.7, (count, 10)))
    return HandParameters.under_model_prior(
        rotation, torch.as_tensor(translation), problem.space.coefficients(poses), shape
    )


def observe(problem: KeypointProblem, parameters: HandParameters) -> Observation:
    points, _ = problem.keypoints(parameters)
    return Observation(project(points, INTRINSICS)[0], torch.ones(21, dtype=torch.float64), INTRINSICS)


@pytest.mark.parametrize("name", ["joints", "freihand"])
def test_reduced_model_has_the_same_keypoints_as_the_whole_hand(name: str) -> None:
    model = load_model("open")
    small, small_set = reduced_model(model, model.keypoint_set(name))
    generator = torch.Generator().manual_seed(3)
    pose = torch.randn(4, 15, 3, generator=generator, dtype=torch.float64) * 0.4
    shape = torch.randn(4, 10, generator=generator, dtype=torch.float64)
    rotation = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    results = []
    for part, keypoint_set in ((model, model.keypoint_set(name)), (small, small_set)):
        layer = HandLayer(part, flat_hand_mean=True, dtype=torch.float64)
        output = layer(axis_angle=pose, shape=shape, rotation=rotation)
        results.append((layer.keypoints(output, keypoint_set), output.joints))
    assert len(small.v_template) < model.vertex_count
    torch.testing.assert_close(results[0][0], results[1][0], atol=1e-10, rtol=0)
    torch.testing.assert_close(results[0][1], results[1][1], atol=1e-10, rtol=0)


def test_pose_space_round_trip() -> None:
    space = PoseSpace(load_model("open"), 0.04)
    coefficients = torch.randn(5, 45, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(space.coefficients(space.axis_angle(coefficients)), coefficients)


def test_jacobian_against_autograd(fitter: KeypointFitter) -> None:
    problem = fitter.problem
    hands = random_hands(problem, 2, seed=1)
    # Sampled poses may lie on a limit, where the excess has a kink and no derivative.
    generator = torch.Generator().manual_seed(4)
    hands = hands._replace(pose=hands.pose + 0.05 * torch.randn(hands.pose.shape, generator=generator).double())
    observation = observe(problem, random_hands(problem, 1, seed=2))
    with torch.no_grad():
        numeric = jacobian(problem, hands, observation)

    def at(delta: torch.Tensor) -> torch.Tensor:
        return problem.residuals(retract(hands, delta), observation)

    exact = torch.autograd.functional.jacobian(at, torch.zeros(2, PARAMETERS, dtype=torch.float64))
    for hand in range(2):
        torch.testing.assert_close(numeric[hand], exact[hand, :, hand], atol=2e-3, rtol=1e-3)


def test_a_pose_is_pulled_to_its_prior(fitter: KeypointFitter) -> None:
    problem = fitter.problem
    hands = random_hands(problem, 2, seed=3)
    observation = observe(problem, random_hands(problem, 1, seed=2))
    expected = hands.pose + 0.5
    told = hands._replace(prior_mean=expected, prior_std=torch.tensor([[0.25], [1.0]], dtype=torch.float64))
    own, moved = problem.residuals(hands, observation), problem.residuals(told, observation)
    pose = slice(-55, -10)
    torch.testing.assert_close(own[:, pose], hands.pose)
    torch.testing.assert_close(moved[:, pose], torch.tensor([[-2.0], [-0.5]]).double().expand(2, 45))
    torch.testing.assert_close(moved[:, : pose.start], own[:, : pose.start])
    later = retract(told, 0.1 * torch.ones(2, PARAMETERS, dtype=torch.float64))
    assert (
        later.prior_mean is told.prior_mean
        and later.prior_std is told.prior_std
        and later.prior_disagreement is told.prior_disagreement
    )
    # Nothing seen but a few sure points: the rest of the hand stays as it is expected.
    few = observation._replace(confidence=torch.where(torch.arange(21) < 6, 1.0, 0.0).double())
    fitted = minimise(problem, told.select(0), few, 20).parameters
    free = minimise(problem, hands.select(0), few, 20).parameters
    assert (fitted.pose - expected[0]).norm() < 0.5 * (free.pose - expected[0]).norm()


def test_two_pose_priors_are_one_and_their_disagreement() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second, pose = (torch.randn(3, 45, generator=generator, dtype=torch.float64) for _ in range(3))
    zeros = torch.zeros(3, 3, dtype=torch.float64)
    hands = HandParameters.under_model_prior(
        torch.eye(3).double().expand(3, 3, 3), zeros, pose, torch.zeros(3, 10).double()
    )
    told = hands.with_pose_prior(first, 0.25).with_pose_prior(second, 0.7)
    both = pose.square().sum(1) + ((pose - first) / 0.25).square().sum(1) + ((pose - second) / 0.7).square().sum(1)
    one = ((pose - told.prior_mean) / told.prior_std).square().sum(1) + told.prior_disagreement[:, 0]
    torch.testing.assert_close(one, both)


def test_the_prediction_decides_between_starts_that_keypoints_cannot_tell_apart(fitter: KeypointFitter) -> None:
    problem = fitter.problem
    hands = random_hands(problem, 1, seed=11)
    # A weak camera's view of a hand and of its mirror image in depth is nearly the same: here exactly, by copying.
    twins = HandParameters(*(torch.cat([value, value]) for value in hands))
    poses = torch.cat([hands.pose, -hands.pose])
    told = twins.with_pose_prior(poses, 0.25).with_pose_prior(hands.pose, 0.7)
    cost, _ = problem.robust(problem.residuals(told._replace(pose=told.prior_mean), observe(problem, hands)))
    disagreement = told.prior_disagreement[:, 0]
    assert float(disagreement[1] - disagreement[0]) > float(hands.pose.square().sum())
    agreeing = told._replace(pose=told.prior_mean, prior_disagreement=torch.zeros(2, 1).double())
    own, _ = problem.robust(problem.residuals(agreeing, observe(problem, hands)))
    torch.testing.assert_close(cost - own, disagreement)


def test_robust_cost_by_hand(fitter: KeypointFitter) -> None:
    residuals = torch.zeros(1, 60, dtype=torch.float64)
    residuals[0, 0], residuals[0, 1], residuals[0, 50] = 3.0, 4.0, 2.0
    scale = 2 * FitSettings().robust_scale ** 2
    cost, weights = fitter.problem.robust(residuals)
    assert cost.item() == pytest.approx(scale * 25 / (scale + 25) + 4)
    assert weights[0, 0].item() == pytest.approx(scale / (scale + 25))
    assert weights[0, 50].item() == 1
    # The reweighted gradient is the gradient of the robust cost: d/dr of s r^2 / (s + r^2) = 2 r (s / (s + r^2))^2.
    residuals.requires_grad_()
    fitter.problem.robust(residuals)[0].sum().backward()
    expected = 2 * residuals.detach() * weights.detach() ** 2
    torch.testing.assert_close(residuals.grad, expected)


@pytest.mark.parametrize("start", ["search", "lifted"])
def test_recovers_sampled_hands_from_noisy_keypoints(start: Start) -> None:
    fitter = keypoint_fitter("open", "joints", start)
    problem = fitter.problem
    rng = np.random.default_rng(11)
    errors, misses = [], []
    for seed in range(12):
        truth = random_hands(problem, 1, seed=100 + seed)
        clean = observe(problem, truth)
        noisy = clean.keypoints + torch.as_tensor(rng.normal(0, 0.01 * clean.size, (21, 2)))
        fitted = fitter(clean._replace(keypoints=noisy)).parameters
        points, target = problem.keypoints(fitted)[0], problem.keypoints(truth)[0][0].numpy()
        aligned = procrustes(points[0].numpy(), target)(points[0].numpy())
        errors.append(np.linalg.norm(aligned - target, axis=1).mean())
        misses.append(float((project(points, INTRINSICS)[0] - clean.keypoints).norm(dim=1).mean()) / clean.size)
    assert np.median(errors) < 0.005, errors
    assert np.mean(errors) < 0.008, errors
    assert np.mean(misses) < 0.015, misses


def test_one_wrong_keypoint_does_not_bend_the_hand(fitter: KeypointFitter) -> None:
    problem = fitter.problem
    truth = random_hands(problem, 1, seed=7)
    clean = observe(problem, truth)
    wrong = clean.keypoints.clone()
    wrong[8] += torch.tensor([0.5, -0.4]) * clean.size
    fitted = fitter(clean._replace(keypoints=wrong)).parameters
    miss = (project(problem.keypoints(fitted)[0], INTRINSICS)[0] - clean.keypoints).norm(dim=1) / clean.size
    others = [i for i in range(21) if i != 8]
    assert float(miss[others].mean()) < 0.02


def test_same_input_same_result(fitter: KeypointFitter) -> None:
    observation = observe(fitter.problem, random_hands(fitter.problem, 1, seed=4))
    first, second = fitter(observation), fitter(observation)
    for a, b in zip(first.parameters, second.parameters, strict=True):
        assert torch.equal(a, b)


def test_cost_never_rises(fitter: KeypointFitter) -> None:
    problem = fitter.problem
    observation = observe(problem, random_hands(problem, 1, seed=21))
    starts = fitter.starts(observation, None)
    before, _ = problem.robust(problem.residuals(starts, observation))
    after = minimise(problem, starts, observation, 5).cost
    assert bool((after <= before + 1e-9).all())
    assert float(after.min()) < 0.5 * float(before.min())


def test_prediction_is_the_first_start(fitter: KeypointFitter) -> None:
    truth = random_hands(fitter.problem, 1, seed=5)
    observation = observe(fitter.problem, truth)
    prediction = PosePrediction(
        truth.rotation[0].numpy(),
        truth.translation[0].numpy(),
        fitter.problem.space.axis_angle(truth.pose)[0].numpy(),
        truth.shape[0].numpy(),
    )
    unrefined = fitter(observation, prediction, refine=False).parameters
    torch.testing.assert_close(unrefined.rotation, truth.rotation)
    torch.testing.assert_close(unrefined.pose, truth.pose)
    # Every start is expected to have the predicted pose: beside the model's own prior, or the lifting network's.
    settings = FitSettings()
    spread = settings.predicted_std * settings.prior_scale_sure  # every keypoint is fully confident
    searched = fitter.starts(observation, prediction)
    assert len(searched.pose) == 1 + FitSettings().starts
    weight = spread**-2 / (1 + spread**-2)
    torch.testing.assert_close(searched.prior_mean, (weight * truth.pose).expand_as(searched.pose))
    torch.testing.assert_close(searched.prior_std, torch.full_like(searched.prior_std, (1 + spread**-2) ** -0.5))
    lifting = KeypointFitter(load_model("open"), fitter.problem.keypoint_set.name, start="lifted")
    lifted, joined = lifting.starts(observation, None), lifting.starts(observation, prediction)
    torch.testing.assert_close(joined.pose, torch.cat([truth.pose, lifted.pose]))
    lifters, other = (settings.lifted_std * settings.prior_scale_sure) ** -2, spread**-2
    own = settings.lifted_model_std**-2
    middle = (lifters * lifted.pose + other * truth.pose) / (own + lifters + other)
    torch.testing.assert_close(joined.prior_mean, torch.cat([middle[:1], middle]))


def test_a_prediction_that_the_keypoints_contradict_is_left_out(fitter: KeypointFitter) -> None:
    truth = random_hands(fitter.problem, 1, seed=5)
    observation = observe(fitter.problem, truth)
    turned = Rotation.from_euler("y", 150, degrees=True).as_matrix() @ truth.rotation[0].numpy()
    parts = fitter.problem.space.axis_angle(truth.pose)[0].numpy(), truth.shape[0].numpy()
    right = PosePrediction(truth.rotation[0].numpy(), truth.translation[0].numpy(), *parts)
    wrong = PosePrediction(turned, truth.translation[0].numpy(), *parts)
    believed, left_out, without = fitter.fit_batch([observation] * 3, [right, wrong, None], refine=False)
    assert believed.predicted and believed.prediction_off == pytest.approx(0, abs=1e-6)
    assert not left_out.predicted and left_out.prediction_off is not None and left_out.prediction_off > CONTRADICTED
    assert not without.predicted and without.prediction_off is None
    assert torch.equal(left_out.parameters.rotation, without.parameters.rotation)
    assert torch.equal(left_out.parameters.pose, without.parameters.pose)
    behind = wrong._replace(translation=-wrong.translation)
    assert fitter.prediction_off(observation, behind) == 1.0
    refined, plain = fitter.fit_batch([observation] * 2, [wrong, None])
    torch.testing.assert_close(refined.parameters.pose, plain.parameters.pose)


def test_what_is_expected_counts_less_where_keypoints_were_seen_well(fitter: KeypointFitter) -> None:
    settings = FitSettings(prior_scale_unsure=0.5, prior_scale_sure=2.0)
    confidence = torch.zeros(21, dtype=torch.float64)
    assert settings.prior_scale(confidence) == 0.5
    confidence[:7] = 1.0
    assert settings.prior_scale(confidence) == pytest.approx(0.5 + 1.5 / 3)
    assert settings.prior_scale(torch.full((21,), 1.2)) == 2.0  # detectors' confidences may exceed 1
    truth = random_hands(fitter.problem, 1, seed=6)
    clear = observe(fitter.problem, truth)
    # Between the hand that is seen and another: near enough that the keypoints do not contradict it.
    other = truth._replace(pose=truth.pose + 0.4 * (random_hands(fitter.problem, 1, seed=7).pose - truth.pose))
    prediction = PosePrediction(
        truth.rotation[0].numpy(),
        truth.translation[0].numpy(),
        fitter.problem.space.axis_angle(other.pose)[0].numpy(),
        truth.shape[0].numpy(),
    )
    assert fitter.prediction_off(clear, prediction) < CONTRADICTED
    distances = []
    for factor in (1.0, 0.25):
        vague = clear._replace(confidence=clear.confidence * factor)
        distances.append(float((fitter(vague, prediction).parameters.pose - other.pose).norm()))
    assert distances[1] < 0.9 * distances[0]  # where keypoints say little, the prediction decides


def test_starts_lie_over_the_keypoints(fitter: KeypointFitter) -> None:
    problem = fitter.problem
    shifted = INTRINSICS.clone()
    shifted[0, 2], shifted[1, 2] = -300.0, 700.0  # the hand is far off the optical axis
    truth = random_hands(problem, 1, seed=9)._replace(translation=torch.tensor([[0.45, -0.6, 0.6]]).double())
    points, _ = problem.keypoints(truth)
    observation = Observation(project(points, shifted)[0], torch.ones(21, dtype=torch.float64), shifted)
    starts = fitter.starts(observation, None)
    projected = project(problem.keypoints(starts)[0], shifted)
    miss = (projected - observation.keypoints).norm(dim=-1).mean(1) / observation.size
    assert float(miss.max()) < 0.25
    assert float(starts.translation[:, 2].min()) > 0


def test_observation_counts_unusable_points_as_unseen() -> None:
    keypoints = np.ones((21, 3))
    keypoints[:, :2] = np.random.default_rng(0).uniform(0, 100, (21, 2))
    keypoints[3, 0] = np.nan
    keypoints[4, 2] = 0
    keypoints[5, 2] = 7
    observation = observation_of(keypoints, INTRINSICS.numpy())
    assert observation.confidence[[3, 4, 5]].tolist() == [0, 0, 1]
    assert bool(torch.isfinite(observation.keypoints).all())
    keypoints[5:, 2] = 0
    with pytest.raises(InputError, match=r"only 3 of 21 keypoints are usable.*at least 6"):
        observation_of(keypoints, INTRINSICS.numpy())


def test_keypoints_in_one_place_are_refused() -> None:
    keypoints = np.full((21, 3), 0.9)
    keypoints[:, :2] = 50 + np.random.default_rng(0).uniform(0, 3, (21, 2))
    with pytest.raises(InputError, match=r"lie within 2\.\d pixels of each other; a hand needs at least 4"):
        observation_of(keypoints, INTRINSICS.numpy())


def test_a_checkpoint_that_is_not_there_is_refused() -> None:
    assert load_predictor(None) is None and load_predictor("none") is None
    assert load_predictor("auto", "mano") is None  # what comes along knows the open hand's poses
    with pytest.raises(InputError, match=r"best\.pt: no such file. Expected a checkpoint"):
        load_predictor("best.pt")


def test_a_hand_doubtful_as_a_whole_is_still_held_by_its_keypoints() -> None:
    keypoints = np.ones((21, 3))
    keypoints[:, :2] = np.random.default_rng(0).uniform(0, 100, (21, 2))
    keypoints[:, 2] = np.linspace(0.01, 0.05, 21)
    keypoints[0] = np.nan
    confidence = observation_of(keypoints, INTRINSICS.numpy()).confidence
    assert confidence[0] == 0
    assert float(confidence[1:].mean()) == pytest.approx(0.4)
    assert float(confidence[20] - confidence[1]) == pytest.approx(0.038)
    keypoints[:, 2] = 0.6
    assert observation_of(keypoints, INTRINSICS.numpy()).confidence[1:].tolist() == pytest.approx([0.6] * 20)
