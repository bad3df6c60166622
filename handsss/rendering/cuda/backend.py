"""The CUDA backend: Triton kernels as differentiable torch operations.

With TRITON_INTERPRET=1 in the environment the same kernels run on CPU tensors in Triton's interpreter, for tests.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from handsss.rendering.cuda import launch
from handsss.rendering.cuda.launch import rasterise
from handsss.rendering.topology import MeshTables, mesh_tables

__all__ = ["antialias", "arriving", "interpolate", "paint", "rasterise", "to_screen"]


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
    def backward(ctx: Any, *on: Tensor) -> tuple[Tensor | None, ...]:
        screen, attributes, face_id = ctx.saved_tensors
        tables, attribute_tables = ctx.tables
        parts = launch.corner_parts(
            screen, tables.faces, face_id, attributes, attribute_tables.faces, on[0].contiguous(), on[1].contiguous()
        )
        on_attributes = launch.to_vertices(parts, attribute_tables, 3, attributes.shape[-1])
        return launch.to_vertices(parts, tables, 0, 3), on_attributes, None, None, None


def interpolate(
    screen: Tensor, faces: Tensor, face_id: Tensor, attributes: Tensor, attribute_faces: Tensor
) -> tuple[Tensor, Tensor]:
    """Attributes and depth at visible points; see ``reference.interpolate``."""
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
        events = launch.find_events(screen, tables, face_id, depth)
        out = torch.empty_like(picture)
        launch.blend(screen, tables.faces, face_id, events, picture, out, None, backward=False)
        ctx.save_for_backward(screen, picture, face_id, events)
        ctx.tables = tables
        return out

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, *on: Tensor) -> tuple[Tensor | None, ...]:
        screen, picture, face_id, events = ctx.saved_tensors
        faces, on_out = ctx.tables.faces, on[0].contiguous()
        on_picture = torch.empty_like(picture)
        launch.blend(screen, faces, face_id, events, on_picture, on_out, None, backward=True)
        _, blocks = launch.face_blocks(len(screen), len(faces), *face_id.shape[1:])
        parts = torch.zeros(len(screen), blocks["STRIPS"], len(faces), 3, 6, dtype=screen.dtype, device=screen.device)
        launch.add_edges(parts, screen, faces, face_id, events, picture, on_out, None)
        return launch.to_vertices(parts, ctx.tables, 0, 3), on_picture, None, None, None


def antialias(screen: Tensor, faces: Tensor, face_id: Tensor, depth: Tensor, picture: Tensor) -> Tensor:
    """Blend a picture [B, H, W, C] across silhouette edges; see ``reference.find_events`` and ``reference.blend``."""
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
            events = launch.find_events(screen, tables, face_id, z_buffer)
            colour, silhouette = torch.empty_like(plain), torch.empty_like(depth)
            launch.blend(screen, tables.faces, face_id, events, plain, colour, silhouette, backward=False)
            ctx.save_for_backward(screen, colours, face_id, events, plain)
        else:
            colour, silhouette = plain, (face_id >= 0).to(plain.dtype)
            ctx.save_for_backward(screen, colours, face_id)
        ctx.tables = tables
        return colour, silhouette, depth

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, *on: Tensor | None) -> tuple[Tensor | None, ...]:
        screen, colours, face_id, *blended = ctx.saved_tensors
        shape, faces = face_id.shape, ctx.tables.faces
        on_colour = screen.new_zeros(*shape, 3) if on[0] is None else on[0].contiguous()
        on_silhouette = screen.new_zeros(shape) if on[1] is None else on[1].contiguous()
        on_depth = None if on[2] is None else on[2].contiguous()
        on_plain = on_colour
        if blended:
            on_plain = torch.empty_like(on_colour)
            launch.blend(screen, faces, face_id, blended[0], on_plain, on_colour, on_silhouette, backward=True)
        parts = launch.corner_parts(screen, faces, face_id, colours, faces, on_plain, on_depth)
        if blended:
            events, plain = blended
            launch.add_edges(parts, screen, faces, face_id, events, plain, on_colour, on_silhouette)
        on_screen, on_colours = (launch.to_vertices(parts, ctx.tables, first, 3) for first in (0, 3))
        return on_screen, on_colours, None, None, None, None, None


def paint(
    screen: Tensor,
    faces: Tensor,
    face_id: Tensor,
    z_buffer: Tensor,
    colours: Tensor,
    background: Tensor,
    antialias: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Colour [B, H, W, 3], silhouette [B, H, W] and depth [B, H, W] without full-size pictures in between.

    Args:
        screen: [B, V, 3] x px, y px, z metres.
        faces: [F, 3].
        face_id: [B, H, W].
        z_buffer: [B, H, W].
        colours: [B, V, 3].
        background: [1 or B, 1 or H, 1 or W, 3]; gets no gradient.
        antialias: blend across silhouette edges.
    """
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
    def backward(ctx: Any, *on: Tensor) -> tuple[Tensor | None, ...]:
        vertices, intrinsics = ctx.saved_tensors
        return launch.project(vertices, intrinsics, on[0].contiguous()), None


def to_screen(vertices: Tensor, intrinsics: Tensor) -> Tensor:
    """Screen positions of vertices [B, V, 3]; see ``shading.to_screen``. Cameras [B, 3, 3] get no gradient."""
    result: Tensor = _ToScreen.apply(vertices.contiguous(), intrinsics.contiguous())
    return result


class _Arriving(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vertices: Tensor, light: Tensor, tables: MeshTables) -> Tensor:
        result, sums = launch.shade(vertices, tables, light)
        ctx.save_for_backward(vertices, light, sums)
        ctx.tables = tables
        return result

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, *on: Tensor) -> tuple[Tensor | None, ...]:
        vertices, light, sums = ctx.saved_tensors
        return *launch.shade_backward(vertices, ctx.tables, light, sums, on[0].contiguous()), None


def arriving(vertices: Tensor, faces: Tensor, light: Tensor) -> Tensor:
    """Light [B, V, 3] that arrives at vertices [B, V, 3]; see ``shading.lit`` and ``shading.vertex_normals``."""
    tables = mesh_tables(faces, vertices.shape[1])
    result: Tensor = _Arriving.apply(vertices.contiguous(), light.contiguous(), tables)
    return result
