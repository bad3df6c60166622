"""Rotations: values, derivatives and the places where formulae like to break."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from handsss.geometry import rotations
from handsss.geometry.autograd import plain_autograd_needed
from handsss.geometry.rotations import (
    axis_angle_to_matrix,
    matrix_to_axis_angle,
    matrix_to_quaternion,
    mirror_axis_angle,
    six_numbers_to_matrix,
    skew,
)

DOUBLE = torch.float64
ANGLES = [
    0.0,
    1e-300,
    1e-20,
    1e-12,
    1e-8,
    1e-4,
    1e-3,
    0.0316,
    0.03163,
    0.1,
    1.0,
    3.0,
    math.pi - 1e-7,
    math.pi,
    4.0,
    7.0,
]


def vectors(angle: float, count: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    axes = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator, dtype=DOUBLE), dim=-1)
    return axes * angle


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("function", [axis_angle_to_matrix, rotations._rodrigues])
def test_rodrigues_is_the_matrix_exponential(angle, function) -> None:
    given = vectors(angle)
    torch.testing.assert_close(function(given), torch.linalg.matrix_exp(skew(given)), atol=1e-14, rtol=0)
    single = function(given.float()).double()
    torch.testing.assert_close(single, torch.linalg.matrix_exp(skew(given)), atol=1e-6, rtol=0)


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("function", [axis_angle_to_matrix, rotations._rodrigues])
def test_first_derivatives(angle, function) -> None:
    given = vectors(angle, 2).requires_grad_()
    assert torch.autograd.gradcheck(function, given)
    weights = torch.randn(2, 3, 3, dtype=DOUBLE, generator=torch.Generator().manual_seed(1))
    exact = torch.autograd.grad(torch.linalg.matrix_exp(skew(given)), given, weights)[0]
    found = torch.autograd.grad(function(given), given, weights)[0]
    torch.testing.assert_close(found, exact, atol=1e-12, rtol=0)
    single = given.detach().float().requires_grad_()
    found = torch.autograd.grad(function(single), single, weights.float())[0]
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found.double(), exact, atol=5e-6, rtol=0)


@pytest.mark.parametrize("angle", [0.0, 1e-8, 0.02, 0.1, 2.0])
def test_second_derivatives(angle) -> None:
    assert torch.autograd.gradgradcheck(axis_angle_to_matrix, vectors(angle, 2).requires_grad_())


def test_gradient_at_exactly_zero_is_the_generators() -> None:
    zero = torch.zeros(3, requires_grad=True)
    jacobian = torch.stack(
        [torch.autograd.grad(axis_angle_to_matrix(zero)[i, j], zero)[0] for i, j in ((2, 1), (0, 2), (1, 0))]
    )
    torch.testing.assert_close(jacobian, torch.eye(3))


@pytest.mark.parametrize("shape", [(3,), (0, 3), (1, 3), (2, 4, 3), (2, 0, 3)])
def test_any_leading_shape(shape) -> None:
    given = torch.randn(shape, requires_grad=True)
    matrix = axis_angle_to_matrix(given)
    assert matrix.shape == (*shape, 3)
    matrix.sum().backward()
    assert given.grad is not None and given.grad.shape == shape


def test_transposed_input_and_expanded_gradient() -> None:
    base = torch.randn(3, 5, dtype=DOUBLE, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: axis_angle_to_matrix(x.t()).sum(0), base)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(-math.pi, math.pi), min_size=3, max_size=3))
def test_axis_angle_there_and_back(values) -> None:
    given = torch.tensor(values, dtype=DOUBLE)
    matrix = axis_angle_to_matrix(given)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(3, dtype=DOUBLE), atol=1e-14, rtol=0)
    back = matrix_to_axis_angle(matrix)
    assert back.norm() <= math.pi + 1e-12
    torch.testing.assert_close(axis_angle_to_matrix(back), matrix, atol=1e-9, rtol=0)
    np.testing.assert_allclose(axis_angle_to_matrix(back), Rotation.from_rotvec(values).as_matrix(), atol=1e-9)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-6, 1e-3, 1.0, math.pi - 1e-3, math.pi - 1e-6, math.pi - 1e-9])
def test_axis_angle_of_a_matrix(angle) -> None:
    given = vectors(angle)
    torch.testing.assert_close(matrix_to_axis_angle(axis_angle_to_matrix(given)), given, atol=1e-8, rtol=0)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_half_turns(axis) -> None:
    given = torch.zeros(3, dtype=DOUBLE)
    given[axis] = math.pi
    back = matrix_to_axis_angle(axis_angle_to_matrix(given))
    torch.testing.assert_close(back.abs(), given, atol=1e-9, rtol=0)


@pytest.mark.parametrize("angle", [0.0, 1e-3, 1.0, 3.0])
def test_derivative_of_the_inverse(angle) -> None:
    given = vectors(angle, 2).requires_grad_()
    weights = torch.randn(2, 3, dtype=DOUBLE)
    found = torch.autograd.grad(matrix_to_axis_angle(axis_angle_to_matrix(given)), given, weights)[0]
    torch.testing.assert_close(found, weights, atol=1e-6, rtol=0)


def test_quaternions_against_scipy() -> None:
    turns = Rotation.random(100, random_state=0)
    found = matrix_to_quaternion(torch.as_tensor(turns.as_matrix())).numpy()
    expected = turns.as_quat()[:, [3, 0, 1, 2]]
    expected *= np.sign(expected[:, :1])
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert (found[:, 0] >= 0).all()


def test_skew_is_the_cross_product() -> None:
    a, b = torch.randn(2, 4, 3, dtype=DOUBLE)
    torch.testing.assert_close((skew(a) @ b[..., None])[..., 0], torch.linalg.cross(a, b))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_mirrored_rotation_vectors(axis) -> None:
    mirror = torch.eye(3, dtype=DOUBLE)
    mirror[axis, axis] = -1
    given = vectors(1.3)
    expected = mirror @ axis_angle_to_matrix(given) @ mirror
    torch.testing.assert_close(axis_angle_to_matrix(mirror_axis_angle(given, axis)), expected, atol=1e-14, rtol=0)


def test_transforms_of_torch_func_see_the_plain_operations() -> None:
    given = vectors(0.7)
    reverse = torch.func.vmap(torch.func.jacrev(axis_angle_to_matrix))(given)
    forward = torch.func.vmap(torch.func.jacfwd(axis_angle_to_matrix))(given)
    torch.testing.assert_close(reverse, forward, atol=1e-13, rtol=0)
    assert not plain_autograd_needed(given, None)
    seen = []
    torch.func.vmap(lambda x: seen.append(plain_autograd_needed(x)) or x)(given)
    assert seen == [True]


def test_six_numbers_are_rotations_without_a_jump() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(50, 6, generator=generator, dtype=DOUBLE)
    matrix = six_numbers_to_matrix(values)
    torch.testing.assert_close(matrix @ matrix.transpose(1, 2), torch.eye(3, dtype=DOUBLE).expand(50, 3, 3))
    torch.testing.assert_close(torch.linalg.det(matrix), torch.ones(50, dtype=DOUBLE))
    # Of a rotation's own first rows: the rotation, whatever their lengths; half a turn is nothing special.
    turns = axis_angle_to_matrix(torch.cat([vectors(angle) for angle in (0.0, 1.0, math.pi, 3.3)]))
    rows = turns[:, :2] * torch.tensor([[2.0], [0.3]], dtype=DOUBLE)
    torch.testing.assert_close(six_numbers_to_matrix(rows.flatten(1)), turns)
    assert torch.autograd.gradcheck(six_numbers_to_matrix, (values[:3].requires_grad_(),))
