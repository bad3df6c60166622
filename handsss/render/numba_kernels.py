"""The CPU renderer's inner loops. Every kernel has its plain torch twin in ``reference.py``.

Screen vertices are (x px, y px, z metres). Barycentrics are taken in screen space, where float32 keeps a relative
precision of about 1e-6 of a face's size, and made perspective-correct with 1/z.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from handsss.render.types import NEAR

# Steps from face to face while looking for the silhouette edge between two pixel centres.
WALK = 8


@njit(cache=True, nogil=True, fastmath=False)
def rasterise(screen: Any, faces: Any, height: int, width: int, cull: bool, face_id: Any, depth: Any) -> None:
    """Z-buffer of one image: screen [V, 3], faces [F, 3] -> face_id [H, W], depth [H, W] (inf where nothing is).

    Faces are visited in order and only a strictly nearer one replaces another, so ties go to the lower number.
    """
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        z0, z1, z2 = screen[a, 2], screen[b, 2], screen[c, 2]
        # Written so that NaN fails the test.
        if not (z0 > NEAR and z1 > NEAR and z2 > NEAR):
            continue
        x0, y0 = screen[a, 0], screen[a, 1]
        x1, y1 = screen[b, 0], screen[b, 1]
        x2, y2 = screen[c, 0], screen[c, 1]
        low_x, high_x = min(x0, x1, x2), max(x0, x1, x2)
        low_y, high_y = min(y0, y1, y2), max(y0, y1, y2)
        if not (high_x > 0 and high_y > 0 and low_x < width and low_y < height):
            continue
        area = (x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0)
        if area == 0 or (cull and area > 0):
            continue
        first_x, last_x = max(int(np.floor(low_x - 0.5)), 0), min(int(np.ceil(high_x - 0.5)), width - 1)
        first_y, last_y = max(int(np.floor(low_y - 0.5)), 0), min(int(np.ceil(high_y - 0.5)), height - 1)
        inverse = 1 / area
        i0, i1, i2 = 1 / z0, 1 / z1, 1 / z2
        for row in range(first_y, last_y + 1):
            py = row + 0.5
            for column in range(first_x, last_x + 1):
                px = column + 0.5
                e0 = ((x1 - px) * (y2 - py) - (y1 - py) * (x2 - px)) * inverse
                if e0 < 0:
                    continue
                e1 = ((x2 - px) * (y0 - py) - (y2 - py) * (x0 - px)) * inverse
                if e1 < 0:
                    continue
                e2 = ((x0 - px) * (y1 - py) - (y0 - py) * (x1 - px)) * inverse
                if e2 < 0:
                    continue
                z = 1 / (e0 * i0 + e1 * i1 + e2 * i2)
                if z < depth[row, column]:
                    depth[row, column] = z
                    face_id[row, column] = f


@njit(cache=True, nogil=True)
def _weights(screen: Any, a: int, b: int, c: int, px: float, py: float) -> Any:
    """Edge functions and area of one pixel in one face."""
    x0, y0 = screen[a, 0] - px, screen[a, 1] - py
    x1, y1 = screen[b, 0] - px, screen[b, 1] - py
    x2, y2 = screen[c, 0] - px, screen[c, 1] - py
    e0 = x1 * y2 - y1 * x2
    e1 = x2 * y0 - y2 * x0
    e2 = x0 * y1 - y0 * x1
    return e0, e1, e2, e0 + e1 + e2


@njit(cache=True, nogil=True)
def interpolate(screen: Any, faces: Any, face_id: Any, attributes: Any, attribute_faces: Any, out: Any, depth: Any) -> None:
    """Attributes [T, C] at visible points -> out [H, W, C], depth [H, W]; untouched where nothing is hit."""
    channels = attributes.shape[1]
    for row in range(face_id.shape[0]):
        for column in range(face_id.shape[1]):
            f = face_id[row, column]
            if f < 0:
                continue
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            e0, e1, e2, area = _weights(screen, a, b, c, column + 0.5, row + 0.5)
            q0, q1, q2 = e0 / (area * screen[a, 2]), e1 / (area * screen[b, 2]), e2 / (area * screen[c, 2])
            z = 1 / (q0 + q1 + q2)
            depth[row, column] = z
            s, t, u = attribute_faces[f, 0], attribute_faces[f, 1], attribute_faces[f, 2]
            for k in range(channels):
                out[row, column, k] = z * (q0 * attributes[s, k] + q1 * attributes[t, k] + q2 * attributes[u, k])


@njit(cache=True, nogil=True)
def interpolate_backward(
    screen: Any,
    faces: Any,
    face_id: Any,
    attributes: Any,
    attribute_faces: Any,
    grad_out: Any,
    grad_depth: Any,
    grad_screen: Any,
    grad_attributes: Any,
) -> None:
    """Adds the gradients of :func:`interpolate` to grad_screen [V, 3] and grad_attributes [T, C]."""
    channels = attributes.shape[1]
    for row in range(face_id.shape[0]):
        for column in range(face_id.shape[1]):
            f = face_id[row, column]
            if f < 0:
                continue
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            px, py = column + 0.5, row + 0.5
            e0, e1, e2, area = _weights(screen, a, b, c, px, py)
            z0, z1, z2 = screen[a, 2], screen[b, 2], screen[c, 2]
            s0, s1, s2 = e0 / area, e1 / area, e2 / area
            q0, q1, q2 = s0 / z0, s1 / z1, s2 / z2
            z = 1 / (q0 + q1 + q2)
            b0, b1, b2 = q0 * z, q1 * z, q2 * z
            s, t, u = attribute_faces[f, 0], attribute_faces[f, 1], attribute_faces[f, 2]
            g0 = g1 = g2 = z * 0
            for k in range(channels):
                g = grad_out[row, column, k]
                if g != 0:
                    grad_attributes[s, k] += g * b0
                    grad_attributes[t, k] += g * b1
                    grad_attributes[u, k] += g * b2
                    g0 += g * attributes[s, k]
                    g1 += g * attributes[t, k]
                    g2 += g * attributes[u, k]
            mean = g0 * b0 + g1 * b1 + g2 * b2
            through_depth = grad_depth[row, column] * z * z
            h0 = (g0 - mean) * z - through_depth
            h1 = (g1 - mean) * z - through_depth
            h2 = (g2 - mean) * z - through_depth
            grad_screen[a, 2] -= h0 * q0 / z0
            grad_screen[b, 2] -= h1 * q1 / z1
            grad_screen[c, 2] -= h2 * q2 / z2
            h0, h1, h2 = h0 / z0, h1 / z1, h2 / z2
            mean = h0 * s0 + h1 * s1 + h2 * s2
            h0, h1, h2 = (h0 - mean) / area, (h1 - mean) / area, (h2 - mean) / area
            x0, y0 = screen[a, 0] - px, screen[a, 1] - py
            x1, y1 = screen[b, 0] - px, screen[b, 1] - py
            x2, y2 = screen[c, 0] - px, screen[c, 1] - py
            grad_screen[a, 0] += h2 * y1 - h1 * y2
            grad_screen[a, 1] += h1 * x2 - h2 * x1
            grad_screen[b, 0] += h0 * y2 - h2 * y0
            grad_screen[b, 1] += h2 * x0 - h0 * x2
            grad_screen[c, 0] += h1 * y0 - h0 * y1
            grad_screen[c, 1] += h0 * x1 - h1 * x0


@njit(cache=True, nogil=True)
def _crossing(screen: Any, faces: Any, neighbours: Any, f: int, px: float, py: float, axis: int, sign: int) -> Any:
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
            a, b = faces[f, k], faces[f, (k + 1) % 3]
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
        other = neighbours[f, leave]
        if other < 0:
            return f, leave
        # The surface turns away here if both faces lie on the same side of the edge in the picture.
        a, b = faces[f, leave], faces[f, (leave + 1) % 3]
        own = faces[f, (leave + 2) % 3]
        far = -1
        for k in range(3):
            v = faces[other, k]
            if v != a and v != b:
                far = v
        if far < 0 or not (screen[far, 2] > NEAR):
            return f, leave
        ex, ey = screen[b, 0] - screen[a, 0], screen[b, 1] - screen[a, 1]
        side_own = ex * (screen[own, 1] - screen[a, 1]) - ey * (screen[own, 0] - screen[a, 0])
        side_far = ex * (screen[far, 1] - screen[a, 1]) - ey * (screen[far, 0] - screen[a, 0])
        if (side_own < 0) == (side_far < 0):
            return f, leave
        came_from = f
        position = leave_at
        f = other
    return -1, -1


@njit(cache=True, nogil=True)
def find_events(screen: Any, faces: Any, neighbours: Any, face_id: Any, depth: Any, events: Any) -> int:
    """Silhouette edges between neighbouring pixels -> rows (near, far, axis, start, end); returns their number."""
    height, width = face_id.shape
    count = 0
    for row in range(height):
        for column in range(width):
            here = face_id[row, column]
            for axis in range(2):
                next_row, next_column = row + axis, column + 1 - axis
                if next_row >= height or next_column >= width:
                    continue
                there = face_id[next_row, next_column]
                if here == there:
                    continue
                forward = there < 0 or (here >= 0 and depth[row, column] <= depth[next_row, next_column])
                if forward:
                    f, r, c, sign = here, row, column, 1
                else:
                    f, r, c, sign = there, next_row, next_column, -1
                found, k = _crossing(screen, faces, neighbours, f, c + 0.5, r + 0.5, axis, sign)
                if found < 0:
                    continue
                a, b = faces[found, k], faces[found, (k + 1) % 3]
                dx, dy = abs(screen[b, 0] - screen[a, 0]), abs(screen[b, 1] - screen[a, 1])
                # Each edge blends along one axis only, the one it is steeper to: that counts its area once.
                if (axis == 0) != (dy >= dx):
                    continue
                here_index, there_index = row * width + column, next_row * width + next_column
                events[count, 0] = here_index if forward else there_index
                events[count, 1] = there_index if forward else here_index
                events[count, 2] = axis
                events[count, 3] = a
                events[count, 4] = b
                count += 1
    return count


@njit(cache=True, nogil=True)
def _offset(screen: Any, a: int, b: int, near: int, far: int, axis: int, width: int) -> Any:
    """Where the edge crosses the line of pixel centres: distance from the near centre (0..1), and s on the edge."""
    px, py = near % width + 0.5, near // width + 0.5
    if axis == 0:
        s = (py - screen[a, 1]) / (screen[b, 1] - screen[a, 1])
        sign = 1.0 if far > near else -1.0
        return (screen[a, 0] + s * (screen[b, 0] - screen[a, 0]) - px) * sign, s, sign
    s = (px - screen[a, 0]) / (screen[b, 0] - screen[a, 0])
    sign = 1.0 if far > near else -1.0
    return (screen[a, 1] + s * (screen[b, 1] - screen[a, 1]) - py) * sign, s, sign


@njit(cache=True, nogil=True)
def blend(screen: Any, events: Any, count: int, picture: Any, width: int, out: Any) -> None:
    """Mix neighbouring pixels by how far the edge reaches beyond the pixels' common border. Flat pictures [H*W, C]."""
    for e in range(count):
        near, far = events[e, 0], events[e, 1]
        at, _, _ = _offset(screen, events[e, 3], events[e, 4], near, far, events[e, 2], width)
        share = min(max(at, 0.0), 1.0) - 0.5
        for k in range(picture.shape[1]):
            difference = picture[near, k] - picture[far, k]
            if share > 0:
                out[far, k] += share * difference
            else:
                out[near, k] += share * difference


@njit(cache=True, nogil=True)
def blend_backward(
    screen: Any, events: Any, count: int, picture: Any, width: int, grad_out: Any, grad_picture: Any, grad_screen: Any
) -> None:
    """Adds the gradients of :func:`blend`; ``grad_picture`` already holds the identity's part."""
    for e in range(count):
        near, far, axis, a, b = events[e, 0], events[e, 1], events[e, 2], events[e, 3], events[e, 4]
        at, s, sign = _offset(screen, a, b, near, far, axis, width)
        share = min(max(at, 0.0), 1.0) - 0.5
        target = far if share > 0 else near
        through_share = share * 0
        for k in range(picture.shape[1]):
            g = grad_out[target, k]
            grad_picture[near, k] += share * g
            grad_picture[far, k] -= share * g
            through_share += g * (picture[near, k] - picture[far, k])
        if at <= 0 or at >= 1:
            continue
        along, across = (0, 1) if axis == 0 else (1, 0)
        g = through_share * sign
        slope = (screen[b, along] - screen[a, along]) / (screen[b, across] - screen[a, across])
        grad_screen[a, along] += g * (1 - s)
        grad_screen[b, along] += g * s
        grad_screen[a, across] -= g * slope * (1 - s)
        grad_screen[b, across] -= g * slope * s
