"""How far points lie from a mesh."""

from __future__ import annotations

import numpy as np


def distances_to_mesh(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Distances [N] of points [N, 3] to the closest point of any triangle (brute force over near triangles)."""
    import trimesh

    mesh = trimesh.Trimesh(vertices, faces, process=False)
    nearest = trimesh.proximity.closest_point_naive(mesh, points)
    distances: np.ndarray = nearest[1]
    return distances
