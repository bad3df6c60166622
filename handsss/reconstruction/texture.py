"""Texture baking: every texel takes the colour of its projection in the photo, with the light divided out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage

from handsss.geometry.mesh import bilinear, vertex_normals
from handsss.geometry.window import Crop
from handsss.hand.model import HandModel
from handsss.reconstruction.appearance import Light, SurfaceSamples, estimate_light, fill_surface, shading
from handsss.reconstruction.skin_pixels import without_background
from handsss.rendering.atlas import Texels, fill_between
from handsss.rendering.pipeline import rasterise

_DEPTH_TOLERANCE = 0.004  # metres behind the depth map up to which a point counts as visible
_GRAZING = 0.15  # cosine of the viewing angle below which a texel covers too little of a pixel


class Appearance(NamedTuple):
    """Albedo and light of a hand."""

    light: np.ndarray  # [11] ambient and directional intensity, their colours, direction
    vertex_colours: np.ndarray  # [V, 3] albedo 0..1
    texture: np.ndarray  # [h, w, 3] uint8 albedo
    observed: float  # 0..1: share of texels whose colour comes from the photo
    texture_observed: np.ndarray  # [h, w] uint8: 255 where a texel's colour comes from the photo, 0 where it is filled


def planar_uv(model: HandModel) -> tuple[np.ndarray, np.ndarray]:
    """Texture coordinates for a model without any (MANO): orthographic views of the flat hand, dorsal and palmar side
    by side.

    Returns:
        uv [T, 2] in 0..1 (v up) and uv_faces [F, 3].
    """
    normals = vertex_normals(model.v_template, model.faces)
    palmar = normals[model.faces].mean(1)[:, 1] < 0
    flat = model.v_template[:, [2, 0]]
    low, high = flat.min(0), flat.max(0)
    scaled = (flat - low) / (high - low).max()
    width = float((high - low)[0] / (high - low).max())
    factor = min(0.98 / (2 * width + 0.04), 0.98)
    dorsal_uv = 0.01 + factor * scaled
    palmar_uv = np.stack([0.01 + factor * (2 * width + 0.04 - scaled[:, 0]), dorsal_uv[:, 1]], 1)
    uv = np.concatenate([dorsal_uv, palmar_uv])
    return uv, (model.faces + np.where(palmar, model.vertex_count, 0)[:, None]).astype(np.int32)


class _PhotoLayers(NamedTuple):
    crop: Crop
    depth: np.ndarray  # [h, w] metres, 1000 in the background
    skin: np.ndarray  # [h, w] 0..1: weight of a pixel as skin of this hand


def _sample_photo(points: np.ndarray, normals: np.ndarray, layers: _PhotoLayers) -> SurfaceSamples:
    """The photo's colours at surface points [N, 3] m with unit normals [N, 3], weighted by visibility."""
    intrinsics = layers.crop.intrinsics
    pixels = (points[:, :2] / points[:, 2:]) @ intrinsics[:2, :2].T + intrinsics[:2, 2]
    height, width = layers.crop.size
    within = (pixels > 0.5).all(1) & (pixels < np.array([width, height]) - 0.5).all(1)
    facing = -(normals * points).sum(1) / np.linalg.norm(points, axis=1)
    visible = points[:, 2] < bilinear(layers.depth, pixels) + _DEPTH_TOLERANCE
    weight = np.clip((facing - _GRAZING) / 0.35, 0, 1) * bilinear(layers.skin, pixels) * visible * within
    return SurfaceSamples(bilinear(layers.crop.image, pixels), normals, weight)


def bake(
    vertices: np.ndarray,
    model: HandModel,
    crop: Crop,
    probability: np.ndarray | None,
    *,
    uv: np.ndarray,
    uv_faces: np.ndarray,
    atlas: Texels,
    minimum_skin: float = 0.5,
) -> Appearance:
    """Light, vertex colours and texture of a hand from the photo it was fitted to.

    Args:
        vertices: [V, 3] metres, camera frame of the crop.
        model: its faces.
        crop: the photo around the hand.
        probability: [h, w] 0..1 of being hand, at the crop's size; None: the mesh's silhouette alone decides.
        uv, uv_faces, atlas: the model's texture layout and its texels.
        minimum_skin: probability from which a pixel's colour is used.
    """
    fragments = rasterise(
        torch.as_tensor(vertices, dtype=torch.float32)[None],
        torch.as_tensor(model.faces.astype(np.int64)),
        torch.as_tensor(crop.intrinsics, dtype=torch.float32),
        crop.size,
    )
    inside = fragments.face_id[0].numpy() >= 0
    depth = np.where(inside, fragments.depth[0].numpy(), 0)
    # A point at the outline may project to a pixel beside the hand: extend the depth map by two pixels.
    dilated = ndimage.maximum_filter(depth, 5)
    depth = np.where(inside, depth, np.where(dilated > 0, dilated, np.inf))
    depth[~np.isfinite(depth)] = 1e3
    # Up to two pixels from the outline the photo's pixels mix hand and background.
    margin = np.clip((ndimage.distance_transform_edt(inside) - 1.0) / 2.0, 0, 1)
    skin = margin if probability is None else margin * np.clip((probability - minimum_skin) / 0.3, 0, 1)
    skin = without_background(crop.image, inside, skin)
    layers = _PhotoLayers(crop, depth, skin)
    normals = vertex_normals(vertices, model.faces)
    at_vertices = _sample_photo(vertices, normals, layers)
    light: Light = estimate_light(at_vertices)
    albedo = at_vertices.colours / np.maximum(shading(normals, light.values), 0.15)
    colours = fill_surface(np.clip(albedo, 0, 1), at_vertices.weights, model.faces, light.skin)

    surface = atlas.blend(model.faces, len(vertices)) @ np.concatenate([vertices, normals, colours], 1)
    points, texel_normals, base = surface[:, :3], surface[:, 3:6], surface[:, 6:]
    texel_normals /= np.maximum(np.linalg.norm(texel_normals, axis=1, keepdims=True), 1e-9)
    sampled = _sample_photo(points, texel_normals, layers)
    detail = np.clip(sampled.colours / np.maximum(shading(texel_normals, light.values), 0.15), 0, 1)
    weight = sampled.weights[:, None]
    pixels = np.zeros((*atlas.inside.shape, 3), dtype=np.float32)
    pixels[atlas.inside] = weight * detail + (1 - weight) * base
    texture = np.round(fill_between(pixels, atlas) * 255).astype(np.uint8)
    observed = np.zeros(atlas.inside.shape, dtype=np.uint8)
    observed[atlas.inside] = np.round(sampled.weights * 255)
    return Appearance(light.values, colours, texture, float((sampled.weights > 0.5).mean()), observed)
