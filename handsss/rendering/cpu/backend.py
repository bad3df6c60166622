"""The CPU backend: numba kernels as differentiable torch operations."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from handsss.rendering.cpu import edges, kernels
from handsss.rendering.cpu.paint import as_array, silhouette_crossings


def rasterise(screen: Tensor, faces: Tensor, height: int, width: int, cull: bool) -> tuple[Tensor, Tensor]:
    """Z-buffer; see ``reference.rasterise``."""
    batch = screen.shape[0]
    face_id = torch.full((batch, height, width), -1, dtype=torch.int32)
    depth = torch.full((batch, height, width), torch.inf, dtype=screen.dtype)
    points, triangles = as_array(screen), as_array(faces)
    for image in range(batch):
        kernels.rasterise(points[image], triangles, height, width, cull, face_id.numpy()[image], depth.numpy()[image])
    return face_id, depth


class _Interpolate(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, screen: Tensor, faces: Tensor, face_id: Tensor, attributes: Tensor, attribute_faces: Tensor
    ) -> tuple[Tensor, Tensor]:
        batch, height, width = face_id.shape
        out = torch.zeros(batch, height, width, attributes.shape[-1], dtype=screen.dtype)
        depth = torch.zeros(batch, height, width, dtype=screen.dtype)
        points, values = as_array(screen), as_array(attributes)
        for i in range(batch):
            kernels.interpolate(
                points[i],
                as_array(faces),
                as_array(face_id)[i],
                values[i],
                as_array(attribute_faces),
                out.numpy()[i],
                depth.numpy()[i],
            )
        ctx.save_for_backward(screen, faces, face_id, attributes, attribute_faces)
        return out, depth

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        screen, faces, face_id, attributes, attribute_faces = ctx.saved_tensors
        grad_screen, grad_attributes = torch.zeros_like(screen), torch.zeros_like(attributes)
        grad_out, grad_depth = as_array(gradients[0]), as_array(gradients[1])
        points, values = as_array(screen), as_array(attributes)
        for i in range(screen.shape[0]):
            kernels.interpolate_backward(
                points[i],
                as_array(faces),
                as_array(face_id)[i],
                values[i],
                as_array(attribute_faces),
                grad_out[i],
                grad_depth[i],
                grad_screen.numpy()[i],
                grad_attributes.numpy()[i],
            )
        return grad_screen, None, None, grad_attributes, None


def interpolate(
    screen: Tensor, faces: Tensor, face_id: Tensor, attributes: Tensor, attribute_faces: Tensor
) -> tuple[Tensor, Tensor]:
    """Attributes and depth at visible points; see ``reference.interpolate``."""
    result: tuple[Tensor, Tensor] = _Interpolate.apply(
        screen.contiguous(), faces, face_id, attributes.contiguous(), attribute_faces
    )
    return result


class _Antialias(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, screen: Tensor, crossings: list[np.ndarray], picture: Tensor) -> Tensor:
        batch, _, width, channels = picture.shape
        out = picture.clone()
        points, flat = as_array(screen), as_array(picture).reshape(batch, -1, channels)
        target = out.numpy().reshape(batch, -1, channels)
        for i in range(batch):
            edges.blend(points[i], crossings[i], len(crossings[i]), flat[i], width, target[i])
        ctx.save_for_backward(screen, picture)
        ctx.crossings = crossings
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        screen, picture = ctx.saved_tensors
        batch, _, width, channels = picture.shape
        gradient = gradients[0].contiguous()
        grad_picture, grad_screen = gradient.clone(), torch.zeros_like(screen)
        points, flat = as_array(screen), as_array(picture).reshape(batch, -1, channels)
        for i in range(batch):
            edges.blend_backward(
                points[i],
                ctx.crossings[i],
                len(ctx.crossings[i]),
                flat[i],
                width,
                gradient.numpy()[i].reshape(-1, channels),
                grad_picture.numpy()[i].reshape(-1, channels),
                grad_screen.numpy()[i],
            )
        return grad_screen, None, grad_picture


def antialias(screen: Tensor, faces: Tensor, face_id: Tensor, depth: Tensor, picture: Tensor) -> Tensor:
    """Blend a picture [B, H, W, C] across silhouette edges; see ``reference.antialias``."""
    screen = screen.contiguous()
    crossings = silhouette_crossings(screen, faces, face_id, depth)
    blended: Tensor = _Antialias.apply(screen, crossings, picture.contiguous())
    return blended
