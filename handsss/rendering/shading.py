"""Projection, normals, light and texture."""

from __future__ import annotations

import torch
from torch import Tensor

from handsss.geometry.cameras import project
from handsss.rendering.types import NEAR

# Where no light and no skin can be estimated: light from the upper front, and S2HAND's mean skin.
DEFAULT_LIGHT = (0.7, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.3, -0.5, -0.8)  # [11], see :func:`lit`
MEAN_SKIN = (200 / 256, 150 / 256, 150 / 256)  # RGB 0..1


def to_screen(vertices: Tensor, intrinsics: Tensor) -> Tensor:
    """Vertices [B, V, 3] to (x px, y px, z metres); those at or behind the near plane keep their z and are dropped
    with their faces later."""
    depth = vertices[..., 2:]
    # Vertices behind the camera must not send infinities through the backward pass.
    safe = torch.where(depth > NEAR, depth, torch.ones_like(depth))
    with torch.autocast(vertices.device.type, enabled=False):  # bfloat16 has steps of one pixel at 224
        projected = project(torch.cat([vertices[..., :2], safe], -1), intrinsics)
    return torch.cat([projected, depth], -1)


def vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Area-weighted unit normals [B, V, 3] of counter-clockwise faces.

    A vertex without area gets a zero normal: it then sees ambient light only.
    """
    corners = vertices[:, faces.reshape(-1)].reshape(vertices.shape[0], -1, 3, 3)
    first = corners[:, :, 0]
    across = torch.linalg.cross(corners[:, :, 1] - first, corners[:, :, 2] - first)
    summed = torch.zeros_like(vertices)
    for corner in range(3):
        summed = summed.index_add(1, faces[:, corner], across)
    # Hands are centimetres in size: face areas squared are near 1e-10, far below the usual epsilon.
    squared = summed.square().sum(-1, keepdim=True)
    empty = squared < 1e-30
    return torch.where(
        empty, torch.zeros_like(summed), summed / torch.where(empty, torch.ones_like(squared), squared).sqrt()
    )


def lit(normals: Tensor, light: Tensor) -> Tensor:
    """Light [B, V, 3] that arrives at surfaces: ``l_a c_a + l_d c_d max(0, n . d)``.

    Args:
        normals: [B, V, 3] unit.
        light: [B, 11] ambient intensity, directional intensity, ambient colour 3, directional colour 3, direction 3
            (towards the light, camera frame, any length but zero).
    """
    if light.ndim != 2 or light.shape[1] != 11:
        raise ValueError(f"light should be [B, 11], got {list(light.shape)}")
    direction = torch.nn.functional.normalize(light[:, 8:11], dim=-1, eps=1e-8)
    facing = (normals @ direction[..., None]).clamp_min(0)  # [B, V, 1]
    ambient = light[:, 0:1] * light[:, 2:5]
    directional = light[:, 1:2] * light[:, 5:8]
    return ambient[:, None] + facing * directional[:, None]


def vertex_lighting(vertices: Tensor, faces: Tensor, light: Tensor) -> Tensor:
    """Light [B, V, 3] that arrives at vertices [B, V, 3] of faces [F, 3] from light [B, 11]; see :func:`lit`."""
    return lit(vertex_normals(vertices, faces.long()), light)


def sample_texture(image: Tensor, uv: Tensor) -> Tensor:
    """Bilinear look-up, edges repeated.

    Args:
        image: [B, h, w, 3].
        uv: [B, H, W, 2], v up.

    Returns:
        [B, H, W, 3].
    """
    grid = torch.stack([2 * uv[..., 0] - 1, 1 - 2 * uv[..., 1]], -1)
    sampled = torch.nn.functional.grid_sample(
        image.permute(0, 3, 1, 2), grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return sampled.permute(0, 2, 3, 1)
