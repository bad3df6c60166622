"""PyTorch3D's rasteriser behind this package's interface, where it is installed."""

from __future__ import annotations

import torch
from torch import Tensor

from handsss.rendering.types import NEAR


@torch.no_grad()
def rasterise(screen: Tensor, faces: Tensor, height: int, width: int, cull: bool) -> tuple[Tensor, Tensor]:
    """Z-buffer by ``pytorch3d.renderer.mesh.rasterize_meshes``; results as in ``reference.rasterise``.

    PyTorch3D's picture has x to the left and y up, and its shorter side spans -1..1.
    """
    from pytorch3d.renderer.mesh import rasterize_meshes
    from pytorch3d.structures import Meshes

    half = min(height, width) / 2
    x = (width / 2 - screen[..., 0]) / half
    y = (height / 2 - screen[..., 1]) / half
    behind = ~(screen[..., 2] > NEAR)
    z = torch.where(behind, torch.full_like(screen[..., 2], -1.0), screen[..., 2])
    points = torch.stack([x, y, z], -1).float()
    meshes = Meshes(verts=list(points), faces=[faces] * len(points))
    number, depth, _, _ = rasterize_meshes(
        meshes,
        image_size=(height, width),
        blur_radius=0.0,
        faces_per_pixel=1,
        perspective_correct=True,
        cull_backfaces=cull,
        z_clip_value=None,
    )
    number, depth = number[..., 0], depth[..., 0]
    offset = torch.arange(len(points), device=number.device)[:, None, None] * len(faces)
    face_id = torch.where(number >= 0, number - offset, -1).to(torch.int32)
    return face_id, torch.where(number >= 0, depth, torch.inf).to(screen.dtype)
