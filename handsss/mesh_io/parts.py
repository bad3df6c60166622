"""Hands as exporters want them: named, in the viewers' axes, with normals and split along texture seams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from handsss.geometry.cameras import to_opengl
from handsss.geometry.mesh import vertex_normals
from handsss.hand.result import HandResult

VIEWER_AXES = "x right, y up, z towards the viewer (OpenGL camera at the origin), metres"
CAMERA_AXES = "x right, y down, z forward (camera at the origin), metres"


class MeshPart(NamedTuple):
    """One hand's mesh in the viewers' axes."""

    name: str
    vertices: np.ndarray  # [V, 3] metres, VIEWER_AXES
    normals: np.ndarray  # [V, 3] unit
    faces: np.ndarray  # [F, 3] counter-clockwise from outside
    colours: np.ndarray  # [V, 3] uint8 sRGB
    uv: np.ndarray | None  # [T, 2] v up; present only with a texture
    uv_faces: np.ndarray | None  # [F, 3]
    texture: np.ndarray | None  # [h, w, 3] uint8 sRGB


class SplitMesh(NamedTuple):
    """A mesh with one texture coordinate a vertex."""

    source: np.ndarray  # [V'] vertex that each new vertex copies
    uv: np.ndarray  # [V', 2]
    faces: np.ndarray  # [F, 3]


def hand_names(hands: Sequence[HandResult]) -> list[str]:
    """Names of the objects in a mesh file: side and index in the JSON's list, as in ``left_0``."""
    return [f"{hand.hand}_{index}" for index, hand in enumerate(hands)]


def mesh_parts(hands: Sequence[HandResult]) -> list[MeshPart]:
    """All hands of a photo, ready to be written.

    The change of axes turns the hand by 180 degrees about x: it mirrors nothing, so faces keep their winding.
    """
    parts = []
    for name, hand in zip(hand_names(hands), hands, strict=True):
        vertices = to_opengl(hand.vertices)
        textured = hand.texture is not None and hand.uv is not None and hand.uv_faces is not None
        parts.append(
            MeshPart(
                name=name,
                vertices=vertices,
                normals=vertex_normals(vertices, hand.faces),
                faces=np.asarray(hand.faces),
                colours=np.round(np.clip(hand.vertex_colours, 0, 1) * 255).astype(np.uint8),
                uv=hand.uv if textured else None,
                uv_faces=hand.uv_faces if textured else None,
                texture=hand.texture if textured else None,
            )
        )
    return parts


def split_at_seams(faces: np.ndarray, uv: np.ndarray, uv_faces: np.ndarray) -> SplitMesh:
    """Double the vertices where the texture is cut: glTF knows one texture coordinate a vertex.

    Args:
        faces: [F, 3].
        uv: [T, 2].
        uv_faces: [F, 3].
    """
    corners = np.stack([faces.reshape(-1), uv_faces.reshape(-1)], 1)
    pairs, inverse = np.unique(corners, axis=0, return_inverse=True)
    return SplitMesh(pairs[:, 0], uv[pairs[:, 1]], inverse.reshape(-1, 3))
