"""Triton kernels that blend across silhouette edges, and their gradients. Tested against ``reference.blend``.

Every pixel gathers from its four neighbours, and every face gathers the gradients of its edges, by the map of
``crossings.py``: no atomics. Notation as in ``kernels.py``.

Pictures [B, H, W, C] have CHANNELS values a pixel. With SPLIT the last of them is the silhouette: before blending it
is ``face_id >= 0``, and its result or gradient is a tensor [B, H, W] of its own.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from handsss.rendering.cuda.crossings import ends_of
from handsss.rendering.cuda.kernels import corner, finite, span

SLACK = tl.constexpr(0.01)  # px that a computed crossing may lie off its edge,
ROUNDING = tl.constexpr(1e-6)  # and the same relative to the coordinates


@triton.jit
def crossing_of(
    screen: tl.tensor,
    faces: tl.tensor,
    code: tl.tensor,
    first: tl.tensor,
    width: tl.tensor,
    real: tl.tensor,
    AXIS: tl.constexpr,
) -> Any:
    """A silhouette crossing between pixel ``first`` [...] and its neighbour on the axis.

    Args:
        code: [...] entries of the map of ``crossings.py``.

    Returns:
        All [...]: near and far pixel (flat index); the blend weight, -0.5..0.5, by which the edge reaches beyond their
        border; the pixel that is blended; the crossing's parameter on the edge, 0..1; the edge's slope (px along
        the axis per px across); and the sign of the step from near to far, 0 where the crossing is not
        between the two.
    """
    forward = (code & 1) == 1
    second = first + 1 if AXIS == 0 else first + width
    near, far = tl.where(forward, first, second), tl.where(forward, second, first)
    a, b = ends_of(faces, code >> 1, real)
    xa, ya, _za = corner(screen, a, real)
    xb, yb, _zb = corner(screen, b, real)
    px = (near % width).to(screen.dtype.element_ty) + 0.5
    py = (near // width).to(screen.dtype.element_ty) + 0.5
    sign = tl.where(forward, px * 0.0 + 1.0, -1.0)
    if AXIS == 0:
        across = tl.where(real, yb - ya, 1.0)
        s = (py - ya) / across
        at, slope = (xa + s * (xb - xa) - px) * sign, (xb - xa) / across
    else:
        across = tl.where(real, xb - xa, 1.0)
        s = (px - xa) / across
        at, slope = (ya + s * (yb - ya) - py) * sign, (yb - ya) / across
    share = tl.where(real, tl.minimum(tl.maximum(at, 0.0), 1.0) - 0.5, 0.0)
    sign = tl.where(real & (at > 0) & (at < 1), sign, 0.0)
    return near, far, share, tl.where(share > 0, far, near), s, slope, sign


@triton.jit
def value(
    picture: tl.tensor,
    face_id: tl.tensor,
    pixel: tl.tensor,
    real: tl.tensor,
    k: tl.tensor,
    CHANNELS: tl.constexpr,
    SPLIT: tl.constexpr,
) -> Any:
    """Channel k of pixels (flat index, [...]) before blending."""
    got = tl.load(picture + pixel * (CHANNELS - SPLIT) + k, mask=real & (k < CHANNELS - SPLIT), other=0.0)
    if SPLIT:
        got += (tl.load(face_id + pixel, mask=real & (k == CHANNELS - 1), other=-1) >= 0).to(got.dtype)
    return got


@triton.jit
def gradient(
    colour: tl.tensor,
    silhouette: tl.tensor,
    pixel: tl.tensor,
    real: tl.tensor,
    k: tl.tensor,
    CHANNELS: tl.constexpr,
    SPLIT: tl.constexpr,
) -> Any:
    """Gradient of channel k of blended pixels (flat index, [...])."""
    got = tl.load(colour + pixel * (CHANNELS - SPLIT) + k, mask=real & (k < CHANNELS - SPLIT), other=0.0)
    if SPLIT:
        got += tl.load(silhouette + pixel, mask=real & (k == CHANNELS - 1), other=0.0)
    return got


@triton.jit
def blend(
    screen: tl.tensor,
    faces: tl.tensor,
    face_id: tl.tensor,
    crossings: tl.tensor,
    picture: tl.tensor,
    out: tl.tensor,
    silhouette: tl.tensor,
    vertex_count: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    BACKWARD: tl.constexpr,
    CHANNELS: tl.constexpr,
    SPLIT: tl.constexpr,
    PADDED: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Blend neighbouring pixels by how far a silhouette edge reaches beyond their common border.

    Args:
        picture: [B, H, W, C] before blending; with BACKWARD its gradient, written.
        out: [B, H, W, C] blended, written; with BACKWARD its gradient, read.
        silhouette: [B, H, W], with SPLIT; written, with BACKWARD its gradient, read.
        PADDED: CHANNELS rounded up to a power of two.
    """
    pixels = height * width
    blocks = (pixels + BLOCK - 1) // BLOCK
    image = (tl.program_id(0) // blocks).to(tl.int64)
    pixel = (tl.program_id(0) % blocks) * BLOCK + tl.arange(0, BLOCK)
    inside = pixel < pixels
    screen += image * vertex_count * 3
    face_id += image * pixels
    crossings += image * 2 * pixels
    picture += image * pixels * (CHANNELS - SPLIT)
    out += image * pixels * (CHANNELS - SPLIT)
    silhouette += image * pixels
    k = tl.arange(0, PADDED)[None, :]
    at = pixel[:, None]
    if BACKWARD:
        total = gradient(out, silhouette, at, inside[:, None], k, CHANNELS, SPLIT)
    else:
        total = value(picture, face_id, at, inside[:, None], k, CHANNELS, SPLIT)
    for pair in tl.static_range(4):
        if pair == 0:
            first, real = pixel, inside
        elif pair == 1:
            first, real = pixel - 1, inside & (pixel % width > 0)
        elif pair == 2:
            first, real = pixel, inside
        else:
            first, real = pixel - width, inside & (pixel >= width)
        code = tl.load(crossings + (pair // 2) * pixels + first, mask=real, other=-1)
        real &= code >= 0
        if tl.max(real.to(tl.int32), 0) > 0:
            near, far, share, target, _s, _slope, _sign = crossing_of(
                screen, faces, code, first, width, real, pair // 2
            )
            if BACKWARD:
                through = gradient(out, silhouette, target[:, None], real[:, None], k, CHANNELS, SPLIT)
                total += tl.where(near == pixel, share, -share)[:, None] * through
            else:
                real &= target == pixel
                difference = value(picture, face_id, near[:, None], real[:, None], k, CHANNELS, SPLIT)
                difference -= value(picture, face_id, far[:, None], real[:, None], k, CHANNELS, SPLIT)
                total += share[:, None] * difference
    colour_mask = inside[:, None] & (k < CHANNELS - SPLIT)
    if BACKWARD:
        tl.store(picture + at * (CHANNELS - SPLIT) + k, total, mask=colour_mask)
    else:
        tl.store(out + at * (CHANNELS - SPLIT) + k, total, mask=colour_mask)
        if SPLIT:
            tl.store(silhouette + at + k * 0, total, mask=inside[:, None] & (k == CHANNELS - 1))


@triton.jit
def edges_gather(
    screen: tl.tensor,
    faces: tl.tensor,
    face_id: tl.tensor,
    crossings: tl.tensor,
    picture: tl.tensor,
    grad_out: tl.tensor,
    grad_silhouette: tl.tensor,
    parts: tl.tensor,
    vertex_count: tl.tensor,
    face_count: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    CHANNELS: tl.constexpr,
    SPLIT: tl.constexpr,
    FACES: tl.constexpr,
    PIXELS: tl.constexpr,
    STRIPS: tl.constexpr,
) -> None:
    """Add the gradients of blending across each face's edges to those of its corners.

    Args:
        picture: [B, H, W, C] before blending.
        grad_out, grad_silhouette: [B, H, W, C] and, with SPLIT, [B, H, W]: gradients of the blended picture.
        parts: [B, STRIPS, F, 3, 6], see ``gradients.faces_gather``; added to x and y of the corners.
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
    crossings += image * 2 * pixels
    picture += image * pixels * (CHANNELS - SPLIT)
    grad_out += image * pixels * (CHANNELS - SPLIT)
    grad_silhouette += image * pixels
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
            code = tl.load(crossings + axis * pixels + first, mask=inside, other=-1)
            mine = (code >= 0) & (code // 6 == f[:, None])
            if tl.max(tl.max(mine.to(tl.int32), 1), 0) > 0:
                near, far, _share, target, s, slope, sign = crossing_of(screen, faces, code, first, width, mine, axis)
                through = zero
                for k in tl.static_range(CHANNELS):
                    difference = value(picture, face_id, near, mine, k, CHANNELS, SPLIT)
                    difference -= value(picture, face_id, far, mine, k, CHANNELS, SPLIT)
                    through += gradient(grad_out, grad_silhouette, target, mine, k, CHANNELS, SPLIT) * difference
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
def add(parts: tl.tensor, x: tl.tensor, real: tl.tensor) -> None:
    """Add the sums over pixels of x [FACES, PIXELS] to parts."""
    tl.store(parts, tl.load(parts, mask=real, other=0.0) + tl.sum(x, 1), mask=real)
