"""Triton kernels that find silhouette edges between neighbouring pixel centres.

Tested against ``reference.find_crossings``. The result is a map [B, 2, H, W] int32: for each pixel and its right (0)
and lower (1) neighbour ``2 * (3 * face + edge) + forward``, or -1 where no silhouette edge passes between the two;
``forward`` is 1 where the pixel shows the nearer surface and 0 where its neighbour does. Notation as in ``kernels.py``.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from handsss.rendering.cuda.kernels import NEAR, corner

WALK = tl.constexpr(8)  # steps from face to face, as in the other backends


@triton.jit
def side(screen: tl.tensor, a: tl.tensor, b: tl.tensor, v: tl.tensor, real: tl.tensor) -> Any:
    """Twice the signed area (px^2) [...] of edge a, b with vertex v; the sign tells v's side of the edge."""
    xa, ya, _za = corner(screen, a, real)
    xb, yb, _zb = corner(screen, b, real)
    xv, yv, _zv = corner(screen, v, real)
    return (xb - xa) * (yv - ya) - (yb - ya) * (xv - xa)


@triton.jit
def select(k: tl.tensor, v0: tl.tensor, v1: tl.tensor, v2: tl.tensor) -> Any:
    """The k-th [...] of three values [...], k = 0, 1, 2."""
    return tl.where(k == 0, v0, tl.where(k == 1, v1, v2))


@triton.jit
def three(table: tl.tensor, f: tl.tensor, real: tl.tensor) -> Any:
    """The three entries [...] of rows f of a table [F, 3] int32; -1 where ``real`` is false."""
    first = tl.load(table + f * 3, mask=real, other=-1)
    second = tl.load(table + f * 3 + 1, mask=real, other=-1)
    third = tl.load(table + f * 3 + 2, mask=real, other=-1)
    return first, second, third


@triton.jit
def continues(
    screen: tl.tensor, faces: tl.tensor, neighbours: tl.tensor, here: tl.tensor, there: tl.tensor, both: tl.tensor
) -> Any:
    """Whether two faces [...] share an edge that is no silhouette edge: their other corners lie on its two sides."""
    n0, n1, n2 = three(neighbours, here, both)
    k = tl.where(n0 == there, 0, tl.where(n1 == there, 1, 2))
    shared = both & ((n0 == there) | (n1 == there) | (n2 == there))
    v0, v1, v2 = three(faces, here, shared)
    w0, w1, w2 = three(faces, there, shared)
    a, b, own = select(k, v0, v1, v2), select(k, v1, v2, v0), select(k, v2, v0, v1)
    far = tl.where(shared, w0 + w1 + w2 - a - b, 0)
    side_own, side_far = side(screen, a, b, own, shared), side(screen, a, b, far, shared)
    return shared & ((side_own < 0) != (side_far < 0))


@triton.jit
def crossing(
    screen: tl.tensor,
    a: tl.tensor,
    b: tl.tensor,
    px: tl.tensor,
    py: tl.tensor,
    sign: tl.tensor,
    real: tl.tensor,
    AXIS: tl.constexpr,
) -> Any:
    """Whether edge a, b crosses the row (AXIS 0) or column (1) through a point [...] px, and where: px from the point,
    times ``sign``."""
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
    screen: tl.tensor,
    faces: tl.tensor,
    neighbours: tl.tensor,
    f: tl.tensor,
    px: tl.tensor,
    py: tl.tensor,
    sign: tl.tensor,
    active: tl.tensor,
    AXIS: tl.constexpr,
) -> Any:
    """Step from face to face towards the neighbouring pixel, until a silhouette edge is crossed.

    Args:
        neighbours: [F, 3] int32, the face across each edge, -1 at the boundary.
        f, px, py: [...] the face, and the pixel centre (px) that it shows.
        sign: 1 or -1, the direction along AXIS.
        active: which of them to do.

    Returns:
        ``3 * face + edge`` [...], or -1.
    """
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
            leave_at = select(k, at_0, at_1, at_2)
            active &= leave_at <= 1
            other = select(k, n0, n1, n2)
            a, b, own = select(k, v0, v1, v2), select(k, v1, v2, v0), select(k, v2, v0, v1)
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
def find_crossings(
    screen: tl.tensor,
    faces: tl.tensor,
    neighbours: tl.tensor,
    face_id: tl.tensor,
    depth: tl.tensor,
    crossings: tl.tensor,
    vertex_count: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:
    """Silhouette edges of pictures.

    Args:
        neighbours: [F, 3] int32, the face across each edge, -1 at the boundary.
        face_id, depth: [B, H, W] int32 and metres, of ``kernels.resolve``.
        crossings: [B, 2, H, W] int32, see the module; all of it is written.
    """
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
        tl.store(crossings + (image * 2 + axis) * pixels + pixel, code, mask=inside)


@triton.jit
def ends_of(faces: tl.tensor, edge: tl.tensor, real: tl.tensor) -> Any:
    """Vertex ids [...] of edges ``3 * face + k``: corners k and k + 1 of the face."""
    k = edge % 3
    a = tl.load(faces + edge, mask=real, other=0)
    b = tl.load(faces + edge + tl.where(k == 2, -2, 1), mask=real, other=0)
    return a, b
