"""Triton kernels of the CUDA renderer: z-buffer and attributes of visible points. Tested against ``reference.py``.

Notation: screen [B, V, 3] holds x px, y px, z metres (float32 or float64); faces [F, 3] int32; a kernel gets one image
or mesh of the batch by offsets. Values in the docstrings of device functions are blocks of any shape [...].

Work on faces is laid out as blocks [FACES, PIXELS]: a program takes FACES faces and iterates over the pixels of their
bounding boxes, PIXELS at a time; STRIPS programs share the boxes of the same faces, for meshes of few large ones.
Nothing here depends on the order in which programs run. Kernels are launched without fused multiply-add: two faces must
see their common edge with exactly opposite signs, or pixels fall between them.

Offsets inside one picture or mesh are 32-bit; where pictures begin is counted in 64 bits.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from handsss.rendering import types

NEAR = tl.constexpr(types.NEAR)
FAR = tl.constexpr(3.0e38)  # larger coordinates count as not finite, in either precision
EMPTY = tl.constexpr(0x7FFFFFFFFFFFFFFF)  # of the z-buffer


@triton.jit
def corner(screen: tl.tensor, vertex: tl.tensor, real: tl.tensor) -> Any:
    """x px, y px, z metres [...] of vertices [...] of screen [V, 3]; 0 where ``real`` is false."""
    x = tl.load(screen + vertex * 3, mask=real, other=0.0)
    y = tl.load(screen + vertex * 3 + 1, mask=real, other=0.0)
    z = tl.load(screen + vertex * 3 + 2, mask=real, other=0.0)
    return x, y, z


@triton.jit
def finite(value: tl.tensor) -> Any:
    """Whether values [...] are finite."""
    return tl.abs(value) < FAR  # false for NaN


@triton.jit
def span(low: tl.tensor, high: tl.tensor, size: tl.tensor, below: tl.tensor, above: tl.tensor) -> Any:
    """First index and number [...] int32 of the pixels, of ``size``, whose centres lie between ``low - below`` and
    ``high + above`` [...] px."""
    first = tl.ceil(tl.minimum(tl.maximum(low - 0.5 - below, 0.0), size + 0.0)).to(tl.int32)
    last = tl.floor(tl.maximum(tl.minimum(high - 0.5 + above, size - 1.0), -1.0)).to(tl.int32)
    return first, tl.maximum(last - first + 1, 0)


@triton.jit
def triangles(screen: tl.tensor, faces: tl.tensor, f: tl.tensor, real: tl.tensor) -> Any:
    """Vertex ids, corners (x px, y px, z metres), twice the signed area (px^2) and usability of faces f [...].

    Unusable: a corner nearer than NEAR or not finite, or no area. Their corners are 0, 0, 1.
    """
    a = tl.load(faces + f * 3, mask=real, other=0)
    b = tl.load(faces + f * 3 + 1, mask=real, other=0)
    c = tl.load(faces + f * 3 + 2, mask=real, other=0)
    x0, y0, z0 = corner(screen, a, real)
    x1, y1, z1 = corner(screen, b, real)
    x2, y2, z2 = corner(screen, c, real)
    area = (x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0)
    usable = real & (z0 > NEAR) & (z1 > NEAR) & (z2 > NEAR) & finite(z0) & finite(z1) & finite(z2)
    usable &= finite(x0) & finite(x1) & finite(x2) & finite(y0) & finite(y1) & finite(y2)
    usable &= finite(area) & (area != 0)
    x0, x1, x2 = tl.where(usable, x0, 0.0), tl.where(usable, x1, 0.0), tl.where(usable, x2, 0.0)
    y0, y1, y2 = tl.where(usable, y0, 0.0), tl.where(usable, y1, 0.0), tl.where(usable, y2, 0.0)
    z0, z1, z2 = tl.where(usable, z0, 1.0), tl.where(usable, z1, 1.0), tl.where(usable, z2, 1.0)
    return a, b, c, x0, y0, z0, x1, y1, z1, x2, y2, z2, area, usable


@triton.jit
def edge_functions(
    x0: tl.tensor,
    y0: tl.tensor,
    x1: tl.tensor,
    y1: tl.tensor,
    x2: tl.tensor,
    y2: tl.tensor,
    px: tl.tensor,
    py: tl.tensor,
) -> Any:
    """Edge functions [...] px^2 of points: twice the signed areas that they span with the sides of a triangle."""
    c0, c1, c2 = x0 - px, x1 - px, x2 - px
    d0, d1, d2 = y0 - py, y1 - py, y2 - py
    return c1 * d2 - d1 * c2, c2 * d0 - d2 * c0, c0 * d1 - d0 * c1


@triton.jit
def rasterise(
    screen: tl.tensor,
    faces: tl.tensor,
    z_buffer: tl.tensor,
    vertex_count: tl.tensor,
    face_count: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    CULL: tl.constexpr,
    FACES: tl.constexpr,
    PIXELS: tl.constexpr,
    STRIPS: tl.constexpr,
) -> None:
    """Z-buffer: the minimum of (bits of the depth in float32, face id) of each pixel.

    Bits of positive floats grow with their value, so the smallest key is the nearest face, and among equals the lowest.

    Args:
        screen, faces: see the module.
        z_buffer: [B, H, W] int64, filled with EMPTY; written.
        CULL: drop faces that are seen from behind.
    """
    program = tl.program_id(0)
    strip, group = program % STRIPS, program // STRIPS
    groups = (face_count + FACES - 1) // FACES
    image = (group // groups).to(tl.int64)
    f = (group % groups) * FACES + tl.arange(0, FACES)
    screen += image * vertex_count * 3
    z_buffer += image * height * width
    _a, _b, _c, x0, y0, z0, x1, y1, z1, x2, y2, z2, area, usable = triangles(screen, faces, f, f < face_count)
    if CULL:
        usable &= area < 0
    low_x, high_x = tl.minimum(tl.minimum(x0, x1), x2), tl.maximum(tl.maximum(x0, x1), x2)
    low_y, high_y = tl.minimum(tl.minimum(y0, y1), y2), tl.maximum(tl.maximum(y0, y1), y2)
    column_0, columns = span(low_x, high_x, width, 0.0, 0.0)
    row_0, rows = span(low_y, high_y, height, 0.0, 0.0)
    count = tl.where(usable, columns * rows, 0)
    columns = tl.maximum(columns, 1)[:, None]
    inverse = (1 / tl.where(usable, area, 1.0))[:, None]
    i0, i1, i2 = (1 / z0)[:, None], (1 / z1)[:, None], (1 / z2)[:, None]
    number = f.to(tl.int64)[:, None]
    start, longest = strip * PIXELS, tl.max(count, 0)
    while start < longest:
        i = start + tl.arange(0, PIXELS)[None, :]
        row, column = row_0[:, None] + i // columns, column_0[:, None] + i % columns
        px, py = column.to(screen.dtype.element_ty) + 0.5, row.to(screen.dtype.element_ty) + 0.5
        e0, e1, e2 = edge_functions(
            x0[:, None], y0[:, None], x1[:, None], y1[:, None], x2[:, None], y2[:, None], px, py
        )
        e0, e1, e2 = e0 * inverse, e1 * inverse, e2 * inverse
        hit = (i < count[:, None]) & (e0 >= 0) & (e1 >= 0) & (e2 >= 0)
        z = 1 / tl.where(hit, e0 * i0 + e1 * i1 + e2 * i2, 1.0)
        bits = z.to(tl.float32).to(tl.int32, bitcast=True).to(tl.int64)
        tl.atomic_min(z_buffer + (row * width + column), (bits << 32) | number, mask=hit, sem="relaxed")
        start += STRIPS * PIXELS


@triton.jit
def resolve(
    z_buffer: tl.tensor,
    screen: tl.tensor,
    faces: tl.tensor,
    face_id: tl.tensor,
    depth: tl.tensor,
    vertex_count: tl.tensor,
    pixels: tl.tensor,
    width: tl.tensor,
    EXACT: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Face ids and depth of a z-buffer.

    Args:
        z_buffer: [B, H, W] int64, of ``rasterise``.
        screen, faces: see the module.
        face_id: [B, H, W] int32, -1 where nothing is hit; written.
        depth: [B, H, W] metres, inf where nothing is hit; written.
        pixels: H * W.
        EXACT: compute the depth from the face again, for float64.
    """
    blocks = (pixels + BLOCK - 1) // BLOCK
    image = (tl.program_id(0) // blocks).to(tl.int64)
    pixel = (tl.program_id(0) % blocks) * BLOCK + tl.arange(0, BLOCK)
    inside = pixel < pixels
    key = tl.load(z_buffer + image * pixels + pixel, mask=inside, other=EMPTY)
    hit = key != EMPTY
    f = tl.where(hit, key & 0xFFFFFFFF, -1).to(tl.int32)
    tl.store(face_id + image * pixels + pixel, f, mask=inside)
    if EXACT:
        _, _, _, z = locate(screen + image * vertex_count * 3, faces, f, hit, pixel, width)
    else:
        z = (key >> 32).to(tl.int32).to(tl.float32, bitcast=True)
    tl.store(depth + image * pixels + pixel, tl.where(hit, z, float("inf")), mask=inside)


@triton.jit
def locate(
    screen: tl.tensor, faces: tl.tensor, f: tl.tensor, hit: tl.tensor, pixel: tl.tensor, width: tl.tensor
) -> Any:
    """Perspective-correct barycentrics and depth (metres) [...] of pixels on faces f; 1, 0, 0 and 1 where ``hit`` is
    false."""
    _a, _b, _c, x0, y0, z0, x1, y1, z1, x2, y2, z2, _area, _usable = triangles(screen, faces, f, hit)
    px = (pixel % width).to(screen.dtype.element_ty) + 0.5
    py = (pixel // width).to(screen.dtype.element_ty) + 0.5
    e0, e1, e2 = edge_functions(x0, y0, x1, y1, x2, y2, px, py)
    area = tl.where(hit, e0 + e1 + e2, 1.0)
    q0 = tl.where(hit, e0 / (area * z0), 1.0)
    q1 = tl.where(hit, e1 / (area * z1), 0.0)
    q2 = tl.where(hit, e2 / (area * z2), 0.0)
    z = 1 / (q0 + q1 + q2)
    return q0 * z, q1 * z, q2 * z, z


@triton.jit
def interpolate(
    screen: tl.tensor,
    faces: tl.tensor,
    face_id: tl.tensor,
    attributes: tl.tensor,
    attribute_faces: tl.tensor,
    background: tl.tensor,
    out: tl.tensor,
    depth: tl.tensor,
    vertex_count: tl.tensor,
    attribute_count: tl.tensor,
    pixels: tl.tensor,
    width: tl.tensor,
    step_image: tl.tensor,
    step_row: tl.tensor,
    step_column: tl.tensor,
    step_channel: tl.tensor,
    CHANNELS: tl.constexpr,
    PAINT: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Interpolate vertex attributes at the visible points, perspective-correct.

    Args:
        screen, faces: see the module.
        face_id: [B, H, W] int32, -1 where nothing is hit.
        attributes, attribute_faces: [B, T, C], and [F, 3] int32 into them.
        background: read with PAINT; broadcast over [B, H, W, C] by the four ``step`` strides.
        out: [B, H, W, C], where nothing is hit 0, or with PAINT the background; written.
        depth: [B, H, W] metres, 0 where nothing is hit; written.
        pixels: H * W.
    """
    blocks = (pixels + BLOCK - 1) // BLOCK
    image = (tl.program_id(0) // blocks).to(tl.int64)
    pixel = (tl.program_id(0) % blocks) * BLOCK + tl.arange(0, BLOCK)
    inside = pixel < pixels
    f = tl.load(face_id + image * pixels + pixel, mask=inside, other=-1)
    hit = f >= 0
    b0, b1, b2, z = locate(screen + image * vertex_count * 3, faces, f, hit, pixel, width)
    tl.store(depth + image * pixels + pixel, tl.where(hit, z, 0.0), mask=inside)
    s = tl.load(attribute_faces + f * 3, mask=hit, other=0) * CHANNELS
    t = tl.load(attribute_faces + f * 3 + 1, mask=hit, other=0) * CHANNELS
    u = tl.load(attribute_faces + f * 3 + 2, mask=hit, other=0) * CHANNELS
    attributes += image * attribute_count * CHANNELS
    background += image * step_image
    for k in tl.static_range(CHANNELS):
        value = b0 * tl.load(attributes + s + k, mask=hit, other=0.0)
        value += b1 * tl.load(attributes + t + k, mask=hit, other=0.0)
        value += b2 * tl.load(attributes + u + k, mask=hit, other=0.0)
        if PAINT:
            at = (pixel // width) * step_row + (pixel % width) * step_column + k * step_channel
            value = tl.where(hit, value, tl.load(background + at, mask=inside & ~hit, other=0.0))
        tl.store(out + (image * pixels + pixel) * CHANNELS + k, value, mask=inside)
