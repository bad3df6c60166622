"""Gradients of visible points on CUDA: every face gathers its pixels, every vertex its faces; no atomics.

The order of every sum is fixed by the mesh, the picture's size and the blocks: gradients come out the same each time.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from handsss.render.triton_edges import event, gradient, value
from handsss.render.triton_kernels import corner, edge_functions, finite, span, triangles

SLACK = tl.constexpr(0.01)  # px by which a computed crossing may lie beside its edge, and as a part of coordinates:
ROUNDING = tl.constexpr(1e-6)


@triton.jit
def channel(values: Any, index: Any, real: Any, K: tl.constexpr, CHANNELS: tl.constexpr) -> Any:
    """Channel K of values [N, CHANNELS]; 0 if there is no such channel."""
    return tl.load(values + index * CHANNELS + K, mask=real & (K < CHANNELS), other=0.0)


@triton.jit
def faces_gather(
    screen: Any,
    faces: Any,
    face_id: Any,
    attributes: Any,
    attribute_faces: Any,
    on_out: Any,
    on_depth: Any,
    parts: Any,
    vertex_count: Any,
    attribute_count: Any,
    face_count: Any,
    height: Any,
    width: Any,
    CHANNELS: tl.constexpr,
    WITH_DEPTH: tl.constexpr,
    FACES: tl.constexpr,
    PIXELS: tl.constexpr,
    STRIPS: tl.constexpr,
) -> None:
    """Gradient of the corners of each face through the pixels that show it.

    parts [B, STRIPS, F, 3, 6]: of each corner x, y, z on the screen and up to three attributes; all is written.
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
    on_out += first_pixel * CHANNELS
    on_depth += first_pixel
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
            g0 = channel(on_out, pixel, mine, 0, CHANNELS)
            g1 = channel(on_out, pixel, mine, 1, CHANNELS)
            g2 = channel(on_out, pixel, mine, 2, CHANNELS)
            a0, a1, a2 = a0 + g0 * w0, a1 + g1 * w0, a2 + g2 * w0
            b0, b1, b2 = b0 + g0 * w1, b1 + g1 * w1, b2 + g2 * w1
            c0, c1, c2 = c0 + g0 * w2, c1 + g1 * w2, c2 + g2 * w2
            h0 = g0 * s0 + g1 * s1 + g2 * s2
            h1 = g0 * t0 + g1 * t1 + g2 * t2
            h2 = g0 * u0 + g1 * u1 + g2 * u2
            mean = h0 * w0 + h1 * w1 + h2 * w2
            h0, h1, h2 = (h0 - mean) * z, (h1 - mean) * z, (h2 - mean) * z
            if WITH_DEPTH:
                through_depth = tl.load(on_depth + pixel, mask=mine, other=0.0) * z * z
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
    put(parts, ax, ay, az, a0, a1, a2, real)
    put(parts + 6, bx, by, bz, b0, b1, b2, real)
    put(parts + 12, cx, cy, cz, c0, c1, c2, real)


@triton.jit
def put(parts: Any, x: Any, y: Any, z: Any, k0: Any, k1: Any, k2: Any, real: Any) -> None:
    """Sums over pixels of one corner's gradients."""
    tl.store(parts, tl.sum(x, 1), mask=real)
    tl.store(parts + 1, tl.sum(y, 1), mask=real)
    tl.store(parts + 2, tl.sum(z, 1), mask=real)
    tl.store(parts + 3, tl.sum(k0, 1), mask=real)
    tl.store(parts + 4, tl.sum(k1, 1), mask=real)
    tl.store(parts + 5, tl.sum(k2, 1), mask=real)


@triton.jit
def vertices_gather(
    parts: Any,
    offsets: Any,
    corners: Any,
    out: Any,
    vertex_count: Any,
    corner_count: Any,
    STRIDE: tl.constexpr,
    FIRST: tl.constexpr,
    CHANNELS: tl.constexpr,
    STRIPS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Sum of parts [B, STRIPS, corners, STRIDE] over the corners of each vertex -> out [B, V, CHANNELS].

    The corners of vertex v are ``corners[offsets[v]:offsets[v + 1]]``; channels are those from FIRST on.
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


@triton.jit
def edges_gather(
    screen: Any,
    faces: Any,
    face_id: Any,
    events: Any,
    picture: Any,
    on_out: Any,
    on_silhouette: Any,
    parts: Any,
    vertex_count: Any,
    face_count: Any,
    height: Any,
    width: Any,
    CHANNELS: tl.constexpr,
    SPLIT: tl.constexpr,
    FACES: tl.constexpr,
    PIXELS: tl.constexpr,
    STRIPS: tl.constexpr,
) -> None:
    """Adds to parts [B, STRIPS, F, 3, 6] (x, y of corners) what blending across the edges of each face passes to them.

    Pictures and gradients as in ``blend``.
    """
    program = tl.program_id(0)
    strip, group = program % STRIPS, program // STRIPS
    groups = (face_count + FACES - 1) // FACES
    image = (group // groups).to(tl.int64)
    f = (group % groups) * FACES + tl.arange(0, FACES)
    real = f < face_count
    pixels = height * width
    screen += image * vertex_count * 3
    face_id += image * pixels
    events += image * 2 * pixels
    picture += image * pixels * (CHANNELS - SPLIT)
    on_out += image * pixels * (CHANNELS - SPLIT)
    on_silhouette += image * pixels
    # Of faces without area too: a walk may end on them.
    x0, y0, _z0 = corner(screen, tl.load(faces + f * 3, mask=real, other=0), real)
    x1, y1, _z1 = corner(screen, tl.load(faces + f * 3 + 1, mask=real, other=0), real)
    x2, y2, _z2 = corner(screen, tl.load(faces + f * 3 + 2, mask=real, other=0), real)
    sound = real & finite(x0) & finite(x1) & finite(x2) & finite(y0) & finite(y1) & finite(y2)
    low_x, high_x = tl.minimum(tl.minimum(x0, x1), x2), tl.maximum(tl.maximum(x0, x1), x2)
    low_y, high_y = tl.minimum(tl.minimum(y0, y1), y2), tl.maximum(tl.maximum(y0, y1), y2)
    low_x, high_x = tl.where(sound, low_x, 0.0), tl.where(sound, high_x, 0.0)
    low_y, high_y = tl.where(sound, low_y, 0.0), tl.where(sound, high_y, 0.0)
    slack_x = SLACK + ROUNDING * tl.maximum(tl.abs(low_x), tl.abs(high_x))
    slack_y = SLACK + ROUNDING * tl.maximum(tl.abs(low_y), tl.abs(high_y))
    # The first pixel of a pair lies up to one before the edge.
    column_0, columns = span(low_x, high_x, width, 1 + slack_x, slack_x)
    row_0, rows = span(low_y, high_y, height, 1 + slack_y, slack_y)
    count = tl.where(sound, columns * rows, 0)
    columns = tl.maximum(columns, 1)[:, None]
    zero = tl.zeros((FACES, PIXELS), screen.dtype.element_ty)
    ax, ay, bx, by, cx, cy = zero, zero, zero, zero, zero, zero
    start, longest = strip * PIXELS, tl.max(count, 0)
    while start < longest:
        i = start + tl.arange(0, PIXELS)[None, :]
        inside = i < count[:, None]
        first = (row_0[:, None] + i // columns) * width + column_0[:, None] + i % columns
        for axis in tl.static_range(2):
            code = tl.load(events + axis * pixels + first, mask=inside, other=-1)
            mine = (code >= 0) & (code // 6 == f[:, None])
            if tl.max(tl.max(mine.to(tl.int32), 1), 0) > 0:
                near, far, _share, target, s, slope, sign = event(screen, faces, code, first, width, mine, axis)
                through = zero
                for k in tl.static_range(CHANNELS):
                    difference = value(picture, face_id, near, mine, k, CHANNELS, SPLIT)
                    difference -= value(picture, face_id, far, mine, k, CHANNELS, SPLIT)
                    through += gradient(on_out, on_silhouette, target, mine, k, CHANNELS, SPLIT) * difference
                through = tl.where(sign != 0, through * sign, 0.0)
                start_along, end_along = through * (1 - s), through * s
                start_across, end_across = -start_along * slope, -end_along * slope
                if axis == 0:
                    start_x, start_y, end_x, end_y = start_along, start_across, end_along, end_across
                else:
                    start_x, start_y, end_x, end_y = start_across, start_along, end_across, end_along
                edge = (code >> 1) % 3
                ax += tl.where(edge == 0, start_x, tl.where(edge == 2, end_x, 0.0))
                ay += tl.where(edge == 0, start_y, tl.where(edge == 2, end_y, 0.0))
                bx += tl.where(edge == 1, start_x, tl.where(edge == 0, end_x, 0.0))
                by += tl.where(edge == 1, start_y, tl.where(edge == 0, end_y, 0.0))
                cx += tl.where(edge == 2, start_x, tl.where(edge == 1, end_x, 0.0))
                cy += tl.where(edge == 2, start_y, tl.where(edge == 1, end_y, 0.0))
        start += STRIPS * PIXELS
    parts += ((image * STRIPS + strip) * face_count + f) * 18
    add(parts, ax, real)
    add(parts + 1, ay, real)
    add(parts + 6, bx, real)
    add(parts + 7, by, real)
    add(parts + 12, cx, real)
    add(parts + 13, cy, real)


@triton.jit
def add(parts: Any, x: Any, real: Any) -> None:
    tl.store(parts, tl.load(parts, mask=real, other=0.0) + tl.sum(x, 1), mask=real)
