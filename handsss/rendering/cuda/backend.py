"""The CUDA backend: Triton kernels as differentiable torch operations.

With TRITON_INTERPRET=1 in the environment the same kernels run on CPU tensors in Triton's interpreter, for tests.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from handsss.rendering import shading
from handsss.rendering.cuda import launch
from handsss.rendering.cuda.launch import rasterise
from handsss.rendering.topology import MeshTables, mesh_tables

__all__ = ["antialias", "interpolate", "paint", "rasterise", "to_screen", "vertex_lighting"]


class _Interpolate(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, screen: Tensor, attributes: Tensor, face_id: Tensor, tables: MeshTables, attribute_tables: MeshTables
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(screen, attributes, face_id)
        ctx.tables = tables, attribute_tables
        return launch.attributes_of(screen, tables.faces, face_id, attributes, attribute_tables.faces, None)

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        screen, attributes, face_id = ctx.saved_tensors
        tables, attribute_tables = ctx.tables
        parts = launch.corner_parts(
            screen,
            tables.faces,
            face_id,
            attributes,
            attribute_tables.faces,
            gradients[0].contiguous(),
            gradients[1].contiguous(),
        )
        grad_attributes = launch.to_vertices(parts, attribute_tables, 3, attributes.shape[-1])
        return launch.to_vertices(parts, tables, 0, 3), grad_attributes, None, None, None


def interpolate(
    screen: Tensor, faces: Tensor, face_id: Tensor, attributes: Tensor, attribute_faces: Tensor
) -> tuple[Tensor, Tensor]:
    """Attributes [B, H, W, C] and depth [B, H, W] metres at visible points; see ``reference.interpolate``."""
    tables = mesh_tables(faces, screen.shape[1])
    attribute_tables = mesh_tables(attribute_faces, attributes.shape[1])
    screen, attributes = screen.contiguous(), attributes.contiguous()
    results = [
        _Interpolate.apply(screen, part.contiguous(), face_id, tables, attribute_tables)
        for part in attributes.split(3, -1)
    ]
    return torch.cat([out for out, _ in results], -1) if len(results) > 1 else results[0][0], results[0][1]


class _Antialias(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, screen: Tensor, picture: Tensor, face_id: Tensor, depth: Tensor, tables: MeshTables
    ) -> Tensor:
        crossings = launch.find_crossings(screen, tables, face_id, depth)
        out = torch.empty_like(picture)
        launch.blend(screen, tables.faces, face_id, crossings, picture, out, None, backward=False)
        ctx.save_for_backward(screen, picture, face_id, crossings)
        ctx.tables = tables
        return out

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        screen, picture, face_id, crossings = ctx.saved_tensors
        faces, grad_out = ctx.tables.faces, gradients[0].contiguous()
        grad_picture = torch.empty_like(picture)
        launch.blend(screen, faces, face_id, crossings, grad_picture, grad_out, None, backward=True)
        _, blocks = launch.face_blocks(len(screen), len(faces), *face_id.shape[1:])
        parts = torch.zeros(len(screen), blocks["STRIPS"], len(faces), 3, 6, dtype=screen.dtype, device=screen.device)
        launch.add_edges(parts, screen, faces, face_id, crossings, picture, grad_out, None)
        return launch.to_vertices(parts, ctx.tables, 0, 3), grad_picture, None, None, None


def antialias(screen: Tensor, faces: Tensor, face_id: Tensor, depth: Tensor, picture: Tensor) -> Tensor:
    """Blend a picture [B, H, W, C] across silhouette edges; see ``reference.antialias``."""
    tables = mesh_tables(faces, screen.shape[1])
    blended: Tensor = _Antialias.apply(screen.contiguous(), picture.contiguous(), face_id, depth, tables)
    return blended


class _Paint(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        screen: Tensor,
        colours: Tensor,
        face_id: Tensor,
        z_buffer: Tensor,
        background: Tensor,
        tables: MeshTables,
        antialias: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        plain, depth = launch.attributes_of(screen, tables.faces, face_id, colours, tables.faces, background)
        if antialias:
            crossings = launch.find_crossings(screen, tables, face_id, z_buffer)
            colour, silhouette = torch.empty_like(plain), torch.empty_like(depth)
            launch.blend(screen, tables.faces, face_id, crossings, plain, colour, silhouette, backward=False)
            ctx.save_for_backward(screen, colours, face_id, crossings, plain)
        else:
            colour, silhouette = plain, (face_id >= 0).to(plain.dtype)
            ctx.save_for_backward(screen, colours, face_id)
        ctx.tables = tables
        return colour, silhouette, depth

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        screen, colours, face_id, *blended = ctx.saved_tensors
        shape, faces = face_id.shape, ctx.tables.faces
        grad_colour = screen.new_zeros(*shape, 3) if gradients[0] is None else gradients[0].contiguous()
        grad_silhouette = screen.new_zeros(shape) if gradients[1] is None else gradients[1].contiguous()
        grad_depth = None if gradients[2] is None else gradients[2].contiguous()
        grad_plain = grad_colour
        if blended:
            grad_plain = torch.empty_like(grad_colour)
            launch.blend(screen, faces, face_id, blended[0], grad_plain, grad_colour, grad_silhouette, backward=True)
        parts = launch.corner_parts(screen, faces, face_id, colours, faces, grad_plain, grad_depth)
        if blended:
            crossings, plain = blended
            launch.add_edges(parts, screen, faces, face_id, crossings, plain, grad_colour, grad_silhouette)
        grad_screen, grad_colours = (launch.to_vertices(parts, ctx.tables, first, 3) for first in (0, 3))
        return grad_screen, grad_colours, None, None, None, None, None


def paint(
    screen: Tensor,
    faces: Tensor,
    face_id: Tensor,
    z_buffer: Tensor,
    colours: Tensor,
    background: Tensor,
    antialias: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Colour [B, H, W, 3], silhouette [B, H, W] and depth [B, H, W] metres; see
    :meth:`handsss.rendering.backends.Backend.paint`. The background gets no gradient."""
    tables = mesh_tables(faces, screen.shape[1])
    result: tuple[Tensor, Tensor, Tensor] = _Paint.apply(
        screen.contiguous(), colours.contiguous(), face_id, z_buffer, background, tables, antialias
    )
    return result


class _ToScreen(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vertices: Tensor, intrinsics: Tensor) -> Tensor:
        ctx.save_for_backward(vertices, intrinsics)
        return launch.project(vertices, intrinsics)

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        vertices, intrinsics = ctx.saved_tensors
        return launch.project(vertices, intrinsics, gradients[0].contiguous()), None


def to_screen(vertices: Tensor, intrinsics: Tensor) -> Tensor:
    """Screen positions [B, V, 3] (x px, y px, z metres) of vertices [B, V, 3] metres; see ``shading.to_screen``."""
    if intrinsics.requires_grad:  # the kernel gives cameras no gradient
        return shading.to_screen(vertices, intrinsics)
    result: Tensor = _ToScreen.apply(vertices.contiguous(), intrinsics.contiguous())
    return result


class _VertexLighting(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vertices: Tensor, light: Tensor, tables: MeshTables) -> Tensor:
        result, sums = launch.shade(vertices, tables, light)
        ctx.save_for_backward(vertices, light, sums)
        ctx.tables = tables
        return result

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        vertices, light, sums = ctx.saved_tensors
        return *launch.shade_backward(vertices, ctx.tables, light, sums, gradients[0].contiguous()), None


def vertex_lighting(vertices: Tensor, faces: Tensor, light: Tensor) -> Tensor:
    """RGB irradiance [B, V, 3] of vertices [B, V, 3] under light [B, 11]; see ``shading.vertex_lighting``."""
    tables = mesh_tables(faces, vertices.shape[1])
    result: Tensor = _VertexLighting.apply(vertices.contiguous(), light.contiguous(), tables)
    return result
