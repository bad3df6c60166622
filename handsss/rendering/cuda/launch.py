"""Launches the CUDA renderer's kernels: allocates results, chooses blocks and numbers of programs.

Shapes as in ``kernels.py``: screen [B, V, 3] x px, y px, z metres; faces [F, 3] int32; face_id [B, H, W] int32.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
from torch import Tensor

from handsss.rendering.cuda import crossings as crossing_kernels
from handsss.rendering.cuda import edges, gradients, kernels, shading
from handsss.rendering.topology import MeshTables, mesh_tables

# The interpreter runs programs one after the other and blocks in numpy: there few large programs are fast.
INTERPRETED = not isinstance(kernels.rasterise, triton.JITFunction)
BLOCK = 8192 if INTERPRETED else 256  # pixels or vertices of one program
LANES = 1 << 14 if INTERPRETED else 64  # faces times pixels of one program
PROGRAMS = 1 if INTERPRETED else 2048  # with fewer, the faces' boxes are shared out


def _launch(kernel: Any, programs: int, *arguments: Any, num_warps: int = 4, **blocks: Any) -> None:
    if programs == 0:
        return
    with torch.cuda.device_of(arguments[0]):
        kernel[(programs,)](*arguments, **blocks, num_warps=num_warps, enable_fp_fusion=False)


def _by_pixels(kernel: Any, shape: torch.Size, *arguments: Any, block: int = 0, **blocks: Any) -> None:
    """Launch over the pixels of pictures [B, H, W]."""
    block = block or BLOCK
    programs = shape[0] * triton.cdiv(shape[1] * shape[2], block)
    _launch(kernel, programs, *arguments, BLOCK=block, **blocks)


def by_vertices(kernel: Any, batch: int, vertex_count: int, *arguments: Any, **blocks: Any) -> None:
    """Launch over the vertices of meshes [B, V]."""
    block = BLOCK if INTERPRETED else 128
    _launch(kernel, batch * triton.cdiv(vertex_count, block), *arguments, BLOCK=block, **blocks)


def face_blocks(batch: int, faces: int, height: int, width: int) -> tuple[int, dict[str, int]]:
    """Number of programs over the faces of a batch, and their blocks (FACES, PIXELS, STRIPS), for faces that together
    about fill a picture of height x width px."""
    pixels = min(max(triton.next_power_of_2(height * width // max(faces, 1)), 8), min(LANES, 128))
    per_program = min(LANES // pixels, triton.next_power_of_2(max(faces, 1)))
    programs = batch * triton.cdiv(faces, per_program)
    strips = min(triton.next_power_of_2(max(PROGRAMS // max(programs, 1), 1)), 32)
    return programs * strips, {"FACES": per_program, "PIXELS": pixels, "STRIPS": strips}


def rasterise(screen: Tensor, faces: Tensor, height: int, width: int, cull: bool) -> tuple[Tensor, Tensor]:
    """Face ids [B, H, W] int32 and depth [B, H, W] metres; see ``reference.rasterise``. Compared in float32."""
    screen = screen.contiguous()
    batch, vertex_count = screen.shape[:2]
    tables = mesh_tables(faces, vertex_count)
    z_buffer = torch.full((batch, height, width), kernels.EMPTY.value, dtype=torch.int64, device=screen.device)
    face_id = torch.empty_like(z_buffer, dtype=torch.int32)
    depth = torch.empty_like(z_buffer, dtype=screen.dtype)
    programs, blocks = face_blocks(batch, len(faces), height, width)
    sizes = (vertex_count, len(faces), height, width)
    _launch(kernels.rasterise, programs, screen, tables.faces, z_buffer, *sizes, CULL=cull, **blocks, num_warps=1)
    arguments = (z_buffer, screen, tables.faces, face_id, depth, vertex_count, height * width, width)
    _by_pixels(kernels.resolve, z_buffer.shape, *arguments, EXACT=screen.dtype == torch.float64)
    return face_id, depth


def attributes_of(
    screen: Tensor, faces: Tensor, face_id: Tensor, attributes: Tensor, attribute_faces: Tensor, behind: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Attributes [B, H, W, C] of the visible points, and depth [B, H, W] metres.

    Args:
        attributes, attribute_faces: [B, T, C], and [F, 3] int32 into them.
        behind: background [1|B, 1|H, 1|W, C]; None: 0.
    """
    channels = attributes.shape[-1]
    height, width = face_id.shape[1:]
    out = torch.empty(*face_id.shape, channels, dtype=screen.dtype, device=screen.device)
    depth = torch.empty(face_id.shape, dtype=screen.dtype, device=screen.device)
    steps = [0] * 4 if behind is None else [behind.stride(i) if behind.shape[i] > 1 else 0 for i in range(4)]
    _by_pixels(
        kernels.interpolate,
        face_id.shape,
        *(screen, faces, face_id, attributes, attribute_faces, attributes if behind is None else behind, out, depth),
        *(screen.shape[1], attributes.shape[1], height * width, width, *steps),
        CHANNELS=channels,
        PAINT=behind is not None,
    )
    return out, depth


def corner_parts(
    screen: Tensor,
    faces: Tensor,
    face_id: Tensor,
    attributes: Tensor,
    attribute_faces: Tensor,
    grad_out: Tensor,
    grad_depth: Tensor | None,
) -> Tensor:
    """Gradients [B, STRIPS, F, 3, 6] of the corners of faces: x, y, z and up to three attributes.

    Args:
        grad_out: [B, H, W, C] gradient of the attributes.
        grad_depth: [B, H, W] gradient of the depth, if there is one.
    """
    batch, height, width = face_id.shape
    programs, blocks = face_blocks(batch, len(faces), height, width)
    parts = torch.empty(batch, blocks["STRIPS"], len(faces), 3, 6, dtype=screen.dtype, device=screen.device)
    _launch(
        gradients.faces_gather,
        programs,
        *(
            screen,
            faces,
            face_id,
            attributes,
            attribute_faces,
            grad_out,
            grad_out if grad_depth is None else grad_depth,
            parts,
        ),
        *(screen.shape[1], attributes.shape[1], len(faces), height, width),
        CHANNELS=attributes.shape[-1],
        WITH_DEPTH=grad_depth is not None,
        **blocks,
        num_warps=1,
    )
    return parts


def add_edges(
    parts: Tensor,
    screen: Tensor,
    faces: Tensor,
    face_id: Tensor,
    crossings: Tensor,
    picture: Tensor,
    grad_out: Tensor,
    grad_silhouette: Tensor | None,
) -> None:
    """Add the gradients of blending across silhouette edges to those of the corners.

    Args:
        parts: [B, STRIPS, F, 3, 6], of :func:`corner_parts`; changed in place.
        crossings: [B, 2, H, W] int32, of :func:`find_crossings`.
        picture: [B, H, W, C] before blending.
        grad_out, grad_silhouette: [B, H, W, C] and [B, H, W], gradients of the blended picture.
    """
    batch, height, width = face_id.shape
    programs, blocks = face_blocks(batch, len(faces), height, width)
    assert parts.shape[1] == blocks["STRIPS"]
    split = grad_silhouette is not None
    _launch(
        edges.edges_gather,
        programs,
        *(screen, faces, face_id, crossings, picture, grad_out, grad_silhouette if split else grad_out, parts),
        *(screen.shape[1], len(faces), height, width),
        CHANNELS=picture.shape[-1] + split,
        SPLIT=int(split),
        **blocks,
        num_warps=1,
    )


def to_vertices(parts: Tensor, tables: MeshTables, first: int, channels: int) -> Tensor:
    """Gradients [B, V, channels] of vertices: sums of parts [B, STRIPS, F, 3, 6], from channel ``first`` on."""
    batch, strips, faces = parts.shape[:3]
    vertex_count = len(tables.offsets) - 1
    out = torch.empty(batch, vertex_count, channels, dtype=parts.dtype, device=parts.device)
    by_vertices(
        gradients.vertices_gather,
        *(batch, vertex_count, parts, tables.offsets, tables.corners, out, vertex_count, 3 * faces),
        STRIDE=6,
        FIRST=first,
        CHANNELS=channels,
        STRIPS=strips,
    )
    return out


def find_crossings(screen: Tensor, tables: MeshTables, face_id: Tensor, depth: Tensor) -> Tensor:
    """Silhouette edges between pixels [B, 2, H, W] int32, see ``crossings.py``; depth [B, H, W] metres."""
    batch, height, width = face_id.shape
    found = torch.empty(batch, 2, height, width, dtype=torch.int32, device=screen.device)
    arguments = (screen, tables.faces, tables.neighbours, face_id, depth, found, screen.shape[1], height, width)
    _by_pixels(crossing_kernels.find_crossings, face_id.shape, *arguments, block=BLOCK if INTERPRETED else 128)
    return found


def blend(
    screen: Tensor,
    faces: Tensor,
    face_id: Tensor,
    crossings: Tensor,
    picture: Tensor,
    out: Tensor,
    silhouette: Tensor | None,
    backward: bool,
) -> None:
    """Blend a picture across silhouette edges, or propagate gradients back; nothing is returned.

    Args:
        picture: [B, H, W, C]; with ``backward`` its gradient, written.
        out, silhouette: [B, H, W, C] and [B, H, W] (or None), written; with ``backward`` their gradients, read.
        crossings: [B, 2, H, W] int32, of :func:`find_crossings`.
    """
    split = silhouette is not None
    channels = picture.shape[-1] + split
    _by_pixels(
        edges.blend,
        face_id.shape,
        *(screen, faces, face_id, crossings, picture, out, silhouette if split else out),
        *(screen.shape[1], *face_id.shape[1:]),
        BACKWARD=backward,
        CHANNELS=channels,
        SPLIT=int(split),
        PADDED=triton.next_power_of_2(channels),
    )


def project(vertices: Tensor, intrinsics: Tensor, grad_screen: Tensor | None = None) -> Tensor:
    """Screen positions [B, V, 3] of vertices [B, V, 3] metres under intrinsics [B, 3, 3] px; with ``grad_screen``
    [B, V, 3] the gradient of the vertices."""
    out = torch.empty_like(vertices)
    arguments = (vertices, intrinsics, vertices if grad_screen is None else grad_screen, out, vertices.shape[1])
    by_vertices(shading.project, *vertices.shape[:2], *arguments, BACKWARD=grad_screen is not None)
    return out


def shade(vertices: Tensor, tables: MeshTables, light: Tensor) -> tuple[Tensor, Tensor]:
    """RGB irradiance [B, V, 3] of vertices under light [B, 11], and the sums [B, V, 3] of their faces' normals."""
    sums, lighting = torch.empty_like(vertices), torch.empty_like(vertices)
    arguments = (vertices, *_incidence(tables), light, sums, lighting, vertices.shape[1])
    by_vertices(shading.shade, *vertices.shape[:2], *arguments)
    return lighting, sums


def shade_backward(
    vertices: Tensor, tables: MeshTables, light: Tensor, sums: Tensor, grad_lighting: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of vertices [B, V, 3] and light [B, 11] from that of the irradiance [B, V, 3]."""
    batch, vertex_count, _ = vertices.shape
    grad_sums, grad_vertices = torch.empty_like(vertices), torch.empty_like(vertices)
    parts = torch.empty(batch, vertex_count, 11, dtype=vertices.dtype, device=vertices.device)
    arguments: tuple[Any, ...] = (light, sums, grad_lighting, grad_sums, parts, vertex_count)
    by_vertices(shading.shade_backward, batch, vertex_count, *arguments)
    arguments = (vertices, *_incidence(tables), grad_sums, grad_vertices, vertex_count)
    by_vertices(shading.normals_backward, batch, vertex_count, *arguments)
    return grad_vertices, parts.sum(1)


def _incidence(tables: MeshTables) -> tuple[Tensor, Tensor, Tensor]:
    return tables.faces, tables.offsets, tables.corners
