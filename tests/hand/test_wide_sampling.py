"""The wide sampler: inside its ranges, free of collisions, and wider than the coupled one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handsss.hand.load import load_model
from handsss.hand.model import HandModel
from handsss.hand.sampling import collides, finger_radii, joint_positions, sample_angles, sample_poses
from handsss.hand.wide_sampling import sample_wide_angles, sample_wide_poses

KNUCKLES = [0, 3, 6, 9]  # of index, middle, little and ring finger


@pytest.fixture(scope="module")
def model() -> HandModel:
    return load_model("open-detail")


@pytest.fixture(scope="module")
def angles(model: HandModel) -> np.ndarray:
    """Degrees."""
    return sample_wide_angles(model.limits_deg, 6000, np.random.default_rng(0))


def test_angles_keep_the_limits_but_for_fingers_to_the_side(model: HandModel, angles: np.ndarray) -> None:
    low, high = model.limits_deg[..., 0], model.limits_deg[..., 1]
    beyond = np.maximum(low - angles, angles - high).max(0)  # [15, 3]
    assert (beyond[KNUCKLES, 0] <= 12).all()
    beyond[KNUCKLES, 0] = 0
    assert beyond.max() < 1e-9


def test_poses_are_free_of_collisions_and_follow_from_the_seed(model: HandModel) -> None:
    poses = sample_wide_poses(model, 300, np.random.default_rng(3))
    assert poses.shape == (300, 15, 3)
    assert np.array_equal(poses, sample_wide_poses(model, 300, np.random.default_rng(3)))
    assert not np.array_equal(poses, sample_wide_poses(model, 300, np.random.default_rng(4)))
    rotations = Rotation.from_rotvec(poses.reshape(-1, 3)).as_matrix().reshape(-1, 15, 3, 3)
    joints = model.j_regressor @ model.v_template
    positions = joint_positions(joints, model.v_template[model.tips], rotations)
    assert not collides(positions, finger_radii(model, joints)).any()


def test_what_hands_do_that_the_coupled_sampler_does_not(model: HandModel, angles: np.ndarray) -> None:
    """Shares of hands, some found in recorded motion, that are at least five times the coupled sampler's."""
    usual = sample_angles(model.limits_deg, 6000, np.random.default_rng(0))

    def flat_fold(a: np.ndarray) -> np.ndarray:  # knuckles bent, fingers straight
        return (a[:, [0, 3, 9], 1] > 50).all(1) & (a[:, [1, 4, 10], 1] < 25).all(1)

    def hook(a: np.ndarray) -> np.ndarray:  # knuckles straight, fingers bent
        return (a[:, [0, 3, 9], 1] < 15).all(1) & (a[:, [1, 4, 10], 1] > 60).all(1)

    def together(a: np.ndarray) -> np.ndarray:  # parallel fingers, flat hand
        return (a[:, 0, 0] < -8) & (a[:, 6, 0] > 4) & (a[:, [0, 3, 9], 1] < 20).all(1)

    def straight_thumb_in_front(a: np.ndarray) -> np.ndarray:
        return (a[:, 12, 1] > 25) & (a[:, [13, 14], 1] < 5).all(1)

    for kind in (flat_fold, hook, together, straight_thumb_in_front):
        assert kind(angles).mean() > 0.01, kind.__name__
        assert kind(angles).mean() > 5 * kind(usual).mean(), kind.__name__


def test_the_coupled_sampler_is_as_it_was(model: HandModel) -> None:
    """The evaluation split of ``synthesize`` and the model's pose space follow from these numbers."""
    poses = sample_poses(model, 2, np.random.default_rng(0))
    assert np.abs(poses).sum((1, 2)) == pytest.approx([4.695193593654966, 6.848336389870236], abs=1e-6)
