"""Joint angles and limits: equation 4 and table 1."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handsss.geometry.rotations import axis_angle_to_matrix
from handsss.hand.layer import HandLayer
from handsss.hand.limits import (
    MANO_LIMITS_DEG,
    euler_angles,
    limit_excess,
    mano_angles,
    mano_limits,
    rotations_from_euler,
)
from handsss.hand.load import load_model
from handsss.hand.model import mirrored
from handsss.hand.sampling import euler_matrices, matrices_to_axis_angle

DOUBLE = torch.float64


def test_excess_by_hand() -> None:
    limits = torch.tensor([[[-0.1, 0.2], [-1.0, 0.0], [0.0, 0.0]]], dtype=DOUBLE)
    angles = torch.tensor([[[0.5, -1.25, 0.0]], [[0.15, -0.5, -0.3]], [[-0.4, 0.1, 0.2]]], dtype=DOUBLE)
    expected = torch.tensor([[[0.3, 0.25, 0.0]], [[0.0, 0.0, 0.3]], [[0.3, 0.1, 0.2]]], dtype=DOUBLE)
    torch.testing.assert_close(limit_excess(angles, limits), expected)


def test_table_1_row_by_row() -> None:
    """The supplement's bones by their OpenPose numbers: (azimuth, pitch, roll) in degrees."""
    base, rest = ((-10, 10), (-100, 10), (-5, 5)), ((-5, 5), (-100, 10), (-5, 5))
    table = {
        "index1": base,
        "middle1": base,
        "ring1": base,
        "little1": ((-10, 20), (-100, 10), (-20, 5)),
        "thumb1": ((-22.5, 33.75), (-22.5, 22.5), (0, 90)),
        "thumb2": ((-5, 5), (-22.5, 22.5), (-5, 5)),
        "thumb3": ((-5, 5), (-100, 20), (-5, 5)),
    }
    from handsss.hand.joints import MODEL_JOINTS

    limits = mano_limits("right")
    assert limits.shape == (15, 3, 2) and len(MANO_LIMITS_DEG) == 15
    for row, name in enumerate(MODEL_JOINTS[1:]):
        np.testing.assert_array_equal(limits[row], table.get(name, rest), err_msg=name)
    np.testing.assert_array_equal(mano_limits("left"), limits)
    with pytest.raises(ValueError, match="side is 'right' or 'left'"):
        mano_limits("both")


def test_mano_angles_are_y_minus_z_and_x() -> None:
    vector = torch.tensor([[0.1, 0.2, 0.3]]).expand(15, 3)
    torch.testing.assert_close(mano_angles(vector)[0], torch.tensor([0.2, -0.3, 0.1]))
    torch.testing.assert_close(mano_angles(vector * torch.tensor([1.0, -1, -1]), "left"), mano_angles(vector))


def random_frames(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return axis_angle_to_matrix(torch.randn(15, 3, generator=generator, dtype=DOUBLE))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1000), st.floats(-1.5, 1.5), st.floats(-math.pi + 1e-3, math.pi - 1e-3), st.floats(-3.1, 3.1))
def test_euler_angles_come_back(seed, azimuth, pitch, roll) -> None:
    angles = torch.tensor([azimuth, pitch, roll], dtype=DOUBLE).expand(2, 15, 3)
    for frames in (random_frames(seed), random_frames(seed) * torch.tensor([-1.0, 1, 1], dtype=DOUBLE)[:, None]):
        rotations = rotations_from_euler(angles, frames)
        torch.testing.assert_close(euler_angles(rotations, frames), angles, atol=1e-7, rtol=0)
        torch.testing.assert_close(torch.linalg.det(rotations), torch.ones(2, 15, dtype=DOUBLE))


def test_pitch_bends_about_the_frames_second_axis() -> None:
    frames = random_frames(2)
    for axis, (column, sign) in enumerate(((2, 1.0), (1, 1.0), (0, 1.0))):  # azimuth, pitch, roll
        angles = torch.zeros(15, 3, dtype=DOUBLE)
        angles[:, axis] = 0.4
        expected = axis_angle_to_matrix(0.4 * sign * frames[:, :, column])
        torch.testing.assert_close(rotations_from_euler(angles, frames), expected, atol=1e-12, rtol=0)


def test_limit_gradients_are_finite_and_right() -> None:
    layer = HandLayer(load_model("open"), dtype=DOUBLE)
    pose = (torch.randn(2, 15, 3, dtype=DOUBLE, generator=torch.Generator().manual_seed(0)) * 0.4).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: layer.limit_excess(axis_angle_to_matrix(p)), pose)
    zero = torch.zeros(1, 15, 3, dtype=DOUBLE, requires_grad=True)
    layer.limit_excess(axis_angle_to_matrix(zero)).sum().backward()
    assert zero.grad is not None and torch.isfinite(zero.grad).all()


def test_mano_limits_through_the_layer(mano_model) -> None:
    layer = HandLayer(mano_model, flat_hand_mean=True, dtype=DOUBLE)
    pose = torch.zeros(1, 15, 3, dtype=DOUBLE)
    pose[0, 0] = torch.tensor([0.0, 0.0, math.radians(70)])  # index bends by 70 degrees: pitch -70, allowed
    pose[0, 3] = torch.tensor([0.0, 0.0, -math.radians(40)])  # middle bends backwards by 40: 30 too much
    pose[0, 12] = torch.tensor([-math.radians(12), 0.0, 0.0])  # thumb rolls below 0
    excess = torch.rad2deg(layer.limit_excess(layer.pose_matrices(axis_angle=pose)))[0]
    expected = torch.zeros(15, 3, dtype=DOUBLE)
    expected[3, 1], expected[12, 2] = 30, 12
    torch.testing.assert_close(excess, expected, atol=1e-5, rtol=0)
    left = HandLayer(mirrored(mano_model), flat_hand_mean=True, dtype=DOUBLE)
    twin = left.pose_matrices(axis_angle=pose * torch.tensor([1.0, -1, -1]).to(DOUBLE))
    torch.testing.assert_close(torch.rad2deg(left.limit_excess(twin))[0], expected, atol=1e-5, rtol=0)


def test_mano_limits_beyond_half_a_turn_follow_the_vector(mano_model) -> None:
    """A joint bent by 200 degrees is 100 too far; from its matrix it seems bent backwards by 160, 150 too far."""
    layer = HandLayer(mano_model, flat_hand_mean=True, dtype=DOUBLE)
    pose = torch.zeros(1, 15, 3, dtype=DOUBLE)
    pose[0, 0, 2] = math.radians(200)
    pca = (pose.reshape(1, 45) - layer.mean_pose) @ torch.linalg.inv(layer.components)
    pca.requires_grad_()
    matrices = axis_angle_to_matrix(layer.absolute_pose(pca=pca))
    excess = layer.limit_excess(matrices, pca)
    expected = torch.zeros(15, 3, dtype=DOUBLE)
    expected[0, 1] = 100
    torch.testing.assert_close(torch.rad2deg(excess)[0], expected, atol=1e-6, rtol=0)
    assert float(torch.rad2deg(layer.limit_excess(matrices))[0, 0, 1].detach()) == pytest.approx(150)
    (gradient,) = torch.autograd.grad(excess[0, 0, 1], pca)
    torch.testing.assert_close(gradient[0], layer.components[:, 2])  # pitch is -z, and bends down to -100
    near = (pca + 0.05 * torch.randn(1, 45, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))).detach()
    vectors = layer.absolute_pose

    def by_vector(coefficients: torch.Tensor) -> torch.Tensor:
        return layer.limit_excess(axis_angle_to_matrix(vectors(pca=coefficients)), coefficients)

    assert torch.autograd.gradcheck(by_vector, near.requires_grad_())


def test_mano_limits_have_a_gradient_at_the_flat_hand(mano_model) -> None:
    layer = HandLayer(mano_model, flat_hand_mean=True)
    pose = torch.zeros(1, 45, requires_grad=True)
    layer.limit_excess(layer.pose_matrices(axis_angle=pose)).sum().backward()
    assert pose.grad is not None and torch.isfinite(pose.grad).all()


@pytest.mark.parametrize("side", ["right", "left"])
def test_open_hand_may_rest(side) -> None:
    model = load_model("open", side)
    layer = HandLayer(model, dtype=DOUBLE)
    rest = layer.pose_matrices(pca=torch.zeros(1, 1, dtype=DOUBLE))
    assert torch.rad2deg(layer.limit_excess(rest)).max() < 1.0


def test_numpy_and_torch_make_the_same_rotations() -> None:
    frames = random_frames(4)
    angles = torch.rand(50, 15, 3, dtype=DOUBLE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    rotations = euler_matrices(angles.numpy(), frames.numpy())
    np.testing.assert_allclose(rotations, rotations_from_euler(angles, frames).numpy(), atol=1e-12)
    vectors = matrices_to_axis_angle(rotations)
    np.testing.assert_allclose(axis_angle_to_matrix(torch.as_tensor(vectors)).numpy(), rotations, atol=1e-12)
