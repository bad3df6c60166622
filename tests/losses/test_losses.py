"""Every loss against values worked out by hand, gradients in float64, and degenerate input."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from handsss.losses.common import norm, smooth_l1
from handsss.losses.e_2d import e_2d
from handsss.losses.e_beta import e_beta
from handsss.losses.e_c import e_c
from handsss.losses.e_con import e_con
from handsss.losses.e_j import e_j
from handsss.losses.e_loc import e_loc, joint_weights
from handsss.losses.e_ori import e_ori
from handsss.losses.e_pixel import e_pixel
from handsss.losses.e_s import e_s
from handsss.losses.e_ssim import e_ssim, ssim
from handsss.losses.lifted import e_lifted
from handsss.losses.pose_priors import average_pose, plausible_pose
from handsss.losses.supervised import e_3dj, e_root


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_smooth_l1() -> None:
    values = smooth_l1(torch.tensor([0.0, 2.0, 5.0, 9.0]))
    assert values.tolist() == pytest.approx([0, 0.4, 2.5, 6.5])


def test_joint_weights() -> None:
    weights = joint_weights(torch.full((1, 21), 0.5))[0]
    assert weights[0] == 1.0
    assert weights[[4, 8, 12, 16, 20]].tolist() == [0.75] * 5
    assert weights[[1, 2, 3, 5, 19]].tolist() == [0.5] * 5


def test_location_by_hand() -> None:
    detected = torch.zeros(2, 21, 2)
    projected = detected.clone()
    projected[0, 0] = torch.tensor([3.0, 4.0])  # wrist: 5 px, 2.5
    projected[1, 4] = torch.tensor([0.0, 12.5])  # a tip: 10
    confidence = torch.zeros(2, 21)
    confidence[0, 0], confidence[1, 4], confidence[1, 1] = 0.5, 1.0, 0.2
    # Squared weights 1, 2.25, 0.04: (2.5 * 1 + 10 * 2.25) / 3.29.
    assert float(e_loc(projected, detected, confidence)) == pytest.approx(25 / 3.29)


def test_orientation_by_hand() -> None:
    detected = torch.zeros(1, 21, 2)
    detected[0, 1:] = torch.tensor([10.0, 0.0])
    projected = detected.clone()
    projected[0, 1] = torch.tensor([0.0, 7.0])  # bone 0-1 turned by 90 degrees: squared distance 2
    confidence = torch.zeros(1, 21)
    confidence[0, 0], confidence[0, 1] = 0.5, 0.8
    assert float(e_ori(projected, detected, confidence)) == pytest.approx(0.4 * 2 / 20)
    assert float(e_ori(detected * 3, detected, torch.ones(1, 21))) == pytest.approx(0, abs=1e-12)


def test_true_joints_by_hand() -> None:
    truth = torch.zeros(2, 21, 3)
    truth[1] = float("nan")
    joints = torch.zeros(2, 21, 3, requires_grad=True)
    moved = joints + torch.tensor([0.0, 0.03, 0.04])
    loss = e_3dj(moved, truth)
    assert float(loss.detach()) == pytest.approx(0.0025)
    loss.backward()
    assert joints.grad is not None
    assert not joints.grad[1].any()
    assert torch.isfinite(joints.grad).all()


def test_lifted_joints_by_hand() -> None:
    joints = torch.zeros(3, 21, 3, requires_grad=True)
    lifted = torch.zeros(3, 2, 21, 3)
    lifted[0, 0, 4] = torch.tensor([0.0, 0.03, 0.04])  # one joint 5 cm off: 0.05 / 21
    lifted[0, 1, 9] = torch.tensor([0.1, 0.0, 0.0])  # the middle knuckle itself: all others are 10 cm off
    lifted[1] += 0.7  # where the hand is does not count
    lifted[2] += torch.randn(21, 3)  # not trusted
    probability = torch.tensor([[0.75, 0.25], [0.5, 0.5], [1.0, 0.0]])
    loss = e_lifted(joints, lifted, probability, torch.tensor([0.6, 0.2, 0.0]))
    expected = 0.75 * 0.05 / 21 + 0.25 * 0.1 * 20 / 21
    assert float(loss.detach()) == pytest.approx(expected * 0.6 / 0.8)
    loss.backward()
    assert joints.grad is not None
    assert torch.isfinite(joints.grad).all()
    assert not joints.grad[1:].any()
    nothing = e_lifted(joints, lifted, probability, torch.zeros(3))
    assert float(nothing.detach()) == 0.0


def test_keypoints_by_hand() -> None:
    keypoints = torch.zeros(1, 2, 21, 2)
    keypoints[0, 0, 3] = torch.tensor([6.0, 8.0])
    keypoints[0, 1, 5] = torch.tensor([0.0, 2.0])
    confidence = torch.zeros(1, 21)
    confidence[0, 3], confidence[0, 5] = 1.0, 0.5
    # Weights 1 and 0.25: stack 0: 10 / 1.25, stack 1: 2 * 0.25 / 1.25.
    assert float(e_2d(keypoints, torch.zeros(1, 21, 2), confidence)) == pytest.approx(8 + 0.4)


def test_consistency_by_hand() -> None:
    keypoints = torch.zeros(1, 2, 21, 2, requires_grad=True)
    projected = torch.zeros(1, 21, 2)
    projected[0, 7] = torch.tensor([9.0, 0.0])
    projected.requires_grad_()
    loss = e_con(keypoints, projected)
    assert float(loss.detach()) == pytest.approx(6.5 / 21)
    loss.backward()
    assert keypoints.grad is not None
    assert projected.grad is not None
    assert projected.grad[0, 7, 0] == pytest.approx(1 / 21)
    assert keypoints.grad[0, 1, 7, 0] == pytest.approx(-1 / 21)
    assert not keypoints.grad[0, 0].any()


def test_pixels_by_hand() -> None:
    image, rendered = torch.zeros(2, 4, 4, 3), torch.zeros(2, 4, 4, 3)
    silhouette = torch.zeros(2, 4, 4)
    silhouette[0, 1, 1:3] = 1
    rendered[0, 1, 1] = torch.tensor([0.3, 0.0, 0.4])
    rendered[0, 3, 3] = 1.0  # outside the silhouette
    confidence = torch.zeros(2, 21)
    confidence[0, :4] = 0.5
    # con_sum 2, two pixels, distance 0.5: 2 / 2 * 0.5; the second sample has no silhouette; mean of two samples.
    assert float(e_pixel(rendered, image, silhouette, confidence)) == pytest.approx(0.25)


def test_ssim_against_a_plain_version() -> None:
    a, b = rand(1, 1, 14, 13, seed=1), rand(1, 1, 14, 13, seed=2)
    offset = np.arange(11) - 5
    kernel = np.exp(-(offset**2) / 4.5)
    window = np.outer(kernel, kernel) / kernel.sum() ** 2
    x, y = (np.pad(p[0, 0].numpy(), 5) for p in (a, b))
    total = 0.0
    for row in range(14):
        for column in range(13):
            u, v = x[row : row + 11, column : column + 11], y[row : row + 11, column : column + 11]
            mu, mv = (window * u).sum(), (window * v).sum()
            su, sv = (window * u * u).sum() - mu**2, (window * v * v).sum() - mv**2
            cov = (window * u * v).sum() - mu * mv
            total += (2 * mu * mv + 1e-4) * (2 * cov + 9e-4) / ((mu**2 + mv**2 + 1e-4) * (su + sv + 9e-4))
    assert float(ssim(a, b)) == pytest.approx(total / (14 * 13), abs=1e-10)
    assert float(ssim(a, a)) == pytest.approx(1)


def test_ssim_masks_the_image() -> None:
    image = rand(1, 20, 20, 3)
    silhouette = torch.zeros(1, 20, 20, dtype=torch.float64)
    silhouette[:, 5:15, 5:15] = 1
    assert float(e_ssim(image * silhouette[..., None], image, silhouette)) == pytest.approx(0, abs=1e-12)
    assert float(e_ssim(image, image, silhouette)) > 0.3


def test_texture_by_hand() -> None:
    texture = torch.full((1, 100, 3), 0.5, dtype=torch.float64)
    assert float(e_c(texture, torch.ones(1, 21, dtype=torch.float64))) == 0
    texture[0, 0, 1] = 1.5  # mean of green 0.51; deviation 0.0995: the outlier counts, the rest does not
    confidence = torch.full((1, 21), 0.5, dtype=torch.float64)
    assert float(e_c(texture, confidence)) == pytest.approx(10.5 / 100 * 0.99**2)
    texture[0, 0, 0] = 0.9
    # The whole vector counts: red's own mean is 0.504.
    assert float(e_c(texture, confidence)) == pytest.approx(10.5 / 100 * (0.99**2 + 0.396**2))


def test_the_rest_by_hand() -> None:
    joints = torch.zeros(2, 21, 3)
    joints[0, 10] = torch.tensor([0.03, 0.0, 0.0])
    joints[1, 10] = torch.tensor([0.0, 0.024, 0.032])
    assert float(e_s(joints, 0.0282)) == pytest.approx((0.0018**2 + 0.0118**2) / 2, rel=1e-4)
    assert float(e_s(joints, 0.0282, squared=False)) == pytest.approx(0.0068, rel=1e-4)
    assert float(e_beta(torch.tensor([[1.0, 2.0] + [0.0] * 8]))) == pytest.approx(0.5)
    excess = torch.zeros(2, 15, 3)
    excess[0, 3, 1], excess[1, 14, 0] = 0.3, -0.6
    assert float(e_j(excess)) == pytest.approx(0.9 / 30)
    assert float(average_pose(torch.full((3, 30), 0.5))) == pytest.approx(0.25)


def test_plausible_pose() -> None:
    """Half a spread away: 0.25; spreads below 0.04 count as 0.04, and only as many as there are coefficients."""
    spread = torch.tensor([0.4, 0.2, 0.01, 9.0])
    pose = torch.tensor([[0.2, -0.1, 0.02], [0.0, 0.0, 0.0]])
    assert float(plausible_pose(pose, spread)) == pytest.approx(0.25 / 2)


CASES: dict[str, tuple[Callable[..., Tensor], tuple[Tensor, ...]]] = {
    "location": (e_loc, (rand(2, 21, 2) * 20, rand(2, 21, 2, seed=1) * 20, rand(2, 21, seed=2))),
    "orientation": (e_ori, (rand(2, 21, 2) * 20, rand(2, 21, 2, seed=1) * 20, rand(2, 21, seed=2))),
    "lifted joints": (
        e_lifted,
        (rand(2, 21, 3), rand(2, 3, 21, 3, seed=1), rand(2, 3, seed=2), rand(2, seed=3)),
    ),
    "true joints": (e_3dj, (rand(2, 21, 3), rand(2, 21, 3, seed=1))),
    "keypoints": (e_2d, (rand(2, 2, 21, 2) * 9, rand(2, 21, 2, seed=1), rand(2, 21, seed=2))),
    "consistency": (e_con, (rand(2, 2, 21, 2) * 20, rand(2, 21, 2, seed=1) * 20)),
    "pixel": (e_pixel, (rand(2, 6, 5, 3), rand(2, 6, 5, 3, seed=1), rand(2, 6, 5, seed=2), rand(2, 21, seed=3))),
    "ssim": (e_ssim, (rand(1, 8, 7, 3), rand(1, 8, 7, 3, seed=1), rand(1, 8, 7, seed=2))),
    "shape": (e_beta, (rand(2, 10),)),
    "scale": (lambda joints: e_s(joints, 0.03), (rand(2, 21, 3),)),
    "skeleton": (e_j, (rand(2, 15, 3) + 0.1,)),
    "average pose": (average_pose, (rand(2, 30),)),
    "plausible pose": (plausible_pose, (rand(2, 30), rand(45, seed=1))),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_gradients(name: str) -> None:
    loss, arguments = CASES[name]
    first = arguments[0].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, *arguments[1:]), (first,), eps=1e-6, atol=1e-7)


def test_texture_gradient() -> None:
    """The standard deviation is held: it only says who is an outlier."""
    texture = rand(1, 40, 3) * 0.1
    texture[0, :3] += 0.9
    texture.requires_grad_()
    confidence = torch.ones(1, 21, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: e_c(x, confidence), (texture,), eps=1e-7, atol=1e-6)


@pytest.mark.parametrize("loss", [e_loc, e_ori])
def test_no_confidence_no_pull(loss: Callable[..., Tensor]) -> None:
    projected = (rand(2, 21, 2) * 30).requires_grad_()
    value = loss(projected, torch.zeros(2, 21, 2, dtype=torch.float64), torch.zeros(2, 21, dtype=torch.float64))
    value.backward()
    assert float(value.detach()) == 0
    assert projected.grad is not None
    assert not projected.grad.any()


@pytest.mark.parametrize("loss", [e_loc, e_ori])
def test_coincident_joints_are_finite(loss: Callable[..., Tensor]) -> None:
    projected = torch.zeros(1, 21, 2, dtype=torch.float64, requires_grad=True)
    value = loss(projected, torch.zeros(1, 21, 2, dtype=torch.float64), torch.ones(1, 21, dtype=torch.float64))
    value.backward()
    assert math.isfinite(float(value.detach()))
    assert projected.grad is not None
    assert torch.isfinite(projected.grad).all()


def test_empty_silhouettes_and_bones_are_finite() -> None:
    rendered = torch.zeros(1, 12, 12, 3, requires_grad=True)
    image = torch.rand(1, 12, 12, 3)
    nothing = torch.zeros(1, 12, 12)
    total = e_pixel(rendered, image, nothing, torch.ones(1, 21)) + e_ssim(rendered, image, nothing)
    total.backward()
    assert float(total.detach()) == pytest.approx(0, abs=1e-6)
    assert rendered.grad is not None
    assert torch.isfinite(rendered.grad).all()
    joints = torch.zeros(1, 21, 3, requires_grad=True)
    e_s(joints, 0.03).backward()
    assert joints.grad is not None
    assert torch.isfinite(joints.grad).all()
    point = torch.zeros(2, requires_grad=True)
    norm(point).backward()
    assert point.grad is not None
    assert not point.grad.any()


def test_ssim_of_the_silhouettes_part_is_that_of_the_whole() -> None:
    generator = torch.Generator().manual_seed(0)
    silhouette = torch.zeros(2, 40, 50, dtype=torch.float64)
    silhouette[0, 12:20, 3:30] = 1
    silhouette[1, 15:30, 20:41] = 0.5
    image, rendered = (torch.rand(2, 40, 50, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    rendered = rendered * silhouette[..., None]
    rendered.requires_grad_()
    whole = 1 - ssim((image * silhouette[..., None]).permute(0, 3, 1, 2), rendered.permute(0, 3, 1, 2))
    part = e_ssim(rendered, image, silhouette)
    assert float(part) == pytest.approx(float(whole), abs=1e-12)
    # Five pixels around the silhouettes (rows 12-29, columns 3-40); no edge that could move lies farther out.
    a, b = (torch.autograd.grad(value, rendered)[0][:, 7:35, :46] for value in (whole, part))
    assert float(a.abs().max()) > 1e-4
    assert float((a - b).abs().max()) < 1e-12
    empty = e_ssim(rendered * 0, image, silhouette * 0)
    assert empty.item() == 0


def test_true_joints_as_distances() -> None:
    truth = torch.zeros(2, 21, 3)
    moved = truth + torch.tensor([0.003, 0.0, 0.004])
    assert float(e_3dj(moved, truth, squared=False)) == pytest.approx(0.005)
    truth[1] = torch.nan  # unknown: does not count, and leaves no NaN in the gradient
    moved.requires_grad_()
    value = e_3dj(moved, truth, squared=False) + e_root(moved, truth)
    value.backward()
    assert float(value) == pytest.approx(0.010)
    assert moved.grad is not None and bool(torch.isfinite(moved.grad).all()) and float(moved.grad[1].abs().sum()) == 0
