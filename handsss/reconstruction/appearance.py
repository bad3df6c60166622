"""Skin albedo and light of a fitted hand, estimated from the photo it was fitted to.

The light model is the renderer's (S2HAND's 11 numbers): ``I = C (l_a c_a + l_d c_d max(0, n . d))``. The direction is
found by search over the sphere; the rest is linear least squares. Albedo is the photo's colour divided by the light;
where the skin is hidden it is extrapolated smoothly over the surface.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import spsolve

from handsss.geometry.mesh import sphere_directions
from handsss.rendering.shading import DEFAULT_LIGHT, MEAN_SKIN

_SKIN = np.array(MEAN_SKIN)  # fallback where too little skin is visible


class Light(NamedTuple):
    """Estimated light."""

    values: np.ndarray  # [11] ambient and directional intensity, their colours, direction
    skin: np.ndarray  # [3] mean albedo 0..1


class SurfaceSamples(NamedTuple):
    """The photo's colours at surface points."""

    colours: np.ndarray  # [N, 3] 0..1
    normals: np.ndarray  # [N, 3] unit, camera frame
    weights: np.ndarray  # [N] 0..1; 0 where hidden, oblique or not skin


def shading(normals: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Irradiance [N, 3] of surfaces with unit normals [N, 3] under a light [11]."""
    direction = light[8:11] / max(float(np.linalg.norm(light[8:11])), 1e-9)
    facing = np.maximum(normals @ direction, 0)[:, None]
    irradiance: np.ndarray = light[0] * light[2:5] + light[1] * light[5:8] * facing
    return irradiance


def estimate_light(samples: SurfaceSamples) -> Light:
    """The light under which the visible skin is best explained by one albedo.

    Highlights, nails and creases are outliers: least squares is reweighted twice (Cauchy weights). Intensities are
    constrained to at least a tenth of ambient light and to directional light that is not negative.

    Args:
        samples: of the photo. With fewer than 30 visible ones the default light and the mean skin are returned.
    """
    used = samples.weights > 0.05
    if used.sum() < 30:
        return Light(np.array(DEFAULT_LIGHT), _SKIN.copy())
    colours, normals, weights = samples.colours[used], samples.normals[used], samples.weights[used]
    directions = sphere_directions(160)
    facing = np.maximum(normals @ directions.T, 0)  # [N, D]
    robust = weights.copy()  # outlier weights
    best = 0
    ambient = directional = np.zeros(3)
    for _ in range(3):
        total = robust.sum()
        mean_f = robust @ facing / total  # [D]
        mean_c = robust @ colours / total  # [3]
        # Ridge: if all normals are alike, ambient and directional light cannot be told apart.
        variance = robust @ (facing * facing) / total - mean_f**2 + 2e-3
        covariance = (facing * robust[:, None]).T @ colours / total - mean_f[:, None] * mean_c
        slope = np.clip(covariance / variance[:, None], 0, None)
        slope = np.minimum(slope, 0.9 * mean_c / np.maximum(mean_f[:, None], 1e-3))  # at least a tenth is ambient
        gain = (2 * slope * covariance - slope**2 * variance[:, None]).sum(1)
        best = int(gain.argmax())
        directional = slope[best]
        ambient = mean_c - directional * mean_f[best]
        error = np.linalg.norm(colours - ambient - directional * facing[:, best : best + 1], axis=1)
        scale = max(1.4826 * float(np.median(error)), 0.02)
        robust = weights / (1 + (error / (1.5 * scale)) ** 2)
    skin = np.clip(ambient + 0.5 * directional, 0.02, 1.0)
    ambient_light, directional_light = ambient / skin, directional / skin
    ambient_strength, directional_strength = float(ambient_light.mean()), float(directional_light.mean())
    values = np.concatenate(
        [
            [ambient_strength, directional_strength],
            ambient_light / max(ambient_strength, 1e-6),
            directional_light / directional_strength if directional_strength > 1e-3 else np.ones(3),
            directions[best],
        ]
    )
    return Light(values, skin)


def fill_surface(albedo: np.ndarray, weights: np.ndarray, faces: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """Albedo of all vertices: the observed one where visible, extrapolated smoothly elsewhere (Poisson equation).

    Minimises ``sum w |c - observed|^2 + smoothness * sum over edges |c_i - c_j|^2 + small * |c - skin|^2``.

    Args:
        albedo: [V, 3] observed, 0..1; any finite value where ``weights`` is 0.
        weights: [V] >= 0.
        faces: [F, 3].
        skin: [3] mean albedo, the value far from any observation.

    Returns:
        [V, 3] 0..1.
    """
    count = len(albedo)
    edges = np.unique(np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1), axis=0)
    ones = np.ones(len(edges))
    adjacency = coo_matrix((ones, (edges[:, 0], edges[:, 1])), shape=(count, count))
    adjacency = adjacency + adjacency.T
    laplacian = diags(np.asarray(adjacency.sum(1)).ravel()) - adjacency
    system = (diags(weights + 2e-3) + 0.15 * laplacian).tocsc()
    right = weights[:, None] * albedo + 2e-3 * skin
    filled: np.ndarray = np.clip(spsolve(system, right), 0, 1)
    return filled
