"""Rendering of meshes: one interface to every backend."""

from __future__ import annotations

import torch
from torch import Tensor

from handsss.rendering.backends import Backend, choose
from handsss.rendering.shading import sample_texture
from handsss.rendering.types import Fragments, RenderOutput, Texture


def _check(vertices: Tensor, faces: Tensor, intrinsics: Tensor, size: tuple[int, int]) -> Tensor:
    if vertices.ndim != 3 or vertices.shape[-1] != 3:
        raise ValueError(f"vertices should be [B, V, 3], got {list(vertices.shape)}")
    if vertices.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"vertices should be float32 or float64, got {vertices.dtype}; convert them with .float()")
    if faces.ndim != 2 or faces.shape[-1] != 3:
        raise ValueError(f"faces should be [F, 3], got {list(faces.shape)}")
    if intrinsics.shape[-2:] != (3, 3) or intrinsics.ndim not in (2, 3):
        raise ValueError(f"intrinsics should be [3, 3] or [B, 3, 3], got {list(intrinsics.shape)}")
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"size should be (height, width), both at least 1, got {size}")
    camera = intrinsics.to(vertices.dtype)
    return camera.expand(len(vertices), 3, 3) if camera.ndim == 2 else camera


def rasterise(
    vertices: Tensor,
    faces: Tensor,
    intrinsics: Tensor,
    size: tuple[int, int],
    *,
    backend: str = "auto",
    cull: bool = False,
) -> Fragments:
    """Which face each pixel shows, and where on it (no gradients).

    Args:
        vertices: [B, V, 3] metres, camera frame.
        faces: [F, 3] integer.
        intrinsics: [3, 3] or [B, 3, 3] pixels.
        size: height, width.
        backend: see :func:`render`.
        cull: drop faces that show their back.
    """
    from handsss.rendering.reference import barycentrics

    camera = _check(vertices, faces, intrinsics, size)
    worker = choose(backend, vertices.device)
    with torch.no_grad():
        screen = worker.to_screen(vertices, camera)
        face_id, _ = worker.rasterise(screen, faces, *size, cull)
        weights, depth = barycentrics(screen, faces.long(), face_id)
    return Fragments(face_id, weights, depth)


def render(
    vertices: Tensor,
    faces: Tensor,
    *,
    colours: Tensor | None = None,
    texture: Texture | None = None,
    light: Tensor | None = None,
    intrinsics: Tensor,
    size: tuple[int, int],
    background: Tensor | float = 0.0,
    antialias: bool = True,
    cull: bool = False,
    backend: str = "auto",
) -> RenderOutput:
    """Render meshes of one topology under a pinhole camera, differentiably.

    Pixel (row i, column j) has its centre at (j + 0.5, i + 0.5). The light is evaluated at the vertices and
    interpolated with perspective (method: "shading per vertex or pixel"). Interior gradients run through barycentrics,
    depth and normals; occlusion edges get theirs from anti-aliasing, where neighbouring pixels are blended by where
    the silhouette edge passes between their centres; where an edge moves over a pixel centre the silhouette has a small
    jump that no gradient shows (docs/lab/renderer.md). Faces with a vertex nearer than 1 mm or not finite, and faces
    off the picture, are dropped; a vertex that is not finite gets a gradient of zero. An empty batch gives empty
    results.
    In float32 depth is right to about 1e-6 of itself, 1 micrometre at 1 m.

    Args:
        vertices: [B, V, 3] metres, camera frame.
        faces: [F, 3] integer, counter-clockwise seen from outside.
        colours: [B, V, 3] or [V, 3] per vertex; or
        texture: a picture with texture coordinates.
        light: [B, 11] or [11]; None shows the plain colours.
        intrinsics: [3, 3] or [B, 3, 3] pixels.
        size: height, width.
        background: a number, a colour [3], or a picture [H, W, 3] or [B, H, W, 3].
        antialias: blend across silhouette edges; without it silhouettes have no gradient.
        cull: drop faces that show their back.
        backend: "auto" (numba on the CPU, Triton on CUDA, torch elsewhere), "torch", "numba", "pytorch3d", "triton".

    Raises:
        ValueError: wrong shapes, or not exactly one of colours and texture.
        UserError: a backend that cannot run here.
    """
    camera = _check(vertices, faces, intrinsics, size)
    if (colours is None) == (texture is None):
        raise ValueError("give either colours or a texture")
    worker = choose(backend, vertices.device)
    batch, dtype, device = len(vertices), vertices.dtype, vertices.device
    if batch == 0:
        nothing = vertices.new_zeros(0, *size) + vertices.sum()  # has a gradient, as other results do
        ids = torch.full((0, *size), -1, dtype=torch.int32, device=device)
        return RenderOutput(nothing[..., None].expand(0, *size, 3), nothing, nothing, ids)
    # A vertex that is not finite is put into the camera: its faces are dropped there, and neither the light of its
    # neighbours nor any gradient meets its value.
    vertices = torch.where(torch.isfinite(vertices).all(-1, keepdim=True), vertices, 0.0)
    screen = worker.to_screen(vertices, camera)
    with torch.no_grad():
        face_id, z_buffer = worker.rasterise(screen.detach(), faces, *size, cull)
    lighting = None if light is None else _lighting(worker, vertices, faces, light)
    if isinstance(background, (int, float)):  # no copy from the host
        behind = torch.full((), background, dtype=dtype, device=device)
    else:
        behind = torch.as_tensor(background, dtype=dtype, device=device)
    behind = (
        behind.reshape((1,) * (4 - behind.ndim) + tuple(behind.shape)) if behind.ndim else behind.expand(1, 1, 1, 3)
    )
    if behind.shape[-1] != 3 or any(n not in (1, full) for n, full in zip(behind.shape, (batch, *size), strict=False)):
        raise ValueError(f"background should be a number, [3], [H, W, 3] or [B, H, W, 3], got {list(behind.shape)}")
    if colours is not None:
        shades = colours.to(dtype).expand(batch, -1, 3)
        if shades.shape[1] != vertices.shape[1]:
            raise ValueError(f"colours should be [B, {vertices.shape[1]}, 3], got {list(colours.shape)}")
        shades = shades if lighting is None else shades * lighting
        colour, silhouette, depth = worker.paint(screen, faces, face_id, z_buffer, shades, behind, antialias)
        return RenderOutput(colour, silhouette, depth, face_id)
    assert texture is not None
    surface, depth = _textured(worker, screen, faces, face_id, texture, lighting)
    colour, silhouette = worker.compose(screen, faces, face_id, z_buffer, surface, behind, antialias)
    return RenderOutput(colour, silhouette, depth, face_id)


def _lighting(worker: Backend, vertices: Tensor, faces: Tensor, light: Tensor) -> Tensor:
    light = light.to(vertices.dtype)
    if light.ndim not in (1, 2) or light.shape[-1] != 11:
        raise ValueError(f"light should be [11] or [B, 11], got {list(light.shape)}")
    with torch.autocast(vertices.device.type, enabled=False):
        return worker.vertex_lighting(vertices, faces, light.expand(len(vertices), -1))


def _textured(
    worker: Backend, screen: Tensor, faces: Tensor, face_id: Tensor, texture: Texture, lighting: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Colour [B, H, W, 3] and depth [B, H, W] of visible points."""
    batch = len(screen)
    uv = texture.uv.to(screen.dtype).expand(batch, -1, 2)
    coordinates, depth = worker.interpolate(screen, faces, face_id, uv, texture.uv_faces)
    image = texture.image.to(screen.dtype)
    image = image.expand(batch, *image.shape) if image.ndim == 3 else image
    surface = sample_texture(image, coordinates)
    if lighting is not None:
        surface = surface * worker.interpolate(screen, faces, face_id, lighting, faces)[0]
    return surface, depth
