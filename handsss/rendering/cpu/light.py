"""Vertex normals and light on the CPU in one differentiable operation.

As torch operations these are a dozen passes over every corner of every face, which cost as much as finding the faces of
the pixels does. Values and gradients are those of :mod:`handsss.rendering.shading`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from handsss.geometry.jit import njit
from handsss.rendering.cpu.paint import as_array

_EMPTY = 1e-30  # squared length of a normal's sum below which a vertex has no area
_SHORTEST = 1e-8  # length of the direction


@njit(cache=True, nogil=True, error_model="numpy")
def _sum_normals(points: Any, faces: Any, summed: Any) -> None:
    """Adds the normals of its faces, as long as their areas, to every vertex's."""
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
        wx, wy, wz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
        x, y, z = uy * wz - uz * wy, uz * wx - ux * wz, ux * wy - uy * wx
        for v in (a, b, c):
            summed[v, 0] += x
            summed[v, 1] += y
            summed[v, 2] += z


@njit(cache=True, nogil=True, error_model="numpy")
def _normalise(summed: Any) -> None:
    """Sums of normals [V, 3] to unit length, in place; those without area become zero."""
    for v in range(summed.shape[0]):
        squared = summed[v, 0] * summed[v, 0] + summed[v, 1] * summed[v, 1] + summed[v, 2] * summed[v, 2]
        factor = squared * 0 if squared < _EMPTY else 1 / np.sqrt(squared)
        for k in range(3):
            summed[v, k] *= factor


@njit(cache=True, nogil=True, error_model="numpy")
def _unit(light: Any) -> Any:
    """The direction towards the light, and the length that it was divided by."""
    length = max(np.sqrt(light[8] * light[8] + light[9] * light[9] + light[10] * light[10]), light[8] * 0 + _SHORTEST)
    return light[8] / length, light[9] / length, light[10] / length, length


@njit(cache=True, nogil=True, error_model="numpy")
def _forward(points: Any, faces: Any, light: Any, summed: Any, out: Any) -> None:
    _sum_normals(points, faces, summed)
    dx, dy, dz, _ = _unit(light)
    for v in range(points.shape[0]):
        x, y, z = summed[v, 0], summed[v, 1], summed[v, 2]
        squared = x * x + y * y + z * z
        facing = squared * 0
        if not squared < _EMPTY:
            facing = max((x * dx + y * dy + z * dz) / np.sqrt(squared), facing)
        for k in range(3):
            out[v, k] = light[0] * light[2 + k] + facing * (light[1] * light[5 + k])


@njit(cache=True, nogil=True, error_model="numpy")
def _backward(
    points: Any, faces: Any, light: Any, summed: Any, grad_out: Any, grad_points: Any, grad_light: Any
) -> None:
    """Adds to grad_points [V, 3] and grad_light [11]; ``summed`` is used up."""
    dx, dy, dz, length = _unit(light)
    gx = gy = gz = light[0] * 0
    for v in range(points.shape[0]):
        x, y, z = summed[v, 0], summed[v, 1], summed[v, 2]
        squared = x * x + y * y + z * z
        for k in range(3):
            grad_light[0] += grad_out[v, k] * light[2 + k]
            grad_light[2 + k] += grad_out[v, k] * light[0]
            summed[v, k] = 0  # from here on the gradient
        if squared < _EMPTY:
            continue
        root = np.sqrt(squared)
        x, y, z = x / root, y / root, z / root
        facing = x * dx + y * dy + z * dz
        if facing < 0:
            continue
        grad_facing = facing * 0
        for k in range(3):
            through = grad_out[v, k] * facing
            grad_light[1] += through * light[5 + k]
            grad_light[5 + k] += through * light[1]
            grad_facing += grad_out[v, k] * (light[1] * light[5 + k])
        gx += grad_facing * x
        gy += grad_facing * y
        gz += grad_facing * z
        share = grad_facing / root
        summed[v, 0] = share * (dx - x * facing)
        summed[v, 1] = share * (dy - y * facing)
        summed[v, 2] = share * (dz - z * facing)
    along = gx * dx + gy * dy + gz * dz if length > _SHORTEST else gx * 0
    grad_light[8] += (gx - along * dx) / length
    grad_light[9] += (gy - along * dy) / length
    grad_light[10] += (gz - along * dz) / length
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        x = summed[a, 0] + summed[b, 0] + summed[c, 0]
        y = summed[a, 1] + summed[b, 1] + summed[c, 1]
        z = summed[a, 2] + summed[b, 2] + summed[c, 2]
        ux, uy, uz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
        wx, wy, wz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
        # n = u x w: g . dn = du . (w x g) + dw . (g x u)
        bx, by, bz = wy * z - wz * y, wz * x - wx * z, wx * y - wy * x
        cx, cy, cz = y * uz - z * uy, z * ux - x * uz, x * uy - y * ux
        grad_points[a, 0] -= bx + cx
        grad_points[a, 1] -= by + cy
        grad_points[a, 2] -= bz + cz
        grad_points[b, 0] += bx
        grad_points[b, 1] += by
        grad_points[b, 2] += bz
        grad_points[c, 0] += cx
        grad_points[c, 1] += cy
        grad_points[c, 2] += cz


class _VertexLighting(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vertices: Tensor, faces: Tensor, light: Tensor) -> Tensor:
        summed, out = torch.zeros_like(vertices), torch.empty_like(vertices)
        points, triangles, lights = as_array(vertices), as_array(faces), as_array(light)
        for i in range(len(points)):
            _forward(points[i], triangles, lights[i], summed.numpy()[i], out.numpy()[i])
        ctx.save_for_backward(vertices, faces, light, summed)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        vertices, faces, light, summed = ctx.saved_tensors
        grad_vertices, grad_light = torch.zeros_like(vertices), torch.zeros_like(light)
        points, triangles, lights = as_array(vertices), as_array(faces), as_array(light)
        grad_out, normals = as_array(gradients[0]), as_array(summed).copy()
        for i in range(len(points)):
            _backward(
                points[i],
                triangles,
                lights[i],
                normals[i],
                grad_out[i],
                grad_vertices.numpy()[i],
                grad_light.numpy()[i],
            )
        return grad_vertices, None, grad_light


def vertex_lighting(vertices: Tensor, faces: Tensor, light: Tensor) -> Tensor:
    """Light [B, V, 3] that arrives at vertices [B, V, 3] of faces [F, 3] from ``light`` [B, 11]; see
    :func:`handsss.rendering.shading.lit`."""
    result: Tensor = _VertexLighting.apply(vertices.contiguous(), faces, light.contiguous())
    return result


def vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Area-weighted unit normals [B, V, 3], without gradients; see :func:`handsss.rendering.shading.vertex_normals`."""
    normals = torch.zeros_like(vertices, memory_format=torch.contiguous_format, requires_grad=False)
    points, triangles, out = as_array(vertices), as_array(faces), normals.numpy()
    for image in range(len(points)):
        _sum_normals(points[image], triangles, out[image])
        _normalise(out[image])
    return normals
