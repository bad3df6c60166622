"""The CPU renderer's main path in one differentiable operation: vertex colours, background, antialiasing.

It does what ``interpolate``, a choice between surface and background, and ``antialias`` do one after the other, without
their full-size intermediate pictures: those, not the arithmetic, are what a hand of 224 x 224 pixels costs on a CPU.
Values and gradients are those of the plain torch backend.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from handsss.geometry.jit import njit
from handsss.rendering.cpu.edges import add_edge_gradient, bounds, find_crossings, offset
from handsss.rendering.cpu.kernels import inverse_depths, pixel_backward, weights
from handsss.rendering.topology import face_neighbours


@njit(cache=True, nogil=True, error_model="numpy")
def _paint(
    screen: Any, faces: Any, face_id: Any, colours: Any, background: Any, colour: Any, silhouette: Any, depth: Any
) -> None:
    """One image: every pixel of colour [H, W, 3], silhouette [H, W] and depth [H, W] is written."""
    height, width = face_id.shape
    many_rows, many_columns = background.shape[0] > 1, background.shape[1] > 1
    for row in range(height):
        r = row if many_rows else 0
        for column in range(width):
            c = column if many_columns else 0
            for k in range(3):
                colour[row, column, k] = background[r, c, k]
    silhouette[:] = 0
    depth[:] = 0
    inverse = inverse_depths(screen)
    first_row, end_row, first_column, end_column = bounds(screen, height, width)
    for row in range(first_row, end_row):
        for column in range(first_column, end_column):
            f = face_id[row, column]
            if f < 0:
                continue
            v0, v1, v2 = faces[f, 0], faces[f, 1], faces[f, 2]
            e0, e1, e2, area = weights(screen, v0, v1, v2, column + 0.5, row + 0.5)
            q0, q1, q2 = e0 * inverse[v0], e1 * inverse[v1], e2 * inverse[v2]
            share = 1 / (q0 + q1 + q2)
            for k in range(3):
                colour[row, column, k] = share * (q0 * colours[v0, k] + q1 * colours[v1, k] + q2 * colours[v2, k])
            silhouette[row, column] = 1
            depth[row, column] = area * share


@njit(cache=True, nogil=True, error_model="numpy")
def _blend(screen: Any, crossings: Any, differences: Any, width: int, colour: Any, silhouette: Any) -> None:
    """Mix across edges in place; ``differences`` [E, 4] keeps what near and far pixels differed by before."""
    for e in range(crossings.shape[0]):
        near, far = crossings[e, 0], crossings[e, 1]
        for k in range(3):
            differences[e, k] = colour[near, k] - colour[far, k]
        differences[e, 3] = silhouette[near] - silhouette[far]
    for e in range(crossings.shape[0]):
        near, far = crossings[e, 0], crossings[e, 1]
        at, _, _ = offset(screen, crossings[e, 3], crossings[e, 4], near, far, crossings[e, 2], width)
        share = min(max(at, 0.0), 1.0) - 0.5
        target = far if share > 0 else near
        for k in range(3):
            colour[target, k] += share * differences[e, k]
        silhouette[target] += share * differences[e, 3]


@njit(cache=True, nogil=True, error_model="numpy")
def _backward(
    screen: Any,
    faces: Any,
    face_id: Any,
    colours: Any,
    crossings: Any,
    differences: Any,
    grad_colour: Any,
    grad_silhouette: Any,
    grad_depth: Any,
    grad_screen: Any,
    grad_colours: Any,
) -> None:
    """Adds gradients of one image to grad_screen [V, 3] and grad_colours [V, 3]; pictures come flat."""
    height, width = face_id.shape
    flat = face_id.reshape(-1)
    inverse = inverse_depths(screen)
    first_row, end_row, first_column, end_column = bounds(screen, height, width)
    for row in range(first_row, end_row):
        for column in range(first_column, end_column):
            f = face_id[row, column]
            if f >= 0:
                pixel = row * width + column
                g = grad_depth[pixel]
                x, y, one = column + 0.5, row + 0.5, g * 0 + 1
                pixel_backward(
                    screen,
                    inverse,
                    faces,
                    colours,
                    faces,
                    f,
                    x,
                    y,
                    grad_colour,
                    pixel,
                    one,
                    g,
                    grad_screen,
                    grad_colours,
                )
    for e in range(crossings.shape[0]):
        near, far, axis, a, b = crossings[e, 0], crossings[e, 1], crossings[e, 2], crossings[e, 3], crossings[e, 4]
        at, s, sign = offset(screen, a, b, near, far, axis, width)
        share = min(max(at, 0.0), 1.0) - 0.5
        target = far if share > 0 else near
        through_share = grad_silhouette[target] * differences[e, 3]
        nothing = through_share * 0
        for k in range(3):
            through_share += grad_colour[target, k] * differences[e, k]
        for pixel, part in ((near, share), (far, -share)):
            f = flat[pixel]
            if f >= 0:
                px, py = pixel % width + 0.5, pixel // width + 0.5
                factor = nothing + part
                pixel_backward(
                    screen, inverse, faces, colours, faces, f, px, py, grad_colour, target, factor, nothing,
                    grad_screen, grad_colours,
                )  # fmt: skip
        if 0 < at < 1:
            add_edge_gradient(screen, a, b, axis, s, through_share * sign, grad_screen)


def as_array(tensor: Tensor) -> np.ndarray:
    """The memory of a tensor, whose gradient stays behind."""
    array: np.ndarray = tensor.detach().contiguous().numpy()
    return array


def _gradient(gradient: Tensor | None, shape: tuple[int, ...], like: Tensor) -> np.ndarray:
    """A gradient, or the lack of one, as an array; one number for all pixels, as sums have it, is not written out."""
    if gradient is None:
        return np.broadcast_to(np.zeros((), dtype=as_array(like).dtype), shape)
    constant = not any(gradient.stride())
    array: np.ndarray = (gradient.detach() if constant else gradient.detach().contiguous()).numpy()
    return np.broadcast_to(array.reshape(-1)[0], shape) if constant else array.reshape(shape)


class _Paint(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        screen: Tensor,
        faces: Tensor,
        face_id: Tensor,
        colours: Tensor,
        background: Tensor,
        crossings: list[np.ndarray],
    ) -> tuple[Tensor, Tensor, Tensor]:
        batch, height, width = face_id.shape
        colour = torch.empty(batch, height, width, 3, dtype=screen.dtype)
        silhouette, depth = (torch.empty(batch, height, width, dtype=screen.dtype) for _ in range(2))
        points, triangles, shades, ids = as_array(screen), as_array(faces), as_array(colours), as_array(face_id)
        behind = as_array(background)
        differences = []
        for i in range(batch):
            scene = behind[i if len(behind) > 1 else 0]
            _paint(
                points[i],
                triangles,
                ids[i],
                shades[i],
                scene,
                colour.numpy()[i],
                silhouette.numpy()[i],
                depth.numpy()[i],
            )
            kept = np.empty((len(crossings[i]), 4), dtype=points.dtype)
            flat_colour, flat_silhouette = colour.numpy()[i].reshape(-1, 3), silhouette.numpy()[i].reshape(-1)
            _blend(points[i], crossings[i], kept, width, flat_colour, flat_silhouette)
            differences.append(kept)
        ctx.save_for_backward(screen, faces, face_id, colours)
        ctx.crossings, ctx.differences = crossings, differences
        ctx.set_materialize_grads(False)
        return colour, silhouette, depth

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        screen, faces, face_id, colours = ctx.saved_tensors
        grad_screen, grad_colours = torch.zeros_like(screen), torch.zeros_like(colours)
        batch, height, width = face_id.shape
        shapes = (batch, height * width, 3), (batch, height * width), (batch, height * width)
        grad_colour, grad_silhouette, grad_depth = (
            _gradient(gradient, shape, screen) for gradient, shape in zip(gradients, shapes, strict=True)
        )
        points, triangles, shades, ids = as_array(screen), as_array(faces), as_array(colours), as_array(face_id)
        for i in range(len(points)):
            _backward(
                points[i],
                triangles,
                ids[i],
                shades[i],
                ctx.crossings[i],
                ctx.differences[i],
                grad_colour[i],
                grad_silhouette[i],
                grad_depth[i],
                grad_screen.numpy()[i],
                grad_colours.numpy()[i],
            )
        return grad_screen, None, None, grad_colours, None, None


def silhouette_crossings(screen: Tensor, faces: Tensor, face_id: Tensor, depth: Tensor) -> list[np.ndarray]:
    """Rows (near, far, axis, start, end) for each image, see ``reference.find_crossings``."""
    points, triangles, beside = as_array(screen), as_array(faces), as_array(face_neighbours(faces))
    ids, depths = as_array(face_id), as_array(depth)
    buffer = np.empty((2 * ids.shape[1] * ids.shape[2], 5), dtype=np.int32)
    crossings = []
    for i in range(len(points)):
        count = find_crossings(points[i], triangles, beside, ids[i], depths[i], buffer)
        crossings.append(buffer[:count].copy())
    return crossings


def paint(
    screen: Tensor,
    faces: Tensor,
    face_id: Tensor,
    z_buffer: Tensor,
    colours: Tensor,
    background: Tensor,
    antialias: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Colour, silhouette and depth; see :meth:`handsss.rendering.backends.Backend.paint`. The background gets no
    gradient."""
    if antialias:
        crossings = silhouette_crossings(screen, faces, face_id, z_buffer)
    else:
        crossings = [np.empty((0, 5), dtype=np.int32)] * len(screen)
    result: tuple[Tensor, Tensor, Tensor] = _Paint.apply(
        screen.contiguous(), faces, face_id, colours.contiguous(), background, crossings
    )
    return result
