"""The CPU's fused light against the plain one: values and gradients, hands and degenerate meshes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from handsss.hand.load import load_model
from handsss.rendering.cpu import light as numba_light
from handsss.rendering.pipeline import render
from handsss.rendering.shading import lit, vertex_normals

LIGHT = (0.4, 0.7, 1.0, 0.9, 0.8, 0.6, 0.7, 1.0, 0.3, -0.5, -0.8)


def plain(vertices: Tensor, faces: Tensor, light: Tensor) -> Tensor:
    return lit(vertex_normals(vertices, faces.long()), light)


def hands(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Two open hands with a little noise, their faces, two lights."""
    model = load_model("open")
    generator = torch.Generator().manual_seed(3)
    vertices = torch.as_tensor(model.v_template, dtype=torch.float64).repeat(2, 1, 1)
    vertices = vertices + 0.001 * torch.randn(vertices.shape, generator=generator, dtype=torch.float64)
    light = torch.tensor([LIGHT, LIGHT], dtype=torch.float64)
    light = light + 0.1 * torch.rand(light.shape, generator=generator, dtype=torch.float64)
    return vertices.to(dtype), torch.as_tensor(model.faces), light.to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_hands_are_lit_as_the_plain_light_does(dtype: torch.dtype) -> None:
    vertices, faces, light = hands(dtype)
    on = torch.rand(vertices.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)
    found = []
    for lighting in (numba_light.vertex_lighting, plain):
        leaves = vertices.clone().requires_grad_(), light.clone().requires_grad_()
        value = lighting(leaves[0], faces, leaves[1])
        found.append((value.detach(), *torch.autograd.grad((value * on).sum(), leaves)))
    exact = dtype == torch.float64
    for ours, theirs in zip(*found, strict=True):
        assert ours.dtype == dtype
        scale = float(theirs.abs().max())
        torch.testing.assert_close(ours, theirs, rtol=0, atol=(1e-12 if exact else 2e-5) * scale)
    assert float(found[0][1].abs().max()) > 1  # the gradient is one


def test_gradients_by_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    vertices = torch.rand(1, 5, 3, generator=generator, dtype=torch.float64).requires_grad_()
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [1, 3, 2]])  # the last vertex has no face
    light = torch.tensor([LIGHT], dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, w: numba_light.vertex_lighting(x, faces, w), (vertices, light))


def test_meshes_and_lights_without_extent() -> None:
    """Vertices without area see the ambient light alone; a light without direction gives no more than that."""
    vertices = torch.zeros(1, 4, 3)
    vertices[0, 1, 0] = vertices[0, 2, 0] = 0.1  # a face without area
    vertices.requires_grad_()
    faces = torch.tensor([[0, 1, 2], [1, 2, 3]])
    light = torch.tensor([LIGHT])
    value = numba_light.vertex_lighting(vertices, faces, light)
    torch.testing.assert_close(value, (light[:, :1] * light[:, 2:5])[:, None].expand(1, 4, 3))
    value.sum().backward()
    assert vertices.grad is not None and not vertices.grad.any()
    points, triangles, light = hands(torch.float64)
    light[:, 8:] = 0
    found = []
    for lighting in (numba_light.vertex_lighting, plain):
        leaf = light.clone().requires_grad_()
        value = lighting(points, triangles, leaf)
        found.append((value.detach(), *torch.autograd.grad(value.square().sum(), leaf)))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_one_light_for_several_hands_and_lights_that_are_not_learned() -> None:
    vertices, faces, light = hands(torch.float32)
    vertices = vertices + torch.tensor([0.0, 0.0, 0.6])
    K = torch.tensor([[120.0, 0, 32], [0, 120, 32], [0, 0, 1]])
    leaf = vertices.clone().requires_grad_()
    made = [
        render(leaf, faces, colours=torch.ones(778, 3), light=light[0], intrinsics=K, size=(64, 64), backend=backend)
        for backend in ("numba", "torch")
    ]
    torch.testing.assert_close(made[0].colour, made[1].colour, atol=2e-5, rtol=0)
    (gradient,) = torch.autograd.grad(made[0].colour.sum(), leaf)
    assert torch.isfinite(gradient).all() and bool(gradient.any())
