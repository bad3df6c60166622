"""The benchmark that holds sampled poses against recorded motion: angles and distances of hands that are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from benchmarks.pose_coverage import Recorded, Skeleton, nearest, outside, read, shares
from handsss.hand.joints import FINGERS, MODEL_FINGERS
from handsss.hand.sampling import euler_matrices
from handsss.hand.wide_sampling import sample_wide_poses

COUNT = 12


@pytest.fixture(scope="module")
def skeleton() -> Skeleton:
    return Skeleton()


@pytest.fixture(scope="module")
def posed(skeleton: Skeleton) -> np.ndarray:
    """Joints of sampled poses."""
    return skeleton.posed(sample_wide_poses(skeleton.model, COUNT, np.random.default_rng(0)))


@pytest.fixture(scope="module")
def recorded(skeleton: Skeleton, posed: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """The same as a sensor would record them: millimetres, hands anywhere, larger bones, every second a left hand."""
    chains = [[3 * MODEL_FINGERS.index(finger) + k for k in (1, 2, 3)] for finger in FINGERS]
    tips = [16 + MODEL_FINGERS.index(finger) for finger in FINGERS]
    joints = 1100 * np.concatenate([posed[:, chains], posed[:, tips][:, :, None]], 2)
    turn = Rotation.random(COUNT, rng=np.random.default_rng(1)).as_matrix()
    joints = np.einsum("nij,nfkj->nfki", turn, joints) + 200
    normal, direction = -turn[:, :, 1], -turn[:, :, 0]
    left = np.arange(COUNT) % 2 == 1
    for values in (joints, normal, direction):
        values[left, ..., 0] *= -1
    path = tmp_path_factory.mktemp("recordings") / "hands.npz"
    np.savez(
        path,
        joints=joints,
        palm_normal=normal,
        direction=direction,
        side=np.where(left, "left", "right"),
        confidence=np.linspace(0, 1, COUNT),
        timestamp=np.arange(COUNT) * 10_000,
        recording=np.zeros(COUNT, int),
        recordings=np.array(["all"]),
    )
    return read(path)


def test_recorded_hands_become_the_poses_that_they_are(
    skeleton: Skeleton, posed: np.ndarray, recorded: Recorded
) -> None:
    np.testing.assert_allclose(skeleton.laid_along(recorded.directions), posed, atol=1e-9)
    np.testing.assert_allclose(skeleton.directions(posed), recorded.directions, atol=1e-9)
    assert set(recorded.track) == {0, 1}


def test_angles_turn_the_flat_hand_into_them(skeleton: Skeleton, recorded: Recorded) -> None:
    angles = skeleton.angles(recorded.directions)
    poses = Rotation.from_matrix(euler_matrices(np.deg2rad(angles), skeleton.frames).reshape(-1, 3, 3)).as_rotvec()
    again = skeleton.posed(poses.reshape(-1, 15, 3))
    np.testing.assert_allclose(again, skeleton.laid_along(recorded.directions), atol=1e-9)
    assert outside(np.full((1, 15, 3), 40.0), skeleton.model.limits_deg)["index1 azimuth"] == 100


def test_the_nearest_sample_and_shares(posed: np.ndarray) -> None:
    turned = posed @ Rotation.from_euler("xyz", [0.2, 0.1, -0.3]).as_matrix().T + 0.5
    order = np.random.default_rng(0).permutation(COUNT)
    apart, which = nearest(posed, turned[order])
    assert apart.max() < 1e-6 and (order[which] == np.arange(COUNT)).all()
    apart, _ = nearest(posed[:1], posed[1:])
    assert apart[0] > 3
    found = shares(np.array([4.5, 9.0]), np.array([True, False]))
    assert found["confidence above 0.5"]["within 5 mm, %"] == 100 and found["all"]["within 5 mm, %"] == 50
