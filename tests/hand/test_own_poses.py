"""The range of a MANO-format model's own poses: the limits of a fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from handsss.hand.limits import MANO_LIMITS_DEG, limit_excess, mano_angles
from handsss.hand.load import load_model
from handsss.hand.mano import load_file
from handsss.hand.model import mirrored
from handsss.hand.own_poses import MARGIN_DEG, own_limits, registered_coefficients
from tests.mano_files import Arrays, WriteMano
from tests.mano_hands import bent_poses


def test_limits_of_poses_by_hand() -> None:
    """Component 0 is joint 0's x, 1 its y, 2 its z: roll, azimuth and minus pitch."""
    coefficients = np.zeros((201, 45))
    coefficients[:, 0] = np.deg2rad(np.linspace(-10, 30, 201))
    coefficients[:, 1] = np.deg2rad(np.linspace(0, 20, 201))
    coefficients[:, 2] = np.deg2rad(np.linspace(-5, 100, 201))
    mean = np.zeros(45)
    mean[1] = np.deg2rad(3)
    limits = own_limits(mean, np.eye(45), np.ones(45), coefficients, "right")
    within = np.array([[3.1, 22.9], [-99.475, 4.475], [-9.8, 29.8]])  # half a percent of each end left out
    np.testing.assert_allclose(limits[0], within + [-MARGIN_DEG, MARGIN_DEG])
    np.testing.assert_allclose(limits[1:], np.broadcast_to([-MARGIN_DEG, MARGIN_DEG], (14, 3, 2)))


def test_limits_without_poses_come_from_mean_and_components() -> None:
    std = np.zeros(45)
    std[0] = np.deg2rad(10)
    components = np.linalg.qr(np.random.default_rng(0).normal(size=(45, 45)))[0]
    mean = np.deg2rad(np.linspace(-20, 20, 45))
    limits = own_limits(mean, components, std, None, "right")
    many = np.random.default_rng(1).normal(size=(20_000, 1)) * std[:1]
    coefficients = np.concatenate([many, np.zeros((len(many), 44))], 1)
    np.testing.assert_allclose(limits, own_limits(mean, components, std, coefficients, "right"), atol=0.5)


def test_a_file_brings_its_own_limits_on_both_sides(write_mano: WriteMano, bent_mano: Arrays) -> None:
    right = load_file(write_mano("right", arrays=bent_mano), "right")
    np.testing.assert_array_equal(right.limits_deg, MANO_LIMITS_DEG)  # table 1 stays what E_J is about
    left = load_file(write_mano("left", arrays=bent_mano), "left")
    np.testing.assert_allclose(left.fit_limits_deg, right.fit_limits_deg, atol=1e-9)
    np.testing.assert_array_equal(mirrored(right).fit_limits_deg, right.fit_limits_deg)
    angles = mano_angles(torch.as_tensor(bent_poses(200, seed=5).reshape(-1, 15, 3)))

    def excess(limits_deg: np.ndarray) -> float:
        return float(torch.rad2deg(limit_excess(angles, torch.deg2rad(torch.as_tensor(limits_deg)))).sum(-1).mean())

    assert excess(right.limits_deg) > 15  # degrees a joint; MANO's own poses: 16.9
    assert excess(right.fit_limits_deg) < 0.05


def test_files_without_usable_poses(write_mano: WriteMano, bent_mano: Arrays) -> None:
    poses = bent_mano["hands_coeffs"]
    damaged = poses.copy()
    damaged[3, 4] = np.nan
    for unusable in (poses[:45], poses[:, :44], damaged, np.zeros_like(poses)):
        assert registered_coefficients({"hands_coeffs": unusable}) is None
    assert registered_coefficients({}) is None
    given = {key: value for key, value in bent_mano.items() if key != "hands_coeffs"}
    model = load_file(write_mano("right", arrays=given), "right")
    expected = own_limits(model.hands_mean, model.hands_components, model.hands_std, None, "right")
    np.testing.assert_array_equal(model.fit_limits_deg, expected)


@pytest.mark.parametrize("name", ["open", "open-detail"])
def test_the_open_hands_limits_are_its_own_already(name: str) -> None:
    model = load_model(name)
    assert model.fit_limits_deg is model.limits_deg
