"""Triton kernels for gradients of interpolation: every face gathers its pixels, every vertex its faces; no atomics.

The order of every sum is fixed by the mesh, the picture's size and the blocks: gradients are deterministic. Notation as
in ``kernels.py``.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from handsss.rendering.cuda.kernels import edge_functions, span, triangles


@triton.jit
def channel(values: tl.tensor, index: tl.tensor, real: tl.tensor, K: tl.constexpr, CHANNELS: tl.constexpr) -> Any:
    """Channel K [...] of values [N, CHANNELS] at an index [...]; 0 if there is no such channel."""
    return tl.load(values + index * CHANNELS + K, mask=real & (K < CHANNELS), other=0.0)


@triton.jit
def faces_gather(
    screen: tl.tensor,
    faces: tl.tensor,
    face_id: tl.tensor,
    attributes: tl.tensor,
    attribute_faces: tl.tensor,
    grad_out: tl.tensor,
    grad_depth: tl.tensor,
    parts: tl.tensor,
    vertex_count: tl.tensor,
    attribute_count: tl.tensor,
    face_count: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    CHANNELS: tl.constexpr,
    WITH_DEPTH: tl.constexpr,
    FACES: tl.constexpr,
    PIXELS: tl.constexpr,
    STRIPS: tl.constexpr,
) -> None:
    """Gradients of each face's corners through the pixels that show it.

    Args:
        screen, faces, face_id, attributes, attribute_faces: as in ``kernels.interpolate``; up to three CHANNELS.
        grad_out: [B, H, W, C] gradient of the attributes.
        grad_depth: [B, H, W] gradient of the depth (per metre), read with WITH_DEPTH.
        parts: [B, STRIPS, F, 3, 6], of each corner the gradients of x, y, z and the attributes; all is written.
    """
    program = tl.program_id(0)
    strip, group = program % STRIPS, program // STRIPS
    groups = (face_count + FACES - 1) // FACES
    image = (group // groups).to(tl.int64)
    f = (group % groups) * FACES + tl.arange(0, FACES)
    real = f < face_count
    screen += image * vertex_count * 3
    attributes += image * attribute_count * CHANNELS
    first_pixel = image * height * width
    face_id += first_pixel
    grad_out += first_pixel * CHANNELS
    grad_depth += first_pixel
    _a, _b, _c, x0, y0, z0, x1, y1, z1, x2, y2, z2, _area, usable = triangles(screen, faces, f, real)
    low_x, high_x = tl.minimum(tl.minimum(x0, x1), x2), tl.maximum(tl.maximum(x0, x1), x2)
    low_y, high_y = tl.minimum(tl.minimum(y0, y1), y2), tl.maximum(tl.maximum(y0, y1), y2)
    column_0, columns = span(low_x, high_x, width, 0.0, 0.0)
    row_0, rows = span(low_y, high_y, height, 0.0, 0.0)
    count = tl.where(usable, columns * rows, 0)
    columns = tl.maximum(columns, 1)[:, None]
    x0, y0, x1, y1, x2, y2 = x0[:, None], y0[:, None], x1[:, None], y1[:, None], x2[:, None], y2[:, None]
    i0, i1, i2 = (1 / z0)[:, None], (1 / z1)[:, None], (1 / z2)[:, None]
    s = tl.load(attribute_faces + f * 3, mask=real, other=0)
    t = tl.load(attribute_faces + f * 3 + 1, mask=real, other=0)
    u = tl.load(attribute_faces + f * 3 + 2, mask=real, other=0)
    s0, s1, s2 = (
        channel(attributes, s, real, 0, CHANNELS)[:, None],
        channel(attributes, s, real, 1, CHANNELS)[:, None],
        channel(attributes, s, real, 2, CHANNELS)[:, None],
    )
    t0, t1, t2 = (
        channel(attributes, t, real, 0, CHANNELS)[:, None],
        channel(attributes, t, real, 1, CHANNELS)[:, None],
        channel(attributes, t, real, 2, CHANNELS)[:, None],
    )
    u0, u1, u2 = (
        channel(attributes, u, real, 0, CHANNELS)[:, None],
        channel(attributes, u, real, 1, CHANNELS)[:, None],
        channel(attributes, u, real, 2, CHANNELS)[:, None],
    )
    zero = tl.zeros((FACES, PIXELS), screen.dtype.element_ty)
    ax, ay, az, a0, a1, a2 = zero, zero, zero, zero, zero, zero
    bx, by, bz, b0, b1, b2 = zero, zero, zero, zero, zero, zero
    cx, cy, cz, c0, c1, c2 = zero, zero, zero, zero, zero, zero
    start, longest = strip * PIXELS, tl.max(count, 0)
    while start < longest:
        i = start + tl.arange(0, PIXELS)[None, :]
        row, column = row_0[:, None] + i // columns, column_0[:, None] + i % columns
        inside = i < count[:, None]
        pixel = row * width + column
        mine = inside & (tl.load(face_id + pixel, mask=inside, other=-1) == f[:, None])
        if tl.max(tl.max(mine.to(tl.int32), 1), 0) > 0:
            px, py = column.to(screen.dtype.element_ty) + 0.5, row.to(screen.dtype.element_ty) + 0.5
            e0, e1, e2 = edge_functions(x0, y0, x1, y1, x2, y2, px, py)
            inverse = 1 / tl.where(mine, e0 + e1 + e2, 1.0)
            # Elsewhere the plane's depth may be infinite; the values below stay finite and their gradients are 0.
            e0, e1, e2 = (
                tl.where(mine, e0 * inverse, 1.0),
                tl.where(mine, e1 * inverse, 0.0),
                tl.where(mine, e2 * inverse, 0.0),
            )
            q0, q1, q2 = e0 * i0, e1 * i1, e2 * i2
            z = 1 / (q0 + q1 + q2)
            w0, w1, w2 = q0 * z, q1 * z, q2 * z
            g0 = channel(grad_out, pixel, mine, 0, CHANNELS)
            g1 = channel(grad_out, pixel, mine, 1, CHANNELS)
            g2 = channel(grad_out, pixel, mine, 2, CHANNELS)
            a0, a1, a2 = a0 + g0 * w0, a1 + g1 * w0, a2 + g2 * w0
            b0, b1, b2 = b0 + g0 * w1, b1 + g1 * w1, b2 + g2 * w1
            c0, c1, c2 = c0 + g0 * w2, c1 + g1 * w2, c2 + g2 * w2
            h0 = g0 * s0 + g1 * s1 + g2 * s2
            h1 = g0 * t0 + g1 * t1 + g2 * t2
            h2 = g0 * u0 + g1 * u1 + g2 * u2
            mean = h0 * w0 + h1 * w1 + h2 * w2
            h0, h1, h2 = (h0 - mean) * z, (h1 - mean) * z, (h2 - mean) * z
            if WITH_DEPTH:
                through_depth = tl.load(grad_depth + pixel, mask=mine, other=0.0) * z * z
                h0, h1, h2 = h0 - through_depth, h1 - through_depth, h2 - through_depth
            h0, h1, h2 = h0 * i0, h1 * i1, h2 * i2
            az, bz, cz = az - h0 * q0, bz - h1 * q1, cz - h2 * q2
            mean = h0 * e0 + h1 * e1 + h2 * e2
            h0, h1, h2 = (h0 - mean) * inverse, (h1 - mean) * inverse, (h2 - mean) * inverse
            ax, ay = ax + (h2 * (y1 - py) - h1 * (y2 - py)), ay + (h1 * (x2 - px) - h2 * (x1 - px))
            bx, by = bx + (h0 * (y2 - py) - h2 * (y0 - py)), by + (h2 * (x0 - px) - h0 * (x2 - px))
            cx, cy = cx + (h1 * (y0 - py) - h0 * (y1 - py)), cy + (h0 * (x1 - px) - h1 * (x0 - px))
        start += STRIPS * PIXELS
    parts += ((image * STRIPS + strip) * face_count + f) * 18
    store_corner(parts, ax, ay, az, a0, a1, a2, real)
    store_corner(parts + 6, bx, by, bz, b0, b1, b2, real)
    store_corner(parts + 12, cx, cy, cz, c0, c1, c2, real)


@triton.jit
def store_corner(
    parts: tl.tensor,
    x: tl.tensor,
    y: tl.tensor,
    z: tl.tensor,
    k0: tl.tensor,
    k1: tl.tensor,
    k2: tl.tensor,
    real: tl.tensor,
) -> None:
    """Store the sums over pixels of one corner's gradients [FACES, PIXELS] in parts [FACES, 6]."""
    tl.store(parts, tl.sum(x, 1), mask=real)
    tl.store(parts + 1, tl.sum(y, 1), mask=real)
    tl.store(parts + 2, tl.sum(z, 1), mask=real)
    tl.store(parts + 3, tl.sum(k0, 1), mask=real)
    tl.store(parts + 4, tl.sum(k1, 1), mask=real)
    tl.store(parts + 5, tl.sum(k2, 1), mask=real)


@triton.jit
def vertices_gather(
    parts: tl.tensor,
    offsets: tl.tensor,
    corners: tl.tensor,
    out: tl.tensor,
    vertex_count: tl.tensor,
    corner_count: tl.tensor,
    STRIDE: tl.constexpr,
    FIRST: tl.constexpr,
    CHANNELS: tl.constexpr,
    STRIPS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Sum the gradients of corners over each vertex.

    Args:
        parts: [B, STRIPS, 3 F, STRIDE].
        offsets, corners: [V + 1] and [3 F] int32; the corners of vertex v are ``corners[offsets[v]:offsets[v + 1]]``.
        out: [B, V, CHANNELS], of the channels from FIRST on; all is written.
    """
    blocks = (vertex_count + BLOCK - 1) // BLOCK
    image = (tl.program_id(0) // blocks).to(tl.int64)
    v = (tl.program_id(0) % blocks) * BLOCK + tl.arange(0, BLOCK)
    real = v < vertex_count
    begin = tl.load(offsets + v, mask=real, other=0)
    count = tl.load(offsets + v + 1, mask=real, other=0) - begin
    most = tl.max(count, 0)
    for k in tl.static_range(CHANNELS):
        total = tl.zeros((BLOCK,), out.dtype.element_ty)
        j = 0
        while j < most:
            mine = j < count
            at = tl.load(corners + begin + j, mask=mine, other=0).to(tl.int64)
            for strip in range(STRIPS):
                position = ((image * STRIPS + strip) * corner_count + at) * STRIDE + FIRST + k
                total += tl.load(parts + position, mask=mine, other=0.0)
            j += 1
        tl.store(out + (image * vertex_count + v) * CHANNELS + k, total, mask=real)
