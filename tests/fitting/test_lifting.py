"""The lifting network: its file, what it recovers, what it does not depend on, and the tool that trains it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from handsss.errors import InputError
from handsss.fitting.keypoint_fit import KeypointFitter
from handsss.fitting.lifting import Lifter
from handsss.fitting.lifting_network import FILE, LiftingNetwork, load_lifting, network_bytes, normalise
from handsss.fitting.observation import Observation
from handsss.fitting.problem import FitSettings, HandParameters, KeypointProblem
from handsss.geometry.cameras import project
from handsss.geometry.procrustes import procrustes
from handsss.hand.load import load_model
from handsss.hand.sampling import sample_poses
from handsss.reconstruction.pipeline import HandPipeline
from handsss.reconstruction.settings import PipelineSettings
from tools.train_lifting.__main__ import figures, loss_of, train
from tools.train_lifting.samples import Sampler, SampleSettings, error_factor

K = torch.tensor([[480.0, 0, 112], [0, 470, 120], [0, 0, 1]], dtype=torch.float64)


@pytest.fixture(scope="module")
def problem() -> KeypointProblem:
    model = load_model("open")
    return KeypointProblem(model, model.keypoint_set("mediapipe"), FitSettings())


@pytest.fixture(scope="module")
def lifter(problem: KeypointProblem) -> Lifter:
    return Lifter(load_model("open"), problem)


def hands(problem: KeypointProblem, count: int, seed: int) -> HandParameters:
    rng = np.random.default_rng(seed)
    poses = torch.as_tensor(sample_poses(load_model("open"), count, rng))
    rotation = torch.as_tensor(Rotation.random(count, rng=rng).as_matrix())
    place = np.stack([rng.normal(0, 0.05, count), rng.normal(0, 0.05, count), rng.uniform(0.4, 0.9, count)], 1)
    shape = torch.as_tensor(rng.normal(0, 0.7, (count, 10)))
    return HandParameters.under_model_prior(rotation, torch.as_tensor(place), problem.space.coefficients(poses), shape)


def seen(points: Tensor, intrinsics: Tensor = K) -> Observation:
    """Camera-frame points [21, 3] without any error."""
    return Observation(project(points[None], intrinsics)[0], torch.ones(21, dtype=torch.float64), intrinsics)


def aligned(points: Tensor, truth: Tensor) -> np.ndarray:
    """Mean distances [B], metres."""
    a, b = points.numpy(), truth.numpy()
    result: np.ndarray = np.linalg.norm(procrustes(a, b, reflection=False)(a) - b, axis=2).mean(1)
    return result


def test_exact_keypoints_give_hands_near_the_true_ones(problem: KeypointProblem, lifter: Lifter) -> None:
    truth, _ = problem.keypoints(hands(problem, 60, seed=1))
    mean, _ = problem.keypoints(hands(problem, 60, seed=1)._replace(pose=torch.zeros(60, 45).double()))
    lifted = [lifter(seen(points)) for points in truth]
    made = [problem.keypoints(one)[0] for one in lifted]
    best = aligned(torch.stack([one[0] for one in made]), truth)
    nearest = np.array([aligned(one, points.expand_as(one)).min() for one, points in zip(made, truth, strict=True)])
    still = aligned(mean, truth)
    assert best.mean() < 0.6 * still.mean(), (best.mean(), still.mean())
    assert nearest.mean() < 0.5 * still.mean(), (nearest.mean(), still.mean())
    assert best.mean() < 0.009, best.mean()


def test_hands_are_put_over_the_keypoints(problem: KeypointProblem, lifter: Lifter) -> None:
    truth, _ = problem.keypoints(hands(problem, 20, seed=2))
    misses = []
    for points in truth:
        observation = seen(points)
        lifted = lifter(observation)
        projected = project(problem.keypoints(lifted)[0], K)
        misses.append(float((projected - observation.keypoints).norm(dim=-1).mean(1)[0]) / observation.size)
        assert float(lifted.translation[:, 2].min()) > 0
        torch.testing.assert_close(
            lifted.rotation @ lifted.rotation.transpose(1, 2), torch.eye(3).double().expand(len(lifted.pose), 3, 3)
        )
    assert np.median(misses) < 0.1, misses


@pytest.mark.parametrize("change", ["turned in the picture", "larger picture", "shifted picture", "turned camera"])
def test_what_the_picture_is_like_does_not_matter(problem: KeypointProblem, lifter: Lifter, change: str) -> None:
    points, _ = problem.keypoints(hands(problem, 1, seed=3))
    turn, intrinsics = torch.eye(3, dtype=torch.float64), K.clone()
    if change == "turned in the picture":
        turn = torch.as_tensor(Rotation.from_euler("z", 2.1).as_matrix())
    elif change == "turned camera":
        turn = torch.as_tensor(Rotation.from_euler("xyz", [0.3, -0.4, 1.0]).as_matrix())
    elif change == "larger picture":
        intrinsics[:2] *= 3
    else:
        intrinsics[:2, 2] += torch.tensor([400.0, -250.0])
    first = lifter(seen(points[0]))
    second = lifter(seen(points[0] @ turn.T, intrinsics))
    torch.testing.assert_close(second.pose, first.pose, atol=1e-4, rtol=0)
    torch.testing.assert_close(second.shape, first.shape, atol=1e-4, rtol=0)
    torch.testing.assert_close(second.rotation, turn @ first.rotation, atol=1e-4, rtol=0)
    torch.testing.assert_close(second.translation, first.translation @ turn.T, atol=5e-3, rtol=0)


def test_the_same_hand_farther_away_has_nearly_the_same_features(problem: KeypointProblem) -> None:
    placed = hands(problem, 1, seed=4)._replace(translation=torch.tensor([[0.0, 0.0, 5.0]]).double())
    points, _ = problem.keypoints(placed)
    one = torch.ones(1, 21, dtype=torch.float64)
    near, far = (normalise(p[..., :2] / p[..., 2:], one) for p in (points, points + torch.tensor([0, 0, 5.0])))
    torch.testing.assert_close(far.features[:, :42], near.features[:, :42], atol=0.05, rtol=0)
    assert float(near.scale / far.scale) == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize("lost", [[0], [9], [0, 5, 9, 13, 17], [1, 2, 3, 4, 8]])
def test_points_that_were_not_seen_have_no_say(problem: KeypointProblem, lifter: Lifter, lost: list[int]) -> None:
    truth, _ = problem.keypoints(hands(problem, 1, seed=5))
    observation = seen(truth[0])
    confidence = observation.confidence.clone()
    confidence[lost] = 0
    nan, far = observation.keypoints.clone(), observation.keypoints.clone()
    nan[lost], far[lost] = torch.nan, 9999.0
    made = [lifter(Observation(points, confidence, K)) for points in (observation.keypoints, nan, far)]
    for other in made[1:]:
        for a, b in zip(made[0], other, strict=True):
            assert bool(torch.isfinite(b).all())
            torch.testing.assert_close(a, b)
    # NaN with confidence is a point that was not seen, too.
    same = lifter(Observation(nan, observation.confidence, K))
    torch.testing.assert_close(same.pose, made[0].pose)


def test_other_hand_models_are_refused_and_searched_for(
    write_mano: Callable[..., Path], handlike_mano: dict[str, np.ndarray]
) -> None:
    other = replace(load_model("open"), name="other")
    with pytest.raises(InputError, match=r"knows the open hand only, not 'other'.*start search"):
        KeypointFitter(other, "joints", start="lifted")
    assert KeypointFitter(other, "joints").lifter is None
    path = write_mano("right", arrays=handlike_mano)
    with pytest.raises(InputError, match=r"knows the open hand only.*model open"):
        HandPipeline(str(path), PipelineSettings(start="lifted"))
    assert KeypointFitter(load_model("open-detail"), "joints", start="lifted").lifter is not None


def test_the_fit_starts_from_the_networks_hands_first(problem: KeypointProblem, lifter: Lifter) -> None:
    fitter = KeypointFitter(load_model("open"), "mediapipe", FitSettings(), start="lifted")
    points, _ = problem.keypoints(hands(problem, 1, seed=6))
    observation = seen(points[0])
    starts, lifted = fitter.starts(observation, None), lifter(observation)
    torch.testing.assert_close(starts.pose, lifted.pose)
    # Beside the hand model's own prior, a Gaussian about its mean pose.
    settings = FitSettings()
    own = settings.lifted_model_std**-2
    variance = 1 / (own + (settings.lifted_std * settings.prior_scale_sure) ** -2)
    torch.testing.assert_close(starts.prior_mean, lifted.pose * (1 - own * variance))
    torch.testing.assert_close(starts.prior_std, torch.full_like(starts.prior_std, variance**0.5))
    assert "bank" not in vars(fitter)  # it was not needed
    fitted = fitter(observation).parameters
    assert aligned(problem.keypoints(fitted)[0], points)[0] < 0.006


def test_the_file_that_is_shipped_is_small_and_says_what_it_is() -> None:
    assert FILE.stat().st_size < 3_000_000
    network, facts = load_lifting()
    assert facts["model"] == "open"
    assert sum(value.numel() for value in network.parameters()) < 1_000_000
    assert not any(value.requires_grad for value in network.parameters())


def test_files_that_are_damaged_or_something_else_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "lifting.safetensors"
    with pytest.raises(InputError, match="not a readable lifting network"):
        load_lifting(path)
    path.write_bytes(FILE.read_bytes()[:5000])
    with pytest.raises(InputError, match="not a readable lifting network"):
        load_lifting(path)
    path.write_bytes(pickle.dumps({"weights": [1, 2, 3]}))
    with pytest.raises(InputError, match="not a readable lifting network"):
        load_lifting(path)
    small = LiftingNetwork(8, 1, 2)
    path.write_bytes(network_bytes(small, {"model": "open", "format_version": "2"}))
    with pytest.raises(InputError, match="no lifting network of this version"):
        load_lifting(path)
    for sizes in ({"width": "16"}, {"width": "999999"}, {"blocks": "two"}):
        path.write_bytes(network_bytes(small, {"model": "open", **sizes}))
        with pytest.raises(InputError, match="do not fit what it says of itself"):
            load_lifting(path)
    torch.nn.init.constant_(small.enter.bias, float("nan"))
    path.write_bytes(network_bytes(small, {"model": "open"}))
    with pytest.raises(InputError, match="not finite"):
        load_lifting(path)
    path.write_bytes(network_bytes(LiftingNetwork(8, 1, 2), {"model": "mano"}))
    model = load_model("open")
    other = Lifter(model, KeypointProblem(model, model.keypoint_set("joints"), FitSettings()), path)
    with pytest.raises(InputError, match="trained for the hand model 'mano'"):
        other(Observation(torch.rand(21, 2).double(), torch.ones(21).double(), K))


@pytest.fixture(scope="module")
def sampler() -> Sampler:
    return Sampler(SampleSettings(poses=300, grasps=5), seed=7)


def test_errors_are_as_large_as_they_are_meant_to_be() -> None:
    sampler = Sampler(SampleSettings(poses=10, grasps=1, clean=0), seed=3)
    factor = error_factor().double()
    assert float(2 * (factor @ factor.T).trace() / 21) == pytest.approx(1)
    rays = 0.07 * torch.randn(1, 21, 2, generator=torch.Generator().manual_seed(0)).expand(2000, 21, 2)
    made, confidence = sampler.detected(rays)
    radius = (rays[0] - rays[0].mean(0)).square().sum(-1).mean().sqrt()
    error = (made - rays).norm(dim=-1) / radius
    # As measured of the detector: median over pictures 0.15 of the radius, some points lost, the surer the nearer.
    assert 0.10 < float(error.square().mean(1).sqrt().median()) < 0.20
    assert 0.005 < float((confidence == 0).double().mean()) < 0.04
    assert 0.03 < float(error[confidence > 0.9].median()) < 0.09
    assert float(error[(confidence > 0) & (confidence < 0.1)].median()) > 0.2


def test_training_in_small_improves_on_its_start(sampler: Sampler) -> None:
    def trained(steps: int) -> tuple[LiftingNetwork, float, float]:
        torch.manual_seed(0)
        sampler.generator.manual_seed(1)
        network = LiftingNetwork(64, 1, 2)
        if steps:
            train(sampler, network, steps=steps, batch=64, rate=3e-3, say=False)
        sampler.generator.manual_seed(2)  # hands that it was not taught
        with torch.no_grad():
            loss = float(loss_of(network, sampler, sampler(300)).total)
        return network, loss, figures(network, sampler, 300)["rotation_degrees_best_scored_median"]

    (_, loss, degrees), (first, less, fewer) = trained(0), trained(60)
    assert less < 0.7 * loss
    assert fewer < 0.7 * degrees
    assert network_bytes(first, {}) == network_bytes(trained(60)[0], {})  # the same seed, the same network
