"""Silhouette edges on CUDA: where they pass between pixels, blending across them, and the gradients of that.

Twins: ``find_events`` and ``blend`` in ``reference.py``. What is found is kept as a map [B, 2, H, W] int32: for each
pixel and its right (0) and lower (1) neighbour ``2 * (3 * face + edge) + forward``, or -1 where no silhouette edge
passes between the two; ``forward`` tells that the first of them shows the nearer surface. From the map every pixel
gathers what its four neighbours mix into it, and every face the gradients of its edges: no atomics.

Pictures have CHANNELS numbers a pixel. With SPLIT the last of them is the silhouette: before blending it follows from
the face number, and its gradient or result lies in a picture of its own.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from handsss.render.triton_kernels import NEAR, corner

WALK = tl.constexpr(8)  # steps from face to face, as in the other backends


@triton.jit
def side(screen: Any, a: Any, b: Any, v: Any, real: Any) -> Any:
    """Twice the area of the triangle of an edge and a vertex in the picture; its sign tells the vertex's side."""
    xa, ya, _za = corner(screen, a, real)
    xb, yb, _zb = corner(screen, b, real)
    xv, yv, _zv = corner(screen, v, real)
    return (xb - xa) * (yv - ya) - (yb - ya) * (xv - xa)


@triton.jit
def pick(k: Any, v0: Any, v1: Any, v2: Any) -> Any:
    return tl.where(k == 0, v0, tl.where(k == 1, v1, v2))


@triton.jit
def three(table: Any, f: Any, real: Any) -> Any:
    """A row of a table [F, 3]; -1 where there is none."""
    first = tl.load(table + f * 3, mask=real, other=-1)
    second = tl.load(table + f * 3 + 1, mask=real, other=-1)
    third = tl.load(table + f * 3 + 2, mask=real, other=-1)
    return first, second, third


@triton.jit
def continues(screen: Any, faces: Any, neighbours: Any, here: Any, there: Any, both: Any) -> Any:
    """Whether two faces share an edge over which the surface goes on without turning away."""
    n0, n1, n2 = three(neighbours, here, both)
    k = tl.where(n0 == there, 0, tl.where(n1 == there, 1, 2))
    shared = both & ((n0 == there) | (n1 == there) | (n2 == there))
    v0, v1, v2 = three(faces, here, shared)
    w0, w1, w2 = three(faces, there, shared)
    a, b, own = pick(k, v0, v1, v2), pick(k, v1, v2, v0), pick(k, v2, v0, v1)
    far = tl.where(shared, w0 + w1 + w2 - a - b, 0)
    side_own, side_far = side(screen, a, b, own, shared), side(screen, a, b, far, shared)
    return shared & ((side_own < 0) != (side_far < 0))


@triton.jit
def crossing(screen: Any, a: Any, b: Any, px: Any, py: Any, sign: Any, real: Any, AXIS: tl.constexpr) -> Any:
    """Whether edge a, b crosses the line of pixel centres through a point, and how far from the point."""
    xa, ya, _za = corner(screen, a, real)
    xb, yb, _zb = corner(screen, b, real)
    if AXIS == 0:
        d0, d1 = ya - py, yb - py
        l0, l1 = xa - px, xb - px
    else:
        d0, d1 = xa - px, xb - px
        l0, l1 = ya - py, yb - py
    crosses = real & ((d0 < 0) != (d1 < 0))
    s = d0 / tl.where(crosses, d0 - d1, 1.0)
    return crosses, (l0 + s * (l1 - l0)) * sign


@triton.jit
def walk(
    screen: Any, faces: Any, neighbours: Any, f: Any, px: Any, py: Any, sign: Any, active: Any, AXIS: tl.constexpr
) -> Any:
    """From points inside faces towards their neighbours until a silhouette edge is crossed: 3 * face + edge, or -1."""
    found = tl.where(active, -1, -1)
    came_from = found
    position = px * 0.0
    for _ in range(WALK):
        if tl.max(active.to(tl.int32), 0) > 0:
            v0, v1, v2 = three(faces, f, active)
            n0, n1, n2 = three(neighbours, f, active)
            crosses_0, at_0 = crossing(screen, v0, v1, px, py, sign, active, AXIS)
            crosses_1, at_1 = crossing(screen, v1, v2, px, py, sign, active, AXIS)
            crosses_2, at_2 = crossing(screen, v2, v0, px, py, sign, active, AXIS)
            reached = position - 1e-6
            at_0 = tl.where(crosses_0 & (at_0 >= reached) & ((n0 < 0) | (n0 != came_from)), at_0, 2.0)
            at_1 = tl.where(crosses_1 & (at_1 >= reached) & ((n1 < 0) | (n1 != came_from)), at_1, 2.0)
            at_2 = tl.where(crosses_2 & (at_2 >= reached) & ((n2 < 0) | (n2 != came_from)), at_2, 2.0)
            k = tl.where((at_0 <= at_1) & (at_0 <= at_2), 0, tl.where(at_1 <= at_2, 1, 2))
            leave_at = pick(k, at_0, at_1, at_2)
            active &= leave_at <= 1
            other = pick(k, n0, n1, n2)
            a, b, own = pick(k, v0, v1, v2), pick(k, v1, v2, v0), pick(k, v2, v0, v1)
            beyond = active & (other >= 0)
            w0, w1, w2 = three(faces, other, beyond)
            far = tl.where((w0 != a) & (w0 != b), w0, -1)
            far = tl.maximum(far, tl.where((w1 != a) & (w1 != b), w1, -1))
            far = tl.maximum(far, tl.where((w2 != a) & (w2 != b), w2, -1))
            beyond &= far >= 0
            _x, _y, z = corner(screen, far, beyond)
            turns = (side(screen, a, b, own, beyond) < 0) == (side(screen, a, b, far, beyond) < 0)
            # The surface ends, goes behind the camera or turns away here.
            ends = (~beyond) | (~(z > NEAR)) | turns
            found = tl.where(active & ends, f * 3 + k, found)
            active &= ~ends
            came_from = tl.where(active, f, came_from)
            position = tl.where(active, leave_at, position)
            f = tl.where(active, other, f)
    return found


@triton.jit
def find_events(
    screen: Any,
    faces: Any,
    neighbours: Any,
    face_id: Any,
    depth: Any,
    events: Any,
    vertex_count: Any,
    height: Any,
    width: Any,
    BLOCK: tl.constexpr,
) -> None:
    """The map [B, 2, H, W] of silhouette edges; all of it is written."""
    pixels = height * width
    blocks = (pixels + BLOCK - 1) // BLOCK
    image = (tl.program_id(0) // blocks).to(tl.int64)
    pixel = (tl.program_id(0) % blocks) * BLOCK + tl.arange(0, BLOCK)
    inside = pixel < pixels
    screen += image * vertex_count * 3
    face_id += image * pixels
    depth += image * pixels
    row, column = pixel // width, pixel % width
    here = tl.load(face_id + pixel, mask=inside, other=-1)
    for axis in tl.static_range(2):
        if axis == 0:
            other = pixel + 1
            paired = inside & (column + 1 < width)
        else:
            other = pixel + width
            paired = inside & (row + 1 < height)
        there = tl.load(face_id + other, mask=paired, other=-1)
        differ = paired & (here != there)
        code = tl.where(differ, -1, -1)
        if tl.max(differ.to(tl.int32), 0) > 0:
            differ &= ~continues(screen, faces, neighbours, here, there, differ & (here >= 0) & (there >= 0))
            z_here = tl.load(depth + pixel, mask=differ, other=0.0)
            z_there = tl.load(depth + other, mask=differ, other=0.0)
            forward = (there < 0) | ((here >= 0) & (z_here <= z_there))
            nearer = tl.where(forward, pixel, other)
            px = (nearer % width).to(screen.dtype.element_ty) + 0.5
            py = (nearer // width).to(screen.dtype.element_ty) + 0.5
            sign = tl.where(forward, px * 0.0 + 1.0, -1.0)
            found = walk(screen, faces, neighbours, tl.where(forward, here, there), px, py, sign, differ, axis)
            kept = found >= 0
            a, b = ends_of(faces, found, kept)
            xa, ya, _za = corner(screen, a, kept)
            xb, yb, _zb = corner(screen, b, kept)
            steep = tl.abs(yb - ya) >= tl.abs(xb - xa)
            # Each edge blends along one axis only, the one it is steeper to: that counts its area once.
            if axis == 0:
                kept &= steep
            else:
                kept &= ~steep
            code = tl.where(kept, found * 2 + forward.to(tl.int32), -1)
        tl.store(events + (image * 2 + axis) * pixels + pixel, code, mask=inside)


@triton.jit
def ends_of(faces: Any, edge: Any, real: Any) -> Any:
    """Vertices of edge ``3 * face + k``: corners k and k + 1."""
    k = edge % 3
    a = tl.load(faces + edge, mask=real, other=0)
    b = tl.load(faces + edge + tl.where(k == 2, -2, 1), mask=real, other=0)
    return a, b


@triton.jit
def event(screen: Any, faces: Any, code: Any, first: Any, width: Any, real: Any, AXIS: tl.constexpr) -> Any:
    """An event between pixel ``first`` and its neighbour on the axis.

    Returns near and far pixel, the share by which the edge reaches beyond their border and the pixel that gets it,
    where on the edge the crossing lies, the edge's slope, and the sign of the step from near to far, 0 where the
    crossing lies outside of the two.
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
    picture: Any, face_id: Any, pixel: Any, real: Any, k: Any, CHANNELS: tl.constexpr, SPLIT: tl.constexpr
) -> Any:
    """Channel k of pixels before blending."""
    got = tl.load(picture + pixel * (CHANNELS - SPLIT) + k, mask=real & (k < CHANNELS - SPLIT), other=0.0)
    if SPLIT:
        got += (tl.load(face_id + pixel, mask=real & (k == CHANNELS - 1), other=-1) >= 0).to(got.dtype)
    return got


@triton.jit
def gradient(
    colour: Any, silhouette: Any, pixel: Any, real: Any, k: Any, CHANNELS: tl.constexpr, SPLIT: tl.constexpr
) -> Any:
    """Gradient of channel k of blended pixels."""
    got = tl.load(colour + pixel * (CHANNELS - SPLIT) + k, mask=real & (k < CHANNELS - SPLIT), other=0.0)
    if SPLIT:
        got += tl.load(silhouette + pixel, mask=real & (k == CHANNELS - 1), other=0.0)
    return got


@triton.jit
def blend(
    screen: Any,
    faces: Any,
    face_id: Any,
    events: Any,
    picture: Any,
    out: Any,
    silhouette: Any,
    vertex_count: Any,
    height: Any,
    width: Any,
    BACKWARD: tl.constexpr,
    CHANNELS: tl.constexpr,
    SPLIT: tl.constexpr,
    PADDED: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Mix neighbouring pixels of picture [B, H, W, C] by how far silhouette edges reach beyond their common border.

    With BACKWARD the other way round: out and silhouette hold gradients of what was blended, and picture gets those of
    what it was before. PADDED is the power of two that CHANNELS fit into.
    """
    pixels = height * width
    blocks = (pixels + BLOCK - 1) // BLOCK
    image = (tl.program_id(0) // blocks).to(tl.int64)
    pixel = (tl.program_id(0) % blocks) * BLOCK + tl.arange(0, BLOCK)
    inside = pixel < pixels
    screen += image * vertex_count * 3
    face_id += image * pixels
    events += image * 2 * pixels
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
        code = tl.load(events + (pair // 2) * pixels + first, mask=real, other=-1)
        real &= code >= 0
        if tl.max(real.to(tl.int32), 0) > 0:
            near, far, share, target, _s, _slope, _sign = event(screen, faces, code, first, width, real, pair // 2)
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
