"""The Triton renderer on a GPU against the plain reference on the CPU, in values, gradients and repetition."""

from __future__ import annotations

import pytest
import torch

from handsss.rendering import RenderOutput
from handsss.rendering.pipeline import render
from tests.cuda.device import DEVICE, HAS_TRITON, ON_GPU, near
from tests.cuda.device import pytestmark as common
from tests.rendering.test_rendering import HAND_CAMERA, LIGHT, hands

pytestmark = [*common, pytest.mark.skipif(not HAS_TRITON, reason="without Triton, or it does not interpret")]
HEIGHT, WIDTH, COUNT = (224, 200, 2) if ON_GPU else (43, 36, 1)  # the interpreter takes its time
SCALE = WIDTH / 60


def drawn(
    dtype: torch.dtype, device: torch.device, backend: str, count: int = COUNT
) -> tuple[RenderOutput, list[torch.Tensor]]:
    """A picture, and the gradients of vertices, colours and light."""
    vertices, faces, colours = hands(count, dtype)
    light = LIGHT.to(dtype).repeat(count, 1)
    leaves = [value.to(device).requires_grad_() for value in (vertices, colours, light)]
    camera = (HAND_CAMERA * torch.tensor([SCALE, SCALE, 1.0])[:, None]).to(device, dtype)
    output = render(
        leaves[0],
        faces.to(device),
        colours=leaves[1],
        light=leaves[2],
        intrinsics=camera,
        size=(HEIGHT, WIDTH),
        backend=backend,
    )
    together = torch.cat([output.colour, output.silhouette[..., None], output.depth[..., None]], -1)
    weights = torch.rand(together.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (together * weights.to(together)).sum().backward()
    return output, [leaf.grad for leaf in leaves if leaf.grad is not None]


def test_double_precision_is_the_reference() -> None:
    ours, gradients = drawn(torch.float64, DEVICE, "triton")
    theirs, expected = drawn(torch.float64, torch.device("cpu"), "torch")
    same = ours.face_id.cpu() == theirs.face_id
    assert float(same.double().mean()) > 0.9999  # a product that a compiler rounds otherwise can move an edge's pixel
    for name in ("colour", "silhouette", "depth"):
        got, wanted = getattr(ours, name).detach().cpu(), getattr(theirs, name).detach()
        torch.testing.assert_close(got[same], wanted[same], atol=1e-8, rtol=0)
    assert len(gradients) == len(expected) == 3
    for got, wanted in zip(gradients, expected, strict=True):
        near(got, wanted, 1e-6)


def test_single_precision_is_near_double() -> None:
    ours, gradients = drawn(torch.float32, DEVICE, "triton")
    theirs, expected = drawn(torch.float64, torch.device("cpu"), "torch")
    same = ours.face_id.cpu() == theirs.face_id
    assert float(same.double().mean()) > 0.999
    torch.testing.assert_close(ours.depth.cpu().double()[same], theirs.depth[same], atol=2e-6, rtol=2e-6)
    for name in ("silhouette", "colour"):
        apart = (getattr(ours, name).detach().cpu().double() - getattr(theirs, name).detach()).abs()[same]
        # A silhouette that passes a pixel's centre by a rounding error is seen in its neighbour instead.
        assert float(apart.mean()) < 1e-5 and float((apart > 1e-3).double().mean()) < 1e-3
    for got, wanted in zip(gradients, expected, strict=True):
        # Single pixels show another face, and carry their gradients elsewhere: in the mean they are no more.
        apart = (got.cpu().double() - wanted).norm() / wanted.norm()
        assert float(apart) < 2e-2, float(apart)


@pytest.mark.parametrize("count", [8 if ON_GPU else 1])
def test_the_same_bits_twice(count: int) -> None:
    first, second = (drawn(torch.float32, DEVICE, "triton", count) for _ in range(2))
    for one, other in zip((*first[0], *first[1]), (*second[0], *second[1]), strict=True):
        assert one.equal(other)


@pytest.mark.skipif(not ON_GPU, reason="the CPU takes numba for auto")
def test_auto_takes_triton() -> None:
    by_name, by_itself = (drawn(torch.float32, DEVICE, name, 1) for name in ("triton", "auto"))
    assert by_name[0].colour.equal(by_itself[0].colour)


@pytest.mark.skipif(not ON_GPU, reason="the interpreter would take minutes")
def test_many_pictures_are_each_as_alone() -> None:
    """64 pictures at once: numbers of pixels and faces beyond those of the small tests."""
    together, _ = drawn(torch.float32, DEVICE, "triton", 64)
    vertices, faces, colours = hands(64, torch.float32)
    camera = (HAND_CAMERA * torch.tensor([SCALE, SCALE, 1.0])[:, None]).to(DEVICE, torch.float32)
    for number in (0, 31, 63):
        alone = render(
            vertices[number, None].to(DEVICE),
            faces.to(DEVICE),
            colours=colours[number, None].to(DEVICE),
            light=LIGHT.float().to(DEVICE)[None],
            intrinsics=camera,
            size=(HEIGHT, WIDTH),
            backend="triton",
        )
        assert alone.colour[0].equal(together.colour[number])
        assert alone.face_id[0].equal(together.face_id[number])
