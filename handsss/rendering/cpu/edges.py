"""Silhouette edges on the CPU: finding where they pass between pixels, and blending across them.

Plain torch twins: ``find_crossings`` and ``blend`` in ``reference.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from handsss.geometry.jit import njit
from handsss.rendering.types import NEAR

# Steps from face to face while looking for the silhouette edge between two pixel centres.
WALK = 8


@njit(cache=True, nogil=True, error_model="numpy")
def _ends(screen: Any, faces: Any, neighbours: Any) -> Any:
    """[F, 3]: 1 where the surface ends at a face's edge k -> k + 1 as the picture shows it: no face beyond, none that
    is drawn, or one that lies on the same side of the edge, so that the surface turns away."""
    ends = np.ones((faces.shape[0], 3), dtype=np.uint8)
    for f in range(faces.shape[0]):
        for k in range(3):
            other = neighbours[f, k]
            if other < 0:
                continue
            a, b, own = faces[f, k], faces[f, (k + 1) % 3], faces[f, (k + 2) % 3]
            far = -1
            for m in range(3):
                v = faces[other, m]
                if v != a and v != b:
                    far = v
            if far < 0 or not (screen[far, 2] > NEAR):
                continue
            ex, ey = screen[b, 0] - screen[a, 0], screen[b, 1] - screen[a, 1]
            side_own = ex * (screen[own, 1] - screen[a, 1]) - ey * (screen[own, 0] - screen[a, 0])
            side_far = ex * (screen[far, 1] - screen[a, 1]) - ey * (screen[far, 0] - screen[a, 0])
            if (side_own < 0) != (side_far < 0):
                ends[f, k] = 0
    return ends


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _crossing(
    screen: Any, faces: Any, neighbours: Any, ends: Any, f: int, px: float, py: float, axis: int, sign: int
) -> Any:
    """Walk from a pixel centre inside face ``f`` towards its neighbour until a silhouette edge is crossed.

    Returns the face and the edge's number in it, or (-1, -1) if none is crossed.
    """
    came_from = -1
    position = 0.0
    for _ in range(WALK):
        leave, leave_at = -1, 2.0
        for k in range(3):
            other = neighbours[f, k]
            if other >= 0 and other == came_from:
                continue
            a, b = faces[f, k], faces[f, k + 1 if k < 2 else 0]
            if axis == 0:
                d0, d1 = screen[a, 1] - py, screen[b, 1] - py
            else:
                d0, d1 = screen[a, 0] - px, screen[b, 0] - px
            if (d0 < 0) == (d1 < 0):
                continue
            s = d0 / (d0 - d1)
            if axis == 0:
                at = (screen[a, 0] + s * (screen[b, 0] - screen[a, 0]) - px) * sign
            else:
                at = (screen[a, 1] + s * (screen[b, 1] - screen[a, 1]) - py) * sign
            if at >= position - 1e-6 and at < leave_at:
                leave, leave_at = k, at
        if leave < 0 or leave_at > 1:
            return -1, -1
        if ends[f, leave]:
            return f, leave
        came_from = f
        position = leave_at
        f = neighbours[f, leave]
    return -1, -1


@njit(cache=True, nogil=True, error_model="numpy")
def bounds(screen: Any, height: int, width: int) -> Any:
    """Rows and columns from which a step right or down can reach a face: first, end, first, end."""
    low_x, low_y, high_x, high_y = float(width), float(height), 0.0, 0.0
    for v in range(screen.shape[0]):
        if screen[v, 2] > NEAR and screen[v, 0] == screen[v, 0] and screen[v, 1] == screen[v, 1]:  # no NaN
            low_x, high_x = min(low_x, screen[v, 0]), max(high_x, screen[v, 0])
            low_y, high_y = min(low_y, screen[v, 1]), max(high_y, screen[v, 1])
    first_row, first_column = int(max(low_y - 2.0, 0.0)), int(max(low_x - 2.0, 0.0))
    return first_row, int(min(high_y + 2.0, height)), first_column, int(min(high_x + 2.0, width))


@njit(cache=True, nogil=True, error_model="numpy")
def _borders(face_id: Any, box: Any, neighbours: Any, ends: Any, borders: Any) -> int:
    """Pairs of neighbouring pixels between which the surface does not simply go on, as 2 * pixel + axis; their number.

    No branch depends on the picture: one that is taken wrongly costs more than both lists.
    """
    height, width = face_id.shape
    count = 0
    for row in range(box[0], box[1]):
        below = min(row + 1, height - 1)
        for column in range(box[2], box[3]):
            here = face_id[row, column]
            pair = 2 * (row * width + column)
            borders[count] = pair
            count += here != face_id[row, min(column + 1, width - 1)]
            borders[count] = pair + 1
            count += here != face_id[below, column]
    flat = face_id.reshape(-1)
    kept = 0
    for n in range(count):
        pair = borders[n]
        here, there = flat[pair >> 1], flat[(pair >> 1) + (width if pair & 1 else 1)]
        f = max(here, 0)
        # Over the first edge that the two faces share.
        goes_on = False
        for k in range(2, -1, -1):
            goes_on = ends[f, k] == 0 if neighbours[f, k] == there else goes_on
        borders[kept] = pair
        kept += not (goes_on & (here >= 0) & (there >= 0))
    return kept


@njit(cache=True, nogil=True, error_model="numpy")
def find_crossings(screen: Any, faces: Any, neighbours: Any, face_id: Any, depth: Any, crossings: Any) -> int:
    """Silhouette edges between neighbouring pixels -> rows (near, far, axis, start, end); returns their number."""
    height, width = face_id.shape
    box = bounds(screen, height, width)
    ends = _ends(screen, faces, neighbours)
    borders = np.empty(2 * max(box[1] - box[0], 0) * max(box[3] - box[2], 0) + 2, dtype=np.int32)
    count = 0
    for n in range(_borders(face_id, box, neighbours, ends, borders)):
        axis = borders[n] & 1
        here_index = borders[n] >> 1
        there_index = here_index + (width if axis else 1)
        row, column = here_index // width, here_index % width
        next_row, next_column = row + axis, column + 1 - axis
        here, there = face_id[row, column], face_id[next_row, next_column]
        forward = there < 0 or (here >= 0 and depth[row, column] <= depth[next_row, next_column])
        if forward:
            f, r, c, sign = here, row, column, 1
        else:
            f, r, c, sign = there, next_row, next_column, -1
        found, k = _crossing(screen, faces, neighbours, ends, f, c + 0.5, r + 0.5, axis, sign)
        if found < 0:
            continue
        a, b = faces[found, k], faces[found, (k + 1) % 3]
        dx, dy = abs(screen[b, 0] - screen[a, 0]), abs(screen[b, 1] - screen[a, 1])
        # Each edge blends along one axis only, the one it is steeper to: that counts its area once.
        if (axis == 0) != (dy >= dx):
            continue
        crossings[count, 0] = here_index if forward else there_index
        crossings[count, 1] = there_index if forward else here_index
        crossings[count, 2] = axis
        crossings[count, 3] = a
        crossings[count, 4] = b
        count += 1
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def offset(screen: Any, a: int, b: int, near: int, far: int, axis: int, width: int) -> Any:
    """Where the edge crosses the line of pixel centres: distance from the near centre (0..1), and s on the edge."""
    px, py = near % width + 0.5, near // width + 0.5
    if axis == 0:
        s = (py - screen[a, 1]) / (screen[b, 1] - screen[a, 1])
        sign = 1.0 if far > near else -1.0
        return (screen[a, 0] + s * (screen[b, 0] - screen[a, 0]) - px) * sign, s, sign
    s = (px - screen[a, 0]) / (screen[b, 0] - screen[a, 0])
    sign = 1.0 if far > near else -1.0
    return (screen[a, 1] + s * (screen[b, 1] - screen[a, 1]) - py) * sign, s, sign


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def add_edge_gradient(screen: Any, a: int, b: int, axis: int, s: float, g: float, grad_screen: Any) -> None:
    """Adds to an edge's vertices the gradient ``g`` of where it crosses the line of pixel centres, at ``s`` on it."""
    along, across = (0, 1) if axis == 0 else (1, 0)
    slope = (screen[b, along] - screen[a, along]) / (screen[b, across] - screen[a, across])
    grad_screen[a, along] += g * (1 - s)
    grad_screen[b, along] += g * s
    grad_screen[a, across] -= g * slope * (1 - s)
    grad_screen[b, across] -= g * slope * s


@njit(cache=True, nogil=True, error_model="numpy")
def blend(screen: Any, crossings: Any, count: int, picture: Any, width: int, out: Any) -> None:
    """Mix neighbouring pixels by how far the edge reaches beyond the pixels' common border. Flat pictures [H*W, C]."""
    for e in range(count):
        near, far = crossings[e, 0], crossings[e, 1]
        at, _, _ = offset(screen, crossings[e, 3], crossings[e, 4], near, far, crossings[e, 2], width)
        share = min(max(at, 0.0), 1.0) - 0.5
        for k in range(picture.shape[1]):
            difference = picture[near, k] - picture[far, k]
            if share > 0:
                out[far, k] += share * difference
            else:
                out[near, k] += share * difference


@njit(cache=True, nogil=True, error_model="numpy")
def blend_backward(
    screen: Any,
    crossings: Any,
    count: int,
    picture: Any,
    width: int,
    grad_out: Any,
    grad_picture: Any,
    grad_screen: Any,
) -> None:
    """Adds the gradients of :func:`blend`; ``grad_picture`` already holds the identity's part."""
    for e in range(count):
        near, far, axis, a, b = crossings[e, 0], crossings[e, 1], crossings[e, 2], crossings[e, 3], crossings[e, 4]
        at, s, sign = offset(screen, a, b, near, far, axis, width)
        share = min(max(at, 0.0), 1.0) - 0.5
        target = far if share > 0 else near
        through_share = share * 0
        for k in range(picture.shape[1]):
            g = grad_out[target, k]
            grad_picture[near, k] += share * g
            grad_picture[far, k] -= share * g
            through_share += g * (picture[near, k] - picture[far, k])
        if 0 < at < 1:
            add_edge_gradient(screen, a, b, axis, s, through_share * sign, grad_screen)
