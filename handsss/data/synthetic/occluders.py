"""Objects that occlude the hand: held, or in front of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import trimesh
from scipy.spatial.transform import Rotation

_KINDS = ("ball", "box", "stick", "can", "card")


class Occluder(NamedTuple):
    """A mesh of one colour."""

    vertices: np.ndarray  # [V, 3] m, camera frame
    faces: np.ndarray  # [F, 3]
    colour: np.ndarray  # [3] linear


def make_occluder(centre: np.ndarray, rng: np.random.Generator, *, size: float = 1.0) -> Occluder:
    """A random object: ball, box, stick, can or card.

    Args:
        centre: [3] m.
        rng: source of randomness.
        size: scale factor.
    """
    kind = _KINDS[rng.integers(len(_KINDS))]
    if kind == "ball":
        mesh = trimesh.creation.icosphere(subdivisions=3, radius=rng.uniform(0.018, 0.035))
    elif kind == "box":
        mesh = trimesh.creation.box(extents=rng.uniform(0.025, 0.08, 3)).subdivide().subdivide()
    elif kind == "stick":
        mesh = trimesh.creation.cylinder(radius=rng.uniform(0.003, 0.009), height=rng.uniform(0.12, 0.25), sections=16)
    elif kind == "can":
        mesh = trimesh.creation.cylinder(radius=rng.uniform(0.018, 0.03), height=rng.uniform(0.08, 0.14), sections=24)
    else:
        mesh = trimesh.creation.box(extents=[0.002, rng.uniform(0.05, 0.08), rng.uniform(0.07, 0.1)])
    turn = Rotation.random(rng=rng).as_matrix()
    vertices = np.asarray(mesh.vertices) @ turn.T * size + centre
    return Occluder(vertices, np.asarray(mesh.faces).astype(np.int64), rng.uniform(0.02, 0.75, 3))
