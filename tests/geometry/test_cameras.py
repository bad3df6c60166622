"""Cameras: projection by hand, and cameras of cropped, turned and mirrored pictures."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from handsss.geometry.cameras import (
    from_opengl,
    intrinsics_from_focal,
    intrinsics_from_fov,
    mirror_intrinsics,
    project,
    to_opengl,
    unproject,
)

DOUBLE = torch.float64
SKEWED = torch.tensor([[500.0, 2.0, 110.0], [0.0, 480.0, 115.0], [0.0, 0.0, 1.0]], dtype=DOUBLE)


def points(count: int = 7) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, count, 3, generator=generator, dtype=DOUBLE) * 0.1 + torch.tensor([0.0, 0.0, 0.6]).to(DOUBLE)


def test_projection_by_hand() -> None:
    point = torch.tensor([[0.1, -0.05, 0.5]], dtype=DOUBLE)
    expected = torch.tensor([[500 * 0.2 + 2 * -0.1 + 110, 480 * -0.1 + 115]], dtype=DOUBLE)
    torch.testing.assert_close(project(point, SKEWED), expected)


def test_projection_of_batches_each_with_its_camera() -> None:
    cameras = torch.stack([SKEWED, 2 * SKEWED])
    cameras[1, 2, 2] = 1
    both = project(points(), cameras)
    for i in range(2):
        torch.testing.assert_close(both[i], project(points()[i], cameras[i]))
    homogeneous = points() @ cameras.transpose(1, 2)
    torch.testing.assert_close(both, homogeneous[..., :2] / homogeneous[..., 2:])


def test_points_behind_the_camera_stay_finite() -> None:
    behind = torch.tensor([[0.1, 0.1, -0.5], [0.0, 0.0, 0.0]], dtype=DOUBLE, requires_grad=True)
    result = project(behind, SKEWED)
    result.sum().backward()
    assert torch.isfinite(result).all() and behind.grad is not None and torch.isfinite(behind.grad).all()
    torch.testing.assert_close(result[1], SKEWED[:2, 2])


def test_projection_gradient() -> None:
    assert torch.autograd.gradcheck(project, (points().requires_grad_(), SKEWED.clone().requires_grad_()))


def test_unprojection_comes_back() -> None:
    torch.testing.assert_close(unproject(project(points(), SKEWED), points()[..., 2], SKEWED), points())


@given(st.integers(1, 4000), st.integers(1, 4000), st.floats(0.1, 2.8))
def test_field_of_view_is_over_the_longer_side(width, height, angle) -> None:
    camera = intrinsics_from_fov(width, height, angle)
    assert (camera[0, 2], camera[1, 2]) == (width / 2, height / 2) and camera[0, 0] == camera[1, 1]
    assert 2 * math.atan(max(width, height) / 2 / camera[0, 0]) == pytest.approx(angle)
    np.testing.assert_array_equal(camera, intrinsics_from_focal(camera[0, 0], camera[0, 0], width / 2, height / 2))


def test_projection_by_a_turned_camera() -> None:
    """An affine map of the picture, times the camera: its lower-left entry is not zero, and counts."""
    angle = 0.7
    affine = np.array([[math.cos(angle), -math.sin(angle), 30], [math.sin(angle), math.cos(angle), -12]])
    turned = torch.as_tensor(np.vstack([affine, [0, 0, 1]])) @ SKEWED
    original = project(points(), SKEWED).numpy()
    np.testing.assert_allclose(project(points(), turned), original @ affine[:, :2].T + affine[:, 2])


def test_camera_of_a_mirrored_picture() -> None:
    width = 224
    mirrored = torch.as_tensor(mirror_intrinsics(SKEWED.numpy(), width))
    seen = project(points() * torch.tensor([-1.0, 1.0, 1.0], dtype=DOUBLE), mirrored)
    expected = project(points(), SKEWED)
    expected[..., 0] = width - expected[..., 0]
    torch.testing.assert_close(seen, expected)
    np.testing.assert_allclose(mirror_intrinsics(mirrored.numpy(), width), SKEWED)


def test_opengl_frames() -> None:
    np.testing.assert_array_equal(from_opengl(np.array([[1.0, 2.0, -3.0]])), [[1, -2, 3]])
    given = points().numpy()
    np.testing.assert_array_equal(to_opengl(from_opengl(given)), given)
