"""The CPU renderer's inner loops. Every kernel has its plain torch twin in ``reference.py``.

Screen vertices are (x px, y px, z metres). Barycentrics are taken in screen space, where float32 keeps a relative
precision of about 1e-6 of a face's size, and made perspective-correct with 1/z.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from handsss.geometry.jit import njit
from handsss.rendering.types import NEAR


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _pixels(low: float, high: float, length: int) -> Any:
    """First and last pixel whose centres lie from low to high; a face may be far larger than the picture."""
    return int(np.ceil(max(low - 0.5, 0.0))), int(np.floor(min(high - 0.5, length - 1.0)))


@njit(cache=True, nogil=True, error_model="numpy")
def _draw(screen: Any, faces: Any, f: int, only_if_seen: bool, face_id: Any, depth: Any) -> None:
    """One face into the z-buffer. ``only_if_seen``: look first whether everything in its box is nearer already."""
    height, width = face_id.shape
    a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
    x0, y0, z0 = screen[a, 0], screen[a, 1], screen[a, 2]
    x1, y1, z1 = screen[b, 0], screen[b, 1], screen[b, 2]
    x2, y2, z2 = screen[c, 0], screen[c, 1], screen[c, 2]
    first_x, last_x = _pixels(min(x0, x1, x2), max(x0, x1, x2), width)
    first_y, last_y = _pixels(min(y0, y1, y2), max(y0, y1, y2), height)
    if only_if_seen:
        deepest = z0 * 0
        for row in range(first_y, last_y + 1):
            for column in range(first_x, last_x + 1):
                deepest = max(deepest, depth[row, column])
        # Rounding may put a pixel's depth before all three corners'.
        if deepest < min(z0, z1, z2) * 0.999:
            return
    inverse = 1 / ((x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0))
    i0, i1, i2 = 1 / z0, 1 / z1, 1 / z2
    for row in range(first_y, last_y + 1):
        py = row + 0.5
        d0, d1, d2 = y0 - py, y1 - py, y2 - py
        for column in range(first_x, last_x + 1):
            px = column + 0.5
            c0, c1, c2 = x0 - px, x1 - px, x2 - px
            # Two faces see their common edge with exactly opposite signs: no pixel falls between them.
            e0 = (c1 * d2 - d1 * c2) * inverse
            e1 = (c2 * d0 - d2 * c0) * inverse
            e2 = (c0 * d1 - d0 * c1) * inverse
            if min(e0, e1, e2) < 0:
                continue
            z = 1 / (e0 * i0 + e1 * i1 + e2 * i2)
            if z < depth[row, column] or (z == depth[row, column] and f < face_id[row, column]):
                depth[row, column] = z
                face_id[row, column] = f


@njit(cache=True, nogil=True, error_model="numpy")
def rasterise(screen: Any, faces: Any, height: int, width: int, cull: bool, face_id: Any, depth: Any) -> None:
    """Z-buffer of one image: screen [V, 3], faces [F, 3] -> face_id [H, W], depth [H, W] (inf where nothing is).

    A face replaces another where it is strictly nearer; ties go to the lower number. Faces that show their back come
    last: of a closed surface they are all hidden, which one look at the depths in their box tells.
    """
    backs = np.empty(faces.shape[0], dtype=np.int64)
    count = 0
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        z0, z1, z2 = screen[a, 2], screen[b, 2], screen[c, 2]
        # Written so that NaN fails the test.
        if not (z0 > NEAR and z1 > NEAR and z2 > NEAR and z0 + z1 + z2 < np.inf):
            continue
        x0, y0 = screen[a, 0], screen[a, 1]
        x1, y1 = screen[b, 0], screen[b, 1]
        x2, y2 = screen[c, 0], screen[c, 1]
        if not (max(x0, x1, x2) > 0 and max(y0, y1, y2) > 0 and min(x0, x1, x2) < width and min(y0, y1, y2) < height):
            continue
        area = (x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0)
        if area == 0 or not abs(area) < np.inf or (cull and area > 0):
            continue
        if area > 0:
            backs[count] = f
            count += 1
        else:
            _draw(screen, faces, f, False, face_id, depth)
    for k in range(count):
        _draw(screen, faces, backs[k], True, face_id, depth)


@njit(cache=True, nogil=True, error_model="numpy")
def weights(screen: Any, a: int, b: int, c: int, px: float, py: float) -> Any:
    """Edge functions and area of one pixel in one face."""
    x0, y0 = screen[a, 0] - px, screen[a, 1] - py
    x1, y1 = screen[b, 0] - px, screen[b, 1] - py
    x2, y2 = screen[c, 0] - px, screen[c, 1] - py
    e0 = x1 * y2 - y1 * x2
    e1 = x2 * y0 - y2 * x0
    e2 = x0 * y1 - y0 * x1
    return e0, e1, e2, e0 + e1 + e2


@njit(cache=True, nogil=True, error_model="numpy")
def inverse_depths(screen: Any) -> Any:
    """1 / z [V], which every pixel of a face needs."""
    inverse = np.empty(screen.shape[0], dtype=np.float64)
    for v in range(screen.shape[0]):
        inverse[v] = 1 / screen[v, 2]
    return inverse


@njit(cache=True, nogil=True, error_model="numpy")
def interpolate(
    screen: Any, faces: Any, face_id: Any, attributes: Any, attribute_faces: Any, out: Any, depth: Any
) -> None:
    """Attributes [T, C] at visible points -> out [H, W, C], depth [H, W]; untouched where nothing is hit."""
    channels = attributes.shape[1]
    inverse = inverse_depths(screen)
    for row in range(face_id.shape[0]):
        for column in range(face_id.shape[1]):
            f = face_id[row, column]
            if f < 0:
                continue
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            e0, e1, e2, area = weights(screen, a, b, c, column + 0.5, row + 0.5)
            q0, q1, q2 = e0 * inverse[a], e1 * inverse[b], e2 * inverse[c]
            share = 1 / (q0 + q1 + q2)
            depth[row, column] = area * share
            s, t, u = attribute_faces[f, 0], attribute_faces[f, 1], attribute_faces[f, 2]
            for k in range(channels):
                out[row, column, k] = share * (q0 * attributes[s, k] + q1 * attributes[t, k] + q2 * attributes[u, k])


@njit(cache=True, nogil=True, error_model="numpy", inline="always")  # its arrays cost more to pass than to use
def pixel_backward(
    screen: Any,
    inverse_depth: Any,
    faces: Any,
    attributes: Any,
    attribute_faces: Any,
    f: int,
    px: float,
    py: float,
    gradients: Any,
    index: int,
    factor: float,
    grad_depth: float,
    grad_screen: Any,
    grad_attributes: Any,
) -> None:
    """One pixel's part of :func:`interpolate_backward`: its gradient is ``factor * gradients[index]``.

    ``inverse_depth`` is :func:`inverse_depths` of ``screen``."""
    a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
    e0, e1, e2, area = weights(screen, a, b, c, px, py)
    inverse = 1 / area
    i0, i1, i2 = inverse_depth[a], inverse_depth[b], inverse_depth[c]
    s0, s1, s2 = e0 * inverse, e1 * inverse, e2 * inverse
    q0, q1, q2 = s0 * i0, s1 * i1, s2 * i2
    z = 1 / (q0 + q1 + q2)
    b0, b1, b2 = q0 * z, q1 * z, q2 * z
    s, t, u = attribute_faces[f, 0], attribute_faces[f, 1], attribute_faces[f, 2]
    g0 = g1 = g2 = z * 0
    for k in range(attributes.shape[1]):
        g = factor * gradients[index, k]
        if g != 0:
            grad_attributes[s, k] += g * b0
            grad_attributes[t, k] += g * b1
            grad_attributes[u, k] += g * b2
            g0 += g * attributes[s, k]
            g1 += g * attributes[t, k]
            g2 += g * attributes[u, k]
    mean = g0 * b0 + g1 * b1 + g2 * b2
    through_depth = grad_depth * z * z
    h0 = (g0 - mean) * z - through_depth
    h1 = (g1 - mean) * z - through_depth
    h2 = (g2 - mean) * z - through_depth
    if h0 == 0 and h1 == 0 and h2 == 0:
        return
    h0, h1, h2 = h0 * i0, h1 * i1, h2 * i2
    grad_screen[a, 2] -= h0 * q0
    grad_screen[b, 2] -= h1 * q1
    grad_screen[c, 2] -= h2 * q2
    mean = h0 * s0 + h1 * s1 + h2 * s2
    h0, h1, h2 = (h0 - mean) * inverse, (h1 - mean) * inverse, (h2 - mean) * inverse
    x0, y0 = screen[a, 0] - px, screen[a, 1] - py
    x1, y1 = screen[b, 0] - px, screen[b, 1] - py
    x2, y2 = screen[c, 0] - px, screen[c, 1] - py
    grad_screen[a, 0] += h2 * y1 - h1 * y2
    grad_screen[a, 1] += h1 * x2 - h2 * x1
    grad_screen[b, 0] += h0 * y2 - h2 * y0
    grad_screen[b, 1] += h2 * x0 - h0 * x2
    grad_screen[c, 0] += h1 * y0 - h0 * y1
    grad_screen[c, 1] += h0 * x1 - h1 * x0


@njit(cache=True, nogil=True, error_model="numpy")
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
    height, width = face_id.shape
    gradients = grad_out.reshape(height * width, attributes.shape[1])
    inverse = inverse_depths(screen)
    for row in range(height):
        for column in range(width):
            f = face_id[row, column]
            if f >= 0:
                g = grad_depth[row, column]
                x, y, pixel, one = column + 0.5, row + 0.5, row * width + column, g * 0 + 1
                pixel_backward(
                    screen, inverse, faces, attributes, attribute_faces, f, x, y, gradients, pixel, one, g,
                    grad_screen, grad_attributes,
                )  # fmt: skip
