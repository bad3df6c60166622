"""Frames fitted together: smoother than each alone, filled where nothing was seen, at any times."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from handsss.fitting.frame_prior import between
from handsss.fitting.keypoint_fit import keypoint_fitter
from handsss.fitting.motion_fit import MotionSettings, fit_motion, palm_middle
from handsss.fitting.observation import Observation
from handsss.fitting.one_euro import HandFilter, OneEuro
from handsss.fitting.problem import HandParameters, KeypointProblem
from handsss.geometry.cameras import intrinsics_from_fov, project
from handsss.geometry.rotations import axis_angle_to_matrix

COUNT = 24


@pytest.fixture(scope="module")
def problem() -> KeypointProblem:
    return keypoint_fitter("open", "mediapipe").problem


def swing(times: np.ndarray) -> HandParameters:
    """A hand that turns, moves and bends slowly."""
    phase = torch.as_tensor(2 * np.pi * 0.5 * times)
    zero = torch.zeros_like(phase)
    turn = axis_angle_to_matrix(torch.stack([0.3 * phase.sin(), zero + 1.4, 0.4 * phase.cos()], 1))
    place = torch.stack([0.05 * phase.cos(), 0.02 * phase.sin(), 0.5 + 0.03 * phase.sin()], 1)
    pose = torch.zeros(len(times), 45, dtype=torch.float64)
    pose[:, 0] = phase.sin()
    return HandParameters.under_model_prior(turn, place, pose, torch.zeros(len(times), 10, dtype=torch.float64))


def observed(problem: KeypointProblem, hands: HandParameters, noise: float) -> Observation:
    K = torch.as_tensor(intrinsics_from_fov(640, 480))
    points, _ = problem.keypoints(hands)
    pixels = project(points, K)
    rng = torch.Generator().manual_seed(0)
    pixels = pixels + noise * torch.randn(pixels.shape, generator=rng, dtype=torch.float64)
    count = len(pixels)
    return Observation(pixels, torch.ones(count, 21, dtype=torch.float64), K.expand(count, 3, 3))


def accelerations(problem: KeypointProblem, hands: HandParameters) -> np.ndarray:
    points = problem.keypoints(hands)[0].numpy()
    return np.diff(points, 2, axis=0)


def noisy(hands: HandParameters) -> HandParameters:
    rng = torch.Generator().manual_seed(1)
    jitter = [0.05 * torch.randn(part.shape, generator=rng, dtype=torch.float64) for part in (hands.pose, hands.pose)]
    place = hands.translation + 0.004 * torch.randn(hands.translation.shape, generator=rng, dtype=torch.float64)
    return hands._replace(pose=hands.pose + 6 * jitter[0], translation=place)


def test_a_smooth_motion_is_smooth_again(problem: KeypointProblem) -> None:
    times = np.arange(COUNT) / 30
    truth = swing(times)
    start = noisy(truth)
    seen = np.ones(COUNT, dtype=bool)
    fit = fit_motion(problem, start, observed(problem, truth, 2.0), seen, times, iterations=8)
    true = accelerations(problem, truth)
    before = np.linalg.norm(accelerations(problem, start) - true, axis=-1).mean()
    after = np.linalg.norm(accelerations(problem, fit.parameters) - true, axis=-1).mean()
    assert after < before / 10
    apart = problem.keypoints(fit.parameters)[0] - problem.keypoints(truth)[0]
    centred = apart - apart.mean(1, keepdim=True)
    assert float(centred.norm(dim=-1).mean()) < 0.006
    assert torch.equal(fit.parameters.shape, start.shape)


def test_frames_without_keypoints_are_filled(problem: KeypointProblem) -> None:
    times = np.sort(np.random.default_rng(0).uniform(0, 1, COUNT))  # uneven ones
    times += np.arange(COUNT) * 1e-3
    truth = swing(times)
    seen = np.ones(COUNT, dtype=bool)
    seen[10:14] = False
    start = truth.copy()
    hidden = torch.as_tensor(np.flatnonzero(~seen))
    start.assign(hidden, truth.select(torch.zeros(4, dtype=torch.long)))  # they start as the first frame's hand
    observation = observed(problem, truth, 0.0)
    observation.keypoints[hidden] = 0.0  # and say nothing
    fit = fit_motion(problem, start, observation, seen, times, iterations=15)
    apart = problem.keypoints(fit.parameters)[0] - problem.keypoints(truth)[0]
    wrong = problem.keypoints(start)[0] - problem.keypoints(truth)[0]
    assert float(apart[hidden].norm(dim=-1).mean()) < 0.25 * float(wrong[hidden].norm(dim=-1).mean())


def test_what_a_frame_says_against_all_others_counts_little(problem: KeypointProblem) -> None:
    times = np.arange(COUNT) / 30
    truth = swing(times)
    observation = observed(problem, truth, 0.5)
    observation.confidence[12] = 0.05  # an unsure frame, far off
    observation.keypoints[12] += 40.0
    fit = fit_motion(problem, truth, observation, np.ones(COUNT, dtype=bool), times, MotionSettings(), iterations=8)
    points = project(problem.keypoints(fit.parameters)[0], observation.intrinsics)
    true = project(problem.keypoints(truth)[0], observation.intrinsics)
    assert float((points[12] - true[12]).norm(dim=-1).mean()) < 8.0


def test_poses_between_others() -> None:
    poses = torch.tensor([[0.0], [4.0], [0.0]]).expand(3, 45).double()
    found = between(torch.tensor([1, 5, 6]), poses, 9)
    assert found[:, 0].tolist() == [0, 0, 1, 2, 3, 4, 0, 0, 0]


def test_the_filter_rests_and_follows(problem: KeypointProblem) -> None:
    times = np.arange(90) / 30
    still = swing(np.zeros(90))
    rng = torch.Generator().manual_seed(2)
    jitter = 0.002 * torch.randn(90, 3, generator=rng, dtype=torch.float64)
    shaken = still._replace(translation=still.translation + jitter)
    own = HandFilter(torch.as_tensor(palm_middle(problem, still)), problem.space)
    calm = torch.cat([own(shaken.select(k), times[k]).translation for k in range(90)])
    assert float(calm[10:].diff(dim=0).norm(dim=1).mean()) < 0.3 * float(jitter.diff(dim=0).norm(dim=1).mean())
    fast = OneEuro(1.0, 5.0)
    place = torch.zeros(1, 3, dtype=torch.float64)
    for k in range(1, 60):  # two metres a second
        target = torch.tensor([[2.0 * k / 30, 0, 0]], dtype=torch.float64)
        place = place + fast.step(target - place, 1 / 30)
    assert float(target[0, 0] - place[0, 0]) < 0.15
