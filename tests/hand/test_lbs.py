"""Gradients: the hand-written backward pass against the recorded one and against finite differences."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.autograd import forward_ad

from handsss.hand.layer import HandLayer
from handsss.hand.lbs_fused import FusedPosing
from handsss.hand.lbs_reference import pose_reference

DOUBLE = torch.float64
NAMES = ("axis_angle", "shape", "rotation", "scale", "translation")


@pytest.fixture(scope="module")
def small_layer(small_mano):
    return HandLayer(small_mano, dtype=DOUBLE), HandLayer(small_mano, pivot="wrist", dtype=DOUBLE)


def inputs(batch: int = 2, zero: bool = False) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    sizes = ((batch, 45), (batch, 10), (batch, 3), (batch,), (batch, 3))
    values = [torch.randn(size, generator=generator, dtype=DOUBLE) * 0.5 for size in sizes]
    if zero:
        values[0].zero_()
        values[2].zero_()
    values[3] = values[3].abs() + 0.5
    return [value.requires_grad_() for value in values]


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("pivot", [0, 1])
def test_gradients_by_finite_differences(small_layer, zero, pivot) -> None:
    layer = small_layer[pivot]
    flat = HandLayer(layer.model, flat_hand_mean=True, pivot=layer.pivot, dtype=DOUBLE)

    def posed(*values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        output = flat(**dict(zip(NAMES, values, strict=True)))
        return output.vertices, output.joints, output.transforms[:, :, :3]

    assert torch.autograd.gradcheck(posed, inputs(1, zero), eps=1e-6, atol=1e-7)


@pytest.mark.parametrize("form", ["pca", "matrices"])
def test_gradients_of_other_forms_of_pose(small_layer, form) -> None:
    size = (2, 7) if form == "pca" else (2, 15, 3, 3)
    value = torch.randn(size, dtype=DOUBLE, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: small_layer[0](**{form: x}).joints, value)


@pytest.mark.parametrize("pivot", [0, 1])
@pytest.mark.parametrize("given", list(itertools.product([True, False], repeat=3)))
@pytest.mark.parametrize("used", [(0,), (1,), (2,), (0, 1, 2)])
def test_fast_path_is_the_plain_one(small_layer, pivot, given, used) -> None:
    constants = small_layer[pivot]._constants("rhd", torch.device("cpu"))
    generator = torch.Generator().manual_seed(5)
    rotations = torch.randn(3, 16, 3, 3, dtype=DOUBLE, generator=generator).requires_grad_()
    sizes = ((3, 10), (3,), (3, 3))
    others = [
        torch.randn(size, dtype=DOUBLE, generator=generator).requires_grad_() if wanted else None
        for size, wanted in zip(sizes, given, strict=True)
    ]
    plain = pose_reference(constants, rotations, *others)
    fast = FusedPosing.apply(constants, rotations, *others)
    wanted = [rotations, *(other for other in others if other is not None)]
    gradients = [torch.randn(output.shape, dtype=DOUBLE, generator=generator) for output in plain]
    found = []
    for outputs in (plain, fast):
        chosen, weights = [outputs[i] for i in used], [gradients[i] for i in used]
        found.append(torch.autograd.grad(chosen, wanted, weights, allow_unused=True))
    for a, b in zip(plain, fast, strict=True):
        torch.testing.assert_close(a, b, atol=1e-13, rtol=0)
    for a, b in zip(*found, strict=True):
        if a is None:  # transforms do not depend on all of it
            assert b is None or b.abs().max() == 0
        else:
            torch.testing.assert_close(a, b, atol=1e-11, rtol=1e-11)


def test_only_what_is_asked_for_gets_a_gradient(small_layer) -> None:
    values = inputs()
    for index, name in enumerate(NAMES):
        parameters = {
            n: v.detach().requires_grad_(i == index) for i, (n, v) in enumerate(zip(NAMES, values, strict=True))
        }
        small_layer[0](**parameters).vertices.square().sum().backward()
        everything = {n: v.detach().requires_grad_() for n, v in zip(NAMES, values, strict=True)}
        small_layer[0](**everything).vertices.square().sum().backward()
        torch.testing.assert_close(parameters[name].grad, everything[name].grad, atol=1e-12, rtol=1e-12)


def test_backward_may_run_twice(small_layer) -> None:
    values = inputs()
    total = small_layer[0](**dict(zip(NAMES, values, strict=True))).vertices.square().sum()
    total.backward(retain_graph=True)
    once = [value.grad.clone() for value in values]
    total.backward()
    for value, grad in zip(values, once, strict=True):
        torch.testing.assert_close(value.grad, 2 * grad)


def test_no_nan_at_zero_rotation_in_float32(small_mano) -> None:
    layer = HandLayer(small_mano, flat_hand_mean=True)
    values = [value.detach().float().requires_grad_() for value in inputs(2, zero=True)]
    output = layer(**dict(zip(NAMES, values, strict=True)))
    (output.vertices.sum() + output.joints.sum()).backward()
    assert all(torch.isfinite(value.grad).all() for value in values)
    assert values[0].grad.abs().max() > 1e-3 and values[2].grad.abs().max() > 1e-3


def test_second_derivatives(small_layer) -> None:
    layer = small_layer[1]
    values = inputs(1)

    def energy(*given: torch.Tensor) -> torch.Tensor:
        output = layer(**dict(zip(NAMES, given, strict=True)))
        return output.joints.square().sum() + output.vertices[:, ::50].sin().sum()

    assert torch.autograd.gradgradcheck(energy, values, atol=1e-6)


def test_torch_func_transforms_and_forward_mode(small_layer) -> None:
    layer = small_layer[0]
    pose = inputs(3)[0].detach()

    def keypoints(vector: torch.Tensor) -> torch.Tensor:
        return layer(axis_angle=vector[None]).joints[0]

    reverse = torch.func.vmap(torch.func.jacrev(keypoints))(pose)
    forward = torch.func.vmap(torch.func.jacfwd(keypoints))(pose)
    torch.testing.assert_close(reverse, forward, atol=1e-11, rtol=0)
    direction = torch.randn_like(pose)
    with forward_ad.dual_level():
        tangent = forward_ad.unpack_dual(layer(axis_angle=forward_ad.make_dual(pose, direction)).joints).tangent
    torch.testing.assert_close(tangent, torch.einsum("bjcp,bp->bjc", reverse, direction), atol=1e-11, rtol=0)
    recorded = torch.autograd.functional.jacobian(lambda p: layer(axis_angle=p).joints, pose)
    for i in range(3):
        torch.testing.assert_close(recorded[i, :, :, i], reverse[i], atol=1e-11, rtol=0)
