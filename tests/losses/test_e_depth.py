"""E_depth: values by hand, what it does not depend on, gradients, samples without depth, the fit's geometry."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from handsss.fitting.depth import depth_distances, world_in_camera
from handsss.losses.e_depth import SIGMA, e_depth

K = torch.tensor([[480.0, 0, 112], [0, 480, 112], [0, 0, 1]], dtype=torch.float64)


def hands(count: int, seed: int = 0, centre: tuple[float, float] = (112.0, 112.0)) -> tuple[Tensor, ...]:
    """Joints, points, keypoints, confidence, cameras of hands whose keypoints lie about a pixel."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    joints = 0.05 * normal(count, 21, 3) + torch.tensor([0.0, 0.0, 0.5])
    spread = 0.002 + 0.008 * torch.rand(count, 21, 1, generator=generator, dtype=torch.float64)
    world = torch.cat([joints - joints.mean(1, keepdim=True) + 0.01 * normal(count, 21, 3), spread], 2)
    keypoints = 20 * normal(count, 21, 2)
    keypoints += torch.tensor(centre) - keypoints.mean(1, keepdim=True)
    return joints, world, keypoints, torch.ones(count, 21, dtype=torch.float64), K.expand(count, 3, 3)


def test_value_by_hand() -> None:
    """Joints along x, points along y, both 0.1 m from the middle, without spread: 0.1 sqrt 2 apart, beyond the knee."""
    joints, world = torch.zeros(1, 21, 3, dtype=torch.float64), torch.zeros(1, 21, 4, dtype=torch.float64)
    joints[0, 1:11, 0], joints[0, 11:, 0] = 0.1, -0.1
    world[0, 1:11, 1], world[0, 11:, 1] = 0.1, -0.1
    given = torch.full((1, 21, 2), 112.0), torch.ones(1, 21), K[None]
    wanted = 20 / 21 * (0.1 * 2**0.5 - 0.005)
    assert float(e_depth(joints, world, *given)) == pytest.approx(wanted)
    world[..., 3] = SIGMA  # every point counts a half, the middle is the same
    assert float(e_depth(joints, world, *given)) == pytest.approx(wanted / 2)
    world[..., 3] = 0
    world[0, 20, 3] = 1e9  # no say: neither in the middle nor in the size
    world[0, 20, :3] = torch.tensor([7.0, 7, 7])
    weight = torch.ones(21, dtype=torch.float64)
    weight[20] = 0
    a = joints[0] - joints[0, :20].mean(0)
    b = world[0, :, :3] - world[0, :20, :3].mean(0)
    scale = (b[:20].square().sum() / a[:20].square().sum()).sqrt()
    distance = (scale * a - b).norm(dim=1)
    smooth = torch.where(distance < SIGMA, distance.square() / (2 * SIGMA), distance - SIGMA / 2)
    assert float(e_depth(joints, world, *given)) == pytest.approx(float((weight * smooth).mean()))


def test_neither_place_nor_size_of_the_hand_counts() -> None:
    joints, world, *given = hands(3)
    value = e_depth(joints, world, *given)
    assert 1e-3 < float(value) < 0.02
    moved = 1.6 * joints + torch.tensor([0.3, -0.1, 0.2])
    assert float(e_depth(moved, world, *given)) == pytest.approx(float(value), rel=1e-9)
    shifted = world.clone()
    shifted[..., :3] += torch.tensor([0.3, -0.1, 0.2])
    assert float(e_depth(joints, shifted, *given)) == pytest.approx(float(value), rel=1e-9)
    grown = joints.clone().requires_grad_()
    e_depth(grown, world, *given).backward()
    assert grown.grad is not None
    centre = joints - joints.mean(1, keepdim=True)
    assert abs(float((grown.grad * centre).sum())) < 1e-9  # no pull on the size
    assert float(grown.grad.sum((0, 1)).abs().max()) < 1e-12  # nor on the place


def test_hands_beside_the_optical_axis_are_turned() -> None:
    """A hand 45 degrees to the right, its points as a camera that looks at it has them; and turned as the fit does."""
    joints, world, keypoints, confidence, cameras = hands(1, centre=(112 + 480.0, 112))
    middle = joints - joints.mean(1, keepdim=True)
    about_y = torch.as_tensor(Rotation.from_euler("y", 45, degrees=True).as_matrix())
    world[..., :3] = middle @ about_y  # turned back
    assert float(e_depth(joints, world, keypoints, confidence, cameras)) == pytest.approx(0, abs=1e-15)
    keypoints[0, 3] = torch.tensor([-900.0, 40])
    confidence[0, 3] = 0
    turned = world_in_camera(
        world[0].numpy(), np.concatenate([keypoints[0].numpy(), confidence[0, :, None].numpy()], 1), K.numpy()
    )
    straight = hands(1)[2]
    ours = e_depth(joints, world, keypoints, confidence, cameras)
    wanted = e_depth(joints, torch.as_tensor(turned)[None], straight, torch.ones_like(confidence), cameras)
    assert float(ours) == pytest.approx(float(wanted), abs=1e-15)


def test_the_distances_are_those_of_the_fit_at_the_size_of_the_points() -> None:
    joints, world, *given = hands(1)
    world[..., 3] = 0
    scaled = world[0].clone()
    distance = depth_distances(joints, scaled)
    size = [(x - x.mean(0)).square().sum() for x in (world[0, :, :3], joints[0])]
    distance = distance * (size[0] / size[1]).sqrt()
    smooth = torch.where(distance < SIGMA, distance.square() / (2 * SIGMA), distance - SIGMA / 2)
    assert float(e_depth(joints, world, *given)) == pytest.approx(float(smooth.mean()))


def test_a_mirrored_and_turned_picture_changes_nothing() -> None:
    joints, world, keypoints, confidence, cameras = hands(2, centre=(400.0, 30.0))
    turn = torch.as_tensor(Rotation.from_euler("z", 1.1).as_matrix() @ np.diag([-1.0, 1, 1]))
    other = torch.cat([world[..., :3] @ turn.T, world[..., 3:]], 2)
    moved = (keypoints - 112) @ turn[:2, :2].T + 112
    value = float(e_depth(joints, world, keypoints, confidence, cameras))
    assert float(e_depth(joints @ turn.T, other, moved, confidence, cameras)) == pytest.approx(value, rel=1e-9)


def test_gradients_against_differences() -> None:
    joints, world, *given = hands(2, centre=(180.0, 60.0))
    joints.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: e_depth(x, world, *given), (joints,), eps=1e-7, atol=1e-6)


def test_samples_without_depth_have_no_say() -> None:
    joints, world, *given = hands(3)
    alone = e_depth(joints[1:2], world[1:2], *(value[1:2] for value in given))
    world[0] = torch.nan
    given[1][2] = 0  # nor those without a keypoint, whose ray is not known
    leaf = joints.clone().requires_grad_()
    value = e_depth(leaf, world, *given)
    assert float(value.detach()) == pytest.approx(float(alone))
    value.backward()
    assert leaf.grad is not None and torch.isfinite(leaf.grad).all()
    assert not leaf.grad[[0, 2]].any() and leaf.grad[1].any()
    leaf = torch.zeros(3, 21, 3, dtype=torch.float64, requires_grad=True)  # a hand without extent
    nothing = e_depth(leaf, torch.full_like(world, torch.nan), *given) + 0 * leaf.sum()
    assert float(nothing.detach()) == 0
    nothing.backward()
    e_depth(leaf, hands(3)[1], *hands(3)[2:]).backward()
    assert leaf.grad is not None and torch.isfinite(leaf.grad).all()


def test_two_processes_take_the_mean_of_their_samples() -> None:
    joints, world, *given = hands(4)
    world[1:3] = torch.nan
    whole = e_depth(joints, world, *given)
    halves = [slice(0, 3), slice(3, 4)]  # one sample with depth each
    values = [e_depth(joints[h], world[h], *(x[h] for x in given), lambda total: total * 0 + 1.0) for h in halves]
    assert float(torch.stack(values).mean()) == pytest.approx(float(whole))
