"""Lighting: directional lights, one with a soft shadow map, and an ambient gradient from sky to floor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage

from handsss.rendering.pipeline import rasterise

_SHADOW = 256  # px, side of the shadow map
_LAMP_DISTANCE = 2.5  # m


@dataclass(frozen=True)
class Lamp:
    """A directional light."""

    direction: np.ndarray  # [3] unit vector towards it, camera frame
    colour: np.ndarray  # [3] linear
    softness: float  # m over which its shadow's edge is spread; 0: it casts none


@dataclass(frozen=True)
class Lighting:
    """Lights and ambient gradient of one picture."""

    lamps: tuple[Lamp, ...]
    sky: np.ndarray  # [3] linear: from above
    floor: np.ndarray  # [3] linear: from below


def sample_lighting(rng: np.random.Generator) -> Lighting:
    """Sample a key light with a shadow, up to two fill lights without, and ambient light of varying warmth."""
    warmth = rng.normal(0, 0.12)
    white = np.array([1 + warmth, 1.0, 1 - warmth])
    main = rng.uniform(0.35, 1.25)
    lamps = [Lamp(_towards(rng, 0.25), main * white, float(rng.uniform(0.002, 0.02)))]
    for _ in range(rng.integers(0, 3)):
        tint = np.clip(1 + rng.normal(0, 0.12, 3), 0.5, 1.5)
        lamps.append(Lamp(_towards(rng, -0.4), rng.uniform(0.05, 0.45) * tint, 0.0))
    around = rng.uniform(0.22, 0.65)
    sky = around * white[::-1] * np.clip(1 + rng.normal(0, 0.05, 3), 0.8, 1.2)
    floor = around * rng.uniform(0.35, 0.9) * np.clip(np.array([1.06, 1.0, 0.92]) + rng.normal(0, 0.08, 3), 0.5, 1.4)
    return Lighting(tuple(lamps), sky, floor)


def _towards(rng: np.random.Generator, least_front: float) -> np.ndarray:
    """A direction that is not behind the hand as seen from the camera; lamps hang above more often than not."""
    while True:
        direction = rng.normal(size=3) + np.array([0.0, -0.8, -0.5])
        direction /= np.linalg.norm(direction)
        if -direction[2] > least_front:
            return direction


def shadow(lamp: Lamp, vertices: np.ndarray, faces: np.ndarray, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Visibility of a light at points [N, 3]: 0..1, soft at the shadow's edge (shadow map, PCF).

    Args:
        lamp: with ``softness`` above 0.
        vertices: [V, 3] of all that casts shadows.
        faces: [F, 3].
        points: [N, 3] on the surface.
        normals: [N, 3] there.
    """
    centre = (vertices.max(0) + vertices.min(0)) / 2
    radius = float(np.linalg.norm(vertices - centre, axis=1).max()) * 1.02
    forward = -lamp.direction
    side = np.cross(np.where(np.abs(forward[1]) < 0.9, [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]), forward)
    side /= np.linalg.norm(side)
    axes = np.stack([side, np.cross(forward, side), forward])
    eye = centre - forward * _LAMP_DISTANCE
    focal = _SHADOW / 2 * (_LAMP_DISTANCE - radius) / radius
    camera = np.array([[focal, 0, _SHADOW / 2], [0, focal, _SHADOW / 2], [0, 0, 1]])
    points_lamp = torch.as_tensor((vertices - eye) @ axes.T, dtype=torch.float32)[None]
    depth = (
        rasterise(points_lamp, torch.as_tensor(faces), torch.as_tensor(camera, dtype=torch.float32), (_SHADOW, _SHADOW))
        .depth[0]
        .numpy()
        .astype(np.float64)
    )
    depth[depth == 0] = 10.0
    # Off the surface by a little, so that it does not shade itself.
    local = (points + 0.0025 * normals - eye) @ axes.T
    column = focal * local[:, 0] / local[:, 2] + _SHADOW / 2 - 0.5
    row = focal * local[:, 1] / local[:, 2] + _SHADOW / 2 - 0.5
    blur = max(lamp.softness * focal / _LAMP_DISTANCE, 0.6)
    lit = np.zeros(len(points))
    offsets = [(dx, dy) for dx in (-1, -0.33, 0.33, 1) for dy in (-1, -0.33, 0.33, 1)]
    for dx, dy in offsets:
        nearest_depth = ndimage.map_coordinates(depth, [row + dy * blur, column + dx * blur], order=0, mode="nearest")
        lit += local[:, 2] < nearest_depth + 0.002
    return lit / len(offsets)
