"""Triton kernels for vertices: projection, normals and light. Tested against ``rendering/shading.py``.

Light is [B, 11]: ambient and directional intensity, their colours, direction towards the light. Notation as in
``kernels.py``.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from handsss.rendering.cuda.kernels import NEAR, corner

# As in ``rendering/shading.py``: squared length below which a normal counts as zero; least length of a direction.
NO_AREA = tl.constexpr(1e-30)
NO_LENGTH = tl.constexpr(1e-8)


@triton.jit
def vertices_of_program(vertex_count: tl.tensor, BLOCK: tl.constexpr) -> Any:
    """This program's image (int64), its vertex ids [BLOCK], and which of them exist [BLOCK]."""
    blocks = (vertex_count + BLOCK - 1) // BLOCK
    v = (tl.program_id(0) % blocks) * BLOCK + tl.arange(0, BLOCK)
    return (tl.program_id(0) // blocks).to(tl.int64), v, v < vertex_count


@triton.jit
def corners_at(offsets: tl.tensor, v: tl.tensor, real: tl.tensor) -> Any:
    """First index and number of the corners of each vertex [BLOCK] in the table of corners; offsets [V + 1]."""
    begin = tl.load(offsets + v, mask=real, other=0)
    return begin, tl.load(offsets + v + 1, mask=real, other=0) - begin


@triton.jit
def project(
    vertices: tl.tensor,
    intrinsics: tl.tensor,
    grad_screen: tl.tensor,
    out: tl.tensor,
    vertex_count: tl.tensor,
    BACKWARD: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Project vertices, or propagate gradients back.

    Vertices that are not in front of the camera are projected as if they were 1 m away, and keep their depth.

    Args:
        vertices: [B, V, 3] metres, camera frame.
        intrinsics: [B, 3, 3] px.
        grad_screen: [B, V, 3], read with BACKWARD.
        out: [B, V, 3] x px, y px, z metres; with BACKWARD the gradient of the vertices. Written.
    """
    image, v, real = vertices_of_program(vertex_count, BLOCK)
    at = image * vertex_count + v
    x, y, z = corner(vertices, at, real)
    intrinsics += image * 9
    xx, xy, x0 = tl.load(intrinsics), tl.load(intrinsics + 1), tl.load(intrinsics + 2)
    yx, yy, y0 = tl.load(intrinsics + 3), tl.load(intrinsics + 4), tl.load(intrinsics + 5)
    before = real & (z > NEAR)
    safe = tl.where(before, z, 1.0)
    nx, ny = x / safe, y / safe
    if BACKWARD:
        gu, gv, gz = corner(grad_screen, at, real)
        gx, gy = (gu * xx + gv * yx) / safe, (gu * xy + gv * yy) / safe
        first, second, third = gx, gy, tl.where(before, gz - (gx * nx + gy * ny), gz)
    else:
        first, second, third = xx * nx + xy * ny + x0, yx * nx + yy * ny + y0, z
    tl.store(out + at * 3, first, mask=real)
    tl.store(out + at * 3 + 1, second, mask=real)
    tl.store(out + at * 3 + 2, third, mask=real)


@triton.jit
def cross(ax: tl.tensor, ay: tl.tensor, az: tl.tensor, bx: tl.tensor, by: tl.tensor, bz: tl.tensor) -> Any:
    """Cross products a x b of vectors [...]."""
    return ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx


@triton.jit
def normal_of(x: tl.tensor, y: tl.tensor, z: tl.tensor) -> Any:
    """Unit normal and 1 / length [...] of a sum of face normals; all 0 where it has no length."""
    squared = x * x + y * y + z * z
    empty = squared < NO_AREA
    inverse = tl.where(empty, 0.0, 1 / tl.sqrt(tl.where(empty, 1.0, squared)))
    return x * inverse, y * inverse, z * inverse, inverse


@triton.jit
def direction_of(light: tl.tensor) -> Any:
    """Unit direction towards a light [11], and 1 / the length of the given one."""
    x, y, z = tl.load(light + 8), tl.load(light + 9), tl.load(light + 10)
    inverse = 1 / tl.maximum(tl.sqrt(x * x + y * y + z * z), NO_LENGTH)
    return x * inverse, y * inverse, z * inverse, inverse


@triton.jit
def shade(
    vertices: tl.tensor,
    faces: tl.tensor,
    offsets: tl.tensor,
    corners: tl.tensor,
    light: tl.tensor,
    sums: tl.tensor,
    lighting: tl.tensor,
    vertex_count: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:
    """Irradiance of vertices.

    Args:
        vertices: [B, V, 3] metres, camera frame.
        faces, offsets, corners: see ``gradients.vertices_gather``.
        light: [B, 11].
        sums: [B, V, 3] sums of the normals of each vertex' faces, of length twice their area (m^2); written.
        lighting: [B, V, 3] RGB irradiance; written.
    """
    image, v, real = vertices_of_program(vertex_count, BLOCK)
    vertices += image * vertex_count * 3
    begin, count = corners_at(offsets, v, real)
    most = tl.max(count, 0)
    x = tl.zeros((BLOCK,), vertices.dtype.element_ty)
    y, z = x, x
    j = 0
    while j < most:
        mine = j < count
        f = tl.load(corners + begin + j, mask=mine, other=0) // 3
        x0, y0, z0 = corner(vertices, tl.load(faces + f * 3, mask=mine, other=0), mine)
        x1, y1, z1 = corner(vertices, tl.load(faces + f * 3 + 1, mask=mine, other=0), mine)
        x2, y2, z2 = corner(vertices, tl.load(faces + f * 3 + 2, mask=mine, other=0), mine)
        nx, ny, nz = cross(x1 - x0, y1 - y0, z1 - z0, x2 - x0, y2 - y0, z2 - z0)
        x, y, z = x + nx, y + ny, z + nz
        j += 1
    at = (image * vertex_count + v) * 3
    tl.store(sums + at, x, mask=real)
    tl.store(sums + at + 1, y, mask=real)
    tl.store(sums + at + 2, z, mask=real)
    nx, ny, nz, _length = normal_of(x, y, z)
    light += image * 11
    dx, dy, dz, _length = direction_of(light)
    facing = tl.maximum(nx * dx + ny * dy + nz * dz, 0.0)
    ambient, directional = tl.load(light), tl.load(light + 1)
    for k in tl.static_range(3):
        value = ambient * tl.load(light + 2 + k) + facing * (directional * tl.load(light + 5 + k))
        tl.store(lighting + at + k, value, mask=real)


@triton.jit
def shade_backward(
    light: tl.tensor,
    sums: tl.tensor,
    grad_lighting: tl.tensor,
    grad_sums: tl.tensor,
    grad_light: tl.tensor,
    vertex_count: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:
    """Gradients of ``shade`` on the sums of normals and on the light.

    Args:
        light, sums: of ``shade``.
        grad_lighting: [B, V, 3].
        grad_sums: [B, V, 3]; written.
        grad_light: [B, V, 11], to be summed over vertices; written.
    """
    image, v, real = vertices_of_program(vertex_count, BLOCK)
    at = (image * vertex_count + v) * 3
    x, y, z = corner(sums, image * vertex_count + v, real)
    nx, ny, nz, inverse = normal_of(x, y, z)
    light += image * 11
    dx, dy, dz, shortening = direction_of(light)
    cosine = nx * dx + ny * dy + nz * dz
    facing = tl.maximum(cosine, 0.0)
    ambient, directional = tl.load(light), tl.load(light + 1)
    parts = grad_light + (image * vertex_count + v) * 11
    grad_ambient = tl.zeros((BLOCK,), sums.dtype.element_ty)
    grad_directional, grad_facing = grad_ambient, grad_ambient
    for k in tl.static_range(3):
        g = tl.load(grad_lighting + at + k, mask=real, other=0.0)
        ambient_colour, directional_colour = tl.load(light + 2 + k), tl.load(light + 5 + k)
        grad_ambient += g * ambient_colour
        grad_directional += g * facing * directional_colour
        grad_facing += g * directional * directional_colour
        tl.store(parts + 2 + k, g * ambient, mask=real)
        tl.store(parts + 5 + k, g * facing * directional, mask=real)
    tl.store(parts, grad_ambient, mask=real)
    tl.store(parts + 1, grad_directional, mask=real)
    grad_cosine = tl.where(cosine >= 0, grad_facing, 0.0)
    # Through x / |x|: the part along x is lost.
    tl.store(parts + 8, grad_cosine * (nx - cosine * dx) * shortening, mask=real)
    tl.store(parts + 9, grad_cosine * (ny - cosine * dy) * shortening, mask=real)
    tl.store(parts + 10, grad_cosine * (nz - cosine * dz) * shortening, mask=real)
    tl.store(grad_sums + at, grad_cosine * (dx - cosine * nx) * inverse, mask=real)
    tl.store(grad_sums + at + 1, grad_cosine * (dy - cosine * ny) * inverse, mask=real)
    tl.store(grad_sums + at + 2, grad_cosine * (dz - cosine * nz) * inverse, mask=real)


@triton.jit
def normals_backward(
    vertices: tl.tensor,
    faces: tl.tensor,
    offsets: tl.tensor,
    corners: tl.tensor,
    grad_sums: tl.tensor,
    grad_vertices: tl.tensor,
    vertex_count: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:
    """Gradients of the vertices through the sums of face normals.

    Args:
        vertices, faces, offsets, corners: of ``shade``.
        grad_sums: [B, V, 3] of ``shade_backward``.
        grad_vertices: [B, V, 3]; written.
    """
    image, v, real = vertices_of_program(vertex_count, BLOCK)
    vertices += image * vertex_count * 3
    grad_sums += image * vertex_count * 3
    begin, count = corners_at(offsets, v, real)
    most = tl.max(count, 0)
    x = tl.zeros((BLOCK,), vertices.dtype.element_ty)
    y, z = x, x
    j = 0
    while j < most:
        mine = j < count
        own = tl.load(corners + begin + j, mask=mine, other=0)
        face = faces + (own // 3) * 3
        b = tl.load(face + (own + 1) % 3, mask=mine, other=0)
        c = tl.load(face + (own + 2) % 3, mask=mine, other=0)
        gx, gy, gz = corner(grad_sums, v, mine)
        gx1, gy1, gz1 = corner(grad_sums, b, mine)
        gx2, gy2, gz2 = corner(grad_sums, c, mine)
        x1, y1, z1 = corner(vertices, b, mine)
        x2, y2, z2 = corner(vertices, c, mine)
        # The face's normal is a x b + b x c + c x a: its gradient g reaches corner a as (b - c) x g.
        px, py, pz = cross(x1 - x2, y1 - y2, z1 - z2, gx + gx1 + gx2, gy + gy1 + gy2, gz + gz1 + gz2)
        x, y, z = x + px, y + py, z + pz
        j += 1
    at = (image * vertex_count + v) * 3
    tl.store(grad_vertices + at, x, mask=real)
    tl.store(grad_vertices + at + 1, y, mask=real)
    tl.store(grad_vertices + at + 2, z, mask=real)
