"""Renders the synthetic scene to linear light: rasterised at twice the resolution, shaded per pixel, averaged down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage

from handsss.data.synthetic.light import Lighting, shadow
from handsss.data.synthetic.noise import space_noise
from handsss.geometry.framing import CROP
from handsss.geometry.mesh import bilinear, vertex_normals
from handsss.hand.load import load_model
from handsss.rendering.pipeline import rasterise

_FINE = 2  # samples a pixel, along each side
_WRAP = 0.22  # skin is lit a little beyond its edge: light spreads in it


@dataclass(frozen=True)
class Material:
    """Appearance of a mesh."""

    kind: str  # "skin" | "arm" | "plain"
    colours: np.ndarray | None = None  # [V, 3] or [3] linear
    distance: np.ndarray | None = None  # [V] m behind the wrist, of an arm
    cloth_from: float = 10.0  # m behind the wrist
    cloth: np.ndarray | None = None  # [3] linear
    rest: np.ndarray | None = None  # [V, 3] m, for patterns that stay on the surface

    @classmethod
    def skin(cls) -> Material:
        """The hand; :func:`render_scene` takes its texture."""
        return cls("skin")

    @classmethod
    def arm(
        cls, colours: np.ndarray, distance: np.ndarray, cloth_from: float, cloth: np.ndarray, rest: np.ndarray
    ) -> Material:
        """A forearm; beyond ``cloth_from`` metres behind the wrist it wears a sleeve."""
        return cls("arm", colours, distance, cloth_from, cloth, rest)

    @classmethod
    def plain(cls, colour: np.ndarray) -> Material:
        """One colour with a little noise."""
        return cls("plain", colour)


class SceneMesh(NamedTuple):
    """A mesh of the scene and its material."""

    vertices: np.ndarray  # [V, 3] m, camera frame
    faces: np.ndarray  # [F, 3]
    material: Material


class RenderedScene(NamedTuple):
    """Linear light at the camera, with the buffers that truth needs."""

    light: np.ndarray  # [224, 224, 3] linear
    hand: np.ndarray  # [224, 224] 0..1: share of a pixel that shows the hand
    depth: np.ndarray  # [224, 224] m, nearest surface; 0: background


class _Pixels(NamedTuple):
    points: np.ndarray  # [N, 3]
    normals: np.ndarray  # [N, 3]
    albedo: np.ndarray  # [N, 3]
    gloss: np.ndarray  # [N]
    skin: np.ndarray  # [N] bool


def render_scene(
    meshes: list[SceneMesh],
    texture: np.ndarray,
    lighting: Lighting,
    K: np.ndarray,
    background: np.ndarray,
    rng: np.random.Generator,
) -> RenderedScene:
    """Render meshes in front of a background.

    Args:
        meshes: the first one is the open-detail hand.
        texture: [T, T, 3] the hand's albedo, linear RGB.
        lighting: of the scene.
        K: [3, 3] px at 224.
        background: [224, 224, 3] linear.
        rng: for noise patterns.
    """
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    face_starts = np.cumsum([0, *(len(mesh.faces) for mesh in meshes)])
    vertices = np.concatenate([mesh.vertices for mesh in meshes])
    faces = np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts[:-1], strict=True)])
    size = CROP * _FINE
    camera = np.diag([_FINE, _FINE, 1.0]) @ K
    fragments = rasterise(
        torch.as_tensor(vertices, dtype=torch.float32)[None],
        torch.as_tensor(faces),
        torch.as_tensor(camera, dtype=torch.float32),
        (size, size),
    )
    face = fragments.face_id[0].numpy()
    covered = face >= 0
    hit = face[covered].astype(np.int64)
    weights = fragments.barycentric[0].numpy()[covered].astype(np.float64)
    depth = fragments.depth[0].numpy()
    owner = np.searchsorted(face_starts, hit, side="right") - 1
    normals = np.concatenate([vertex_normals(mesh.vertices, mesh.faces) for mesh in meshes])
    surface = _surface(meshes, starts, face_starts, faces, vertices, normals, hit, weights, owner, texture, rng)
    radiance = _shade(surface, vertices, faces, lighting)
    radiance *= _ambient_occlusion(depth, covered)[:, None]
    fine = np.repeat(np.repeat(background, _FINE, 0), _FINE, 1)
    fine[covered] = radiance
    hand = np.zeros((size, size))
    hand[covered] = owner == 0
    return RenderedScene(_average(fine), _average(hand), depth[::_FINE, ::_FINE])


def _average(fine: np.ndarray) -> np.ndarray:
    blocks = fine.reshape(CROP, _FINE, CROP, _FINE, *fine.shape[2:])
    averaged: np.ndarray = blocks.mean((1, 3))
    return averaged


def _surface(
    meshes: list[SceneMesh],
    starts: np.ndarray,
    face_starts: np.ndarray,
    faces: np.ndarray,
    vertices: np.ndarray,
    normals: np.ndarray,
    hit: np.ndarray,
    weights: np.ndarray,
    owner: np.ndarray,
    texture: np.ndarray,
    rng: np.random.Generator,
) -> _Pixels:
    """Surface attributes of the covered pixels."""
    corners = faces[hit]
    points = np.einsum("nk,nkc->nc", weights, vertices[corners])
    normal = np.einsum("nk,nkc->nc", weights, normals[corners])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    # Inner sides (an open sleeve) are seen from behind.
    normal *= np.where((normal * points).sum(1) > 0, -1.0, 1.0)[:, None]
    albedo, gloss = np.empty((len(hit), 3)), np.full(len(hit), 0.02)
    skin = np.zeros(len(hit), bool)
    model = load_model("open-detail")
    assert model.uv is not None and model.uv_faces is not None
    for number, mesh in enumerate(meshes):
        mine = owner == number
        if not mine.any():
            continue
        material = mesh.material
        local = corners[mine] - starts[number]
        if material.kind == "skin":
            uv = np.einsum("nk,nkc->nc", weights[mine], model.uv[model.uv_faces[hit[mine] - face_starts[number]]])
            side = len(texture)
            albedo[mine] = bilinear(texture, np.stack([uv[:, 0] * side, (1 - uv[:, 1]) * side], 1))
            gloss[mine] = 0.05
            skin[mine] = True
        elif material.kind == "arm":
            albedo[mine], cloth = _arm_albedo(material, local, weights[mine], rng)
            gloss[mine] = np.where(cloth, 0.0, 0.04)
            skin[mine] = ~cloth
        else:
            assert material.colours is not None
            noise = space_noise(points[mine], 0.01, rng, 2) if mine.sum() > 1 else np.zeros(int(mine.sum()))
            albedo[mine] = np.clip(material.colours * (1 + 0.12 * noise[:, None]), 0, 1)
            gloss[mine] = 0.08
    return _Pixels(points, normal, albedo, gloss, skin)


def _arm_albedo(
    material: Material, corners: np.ndarray, weights: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Colours [N, 3] of an arm's pixels, and which are cloth."""
    assert material.colours is not None and material.distance is not None
    assert material.cloth is not None and material.rest is not None
    colour = np.einsum("nk,nkc->nc", weights, material.colours[corners])
    distance = (weights * material.distance[corners]).sum(1)
    cloth = distance > material.cloth_from
    if cloth.any():
        rest = np.einsum("nk,nkc->nc", weights, material.rest[corners])[cloth]
        weave = 1 + 0.10 * space_noise(rest, 0.0012, rng, 1) + 0.12 * space_noise(rest, 0.02, rng, 2)
        colour[cloth] = np.clip(material.cloth * weave[:, None], 0.005, 1)
        hem = np.abs(distance - material.cloth_from - 0.012) < 0.0006
        colour[hem & cloth] *= 0.6
    return colour, cloth


def _shade(pixels: _Pixels, vertices: np.ndarray, faces: np.ndarray, lighting: Lighting) -> np.ndarray:
    """Outgoing radiance [N, 3] towards the camera: ambient gradient, wrapped diffuse, Blinn-Phong highlight."""
    up = 0.5 - 0.5 * pixels.normals[:, 1:2]  # the camera's y points down
    irradiance = lighting.floor + (lighting.sky - lighting.floor) * up
    towards_eye = -pixels.points / np.linalg.norm(pixels.points, axis=1, keepdims=True)
    shine = np.zeros((len(pixels.points), 3))
    for lamp in lighting.lamps:
        reached = np.ones(len(pixels.points))
        if lamp.softness > 0:
            reached = shadow(lamp, vertices, faces, pixels.points, pixels.normals)
        cosine = pixels.normals @ lamp.direction
        plain = np.clip(cosine, 0, None)
        wrapped = np.clip((cosine + _WRAP) / (1 + _WRAP), 0, None)
        # Red light goes deepest into skin.
        wrapped_rgb = np.stack([wrapped, 0.6 * plain + 0.4 * wrapped, 0.8 * plain + 0.2 * wrapped], 1)
        diffuse = np.where(pixels.skin[:, None], wrapped_rgb, plain[:, None])
        irradiance = irradiance + lamp.colour * diffuse * reached[:, None]
        half = lamp.direction + towards_eye
        half /= np.maximum(np.linalg.norm(half, axis=1, keepdims=True), 1e-9)
        glance = np.clip((pixels.normals * half).sum(1), 0, None) ** 28 * (plain > 0)
        shine += lamp.colour * (glance * pixels.gloss * reached * 2.0)[:, None]
    light: np.ndarray = pixels.albedo * irradiance + shine
    return light


def _ambient_occlusion(depth: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """Screen-space ambient occlusion [N] of the covered pixels, from depth: darker in hollows and between fingers."""
    # The fields are smooth: a sample in the middle of each 2 x 2 block does.
    inside = covered[::2, ::2].astype(np.float64)
    coarse = depth[::2, ::2].astype(np.float64)
    factor = np.ones_like(coarse)
    for width, reach in ((2.0, 0.012), (6.0, 0.035)):
        share = ndimage.gaussian_filter(inside, width, truncate=2.5)
        around = ndimage.gaussian_filter(coarse * inside, width, truncate=2.5) / np.maximum(share, 1e-6)
        factor *= 1 - 0.45 * np.clip((coarse - around) / reach, 0, 1) * inside
    fine: np.ndarray = np.repeat(np.repeat(factor, 2, 0), 2, 1)[covered]
    return fine
