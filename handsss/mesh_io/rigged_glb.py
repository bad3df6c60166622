"""Binary glTF with a skin: bind mesh, 16 joints, blend shapes, and the photo's pose as the nodes' rotations.

trimesh writes meshes, textures and the container; skin, joints and morph targets are added to its tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from handsss.geometry.mesh import vertex_normals
from handsss.hand.joints import MODEL_JOINTS
from handsss.mesh_io.animation import JointMotion, animation_of
from handsss.mesh_io.glb import export_scene
from handsss.mesh_io.parts import MeshPart
from handsss.mesh_io.rig import Rig

CORRECTIVES = "pose correctives"
TARGET_NAMES = (*(f"shape {index}" for index in range(10)), CORRECTIVES)
_BYTE, _FLOAT = 5121, 5126  # glTF's component types


def rigged_glb_bytes(
    parts: Sequence[MeshPart], rigs: Sequence[Rig], motions: Sequence[JointMotion] | None = None, end: float = 0.0
) -> bytes:
    """All hands as one GLB, each with a skeleton of its own.

    The file shows the photo's mesh: 15 joint rotations and the wrist's place are on the nodes, the morph target
    ``pose correctives`` has weight 1. Rotations of zero (and correctives of weight 0) give the bind pose, the flat
    hand. ``extras`` of each mesh holds ``targetNames`` and ``shapeJointOffsets`` [10, 16, 3], metres.

    Args:
        parts: the hands' posed meshes.
        rigs: theirs.
        motions: theirs in a film, which becomes one animation; the correctives, of a single pose, then have weight 0.
        end: seconds, of the film.

    Raises:
        MissingDependencyError: trimesh is not installed.
    """
    bind = [
        part._replace(vertices=rig.vertices, normals=vertex_normals(rig.vertices, part.faces))
        for part, rig in zip(parts, rigs, strict=True)
    ]

    def rigged(buffers: dict[Any, bytes], tree: dict[str, Any], sources: Sequence[np.ndarray]) -> None:
        writer = _Tree(buffers, tree)
        nodes: list[dict[str, Any]] = []
        # A skinned mesh's own node moves nothing, so it stands at the root.
        roots: list[int] = []
        for part, rig, source in zip(parts, rigs, sources, strict=True):
            writer.add_hand(part.name, rig, source, nodes, roots, corrected=motions is None)
        if motions is not None:
            above = [skin["skeleton"] for skin in tree["skins"]]
            hands = [(node, node + 1, motion) for node, motion in zip(above, motions, strict=True)]
            tree["animations"] = [animation_of(writer.accessor, hands, end)]
        tree["nodes"] = nodes
        tree["scenes"][0]["nodes"] = roots

    return export_scene(bind, rigged)


class _Tree:
    """trimesh's buffers and JSON, to add to."""

    def __init__(self, buffers: dict[Any, bytes], tree: dict[str, Any]) -> None:
        self.buffers = buffers
        self.tree = tree

    def add_hand(
        self,
        name: str,
        rig: Rig,
        source: np.ndarray,
        nodes: list[dict[str, Any]],
        roots: list[int],
        *,
        corrected: bool,
    ) -> None:
        """Nodes and skin of one hand, and what its mesh needs; ``corrected``: the pose correctives are on."""
        skins = self.tree.setdefault("skins", [])
        number = next(i for i, entry in enumerate(self.tree["meshes"]) if entry["name"] == name)
        roots += [len(nodes), len(nodes) + 1]
        nodes.append({"name": name, "mesh": number, "skin": len(skins)})
        # A node above the wrist: without one, Blender makes one armature of all hands.
        nodes.append({"name": f"{name}_skeleton", "children": [len(nodes) + 1]})
        first = len(nodes)
        nodes += _joint_nodes(name, rig, first)
        inverse = np.tile(np.eye(4), (16, 1, 1))
        inverse[:, :3, 3] = -rig.joints
        skins.append(
            {
                "name": name,
                "inverseBindMatrices": self.accessor(inverse.transpose(0, 2, 1).reshape(16, 16), "MAT4"),
                "skeleton": first - 1,
                "joints": list(range(first, first + 16)),
            }
        )
        entry = self.tree["meshes"][number]
        (primitive,) = entry["primitives"]
        for index, (joints, weights) in enumerate(_influences(rig, source)):
            primitive["attributes"][f"JOINTS_{index}"] = self.accessor(joints, "VEC4")
            primitive["attributes"][f"WEIGHTS_{index}"] = self.accessor(weights, "VEC4")
        offsets = [*rig.shape_offsets, rig.correctives]
        primitive["targets"] = [{"POSITION": self.accessor(each[source], "VEC3", bounds=True)} for each in offsets]
        entry["weights"] = [0.0] * len(rig.shape_offsets) + [float(corrected)]
        entry["extras"] = {
            "targetNames": list(TARGET_NAMES),
            "shapeJointOffsets": np.round(rig.shape_joint_offsets, 7).tolist(),
        }

    def accessor(self, values: np.ndarray, kind: str, *, bounds: bool = False) -> int:
        """The number of a new accessor over float32 or uint8 values [N, k]."""
        packed = values if values.dtype == np.uint8 else values.astype(np.float32)
        blob: dict[str, Any] = {
            "bufferView": len(self.buffers),
            "componentType": _BYTE if packed.dtype == np.uint8 else _FLOAT,
            "count": len(packed),
            "type": kind,
        }
        if bounds:
            blob |= {"min": packed.min(0).tolist(), "max": packed.max(0).tolist()}
        self.buffers[("rig", len(self.buffers))] = packed.tobytes()  # rows of 4, 12, 16 or 64 bytes: aligned
        accessors = self.tree["accessors"]
        accessors[("rig", len(accessors))] = blob
        return len(accessors) - 1


def _joint_nodes(name: str, rig: Rig, first: int) -> list[dict[str, Any]]:
    nodes = []
    quaternions = Rotation.from_matrix(rig.rotations).as_quat()  # x, y, z, w, as in glTF
    for joint, parent in enumerate(rig.parents):
        moved = rig.translation if joint == 0 else rig.joints[joint] - rig.joints[parent]
        node: dict[str, Any] = {
            "name": f"{name}_{MODEL_JOINTS[joint]}",
            "translation": moved.tolist(),
            "rotation": quaternions[joint].tolist(),
        }
        if joint == 0:
            node["scale"] = [rig.scale] * 3
        if children := [first + child for child, above in enumerate(rig.parents) if above == joint]:
            node["children"] = children
        nodes.append(node)
    return nodes


def _influences(rig: Rig, source: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Joints [V', 4] uint8 and weights [V', 4] float32, as many sets as the model's vertices have influences for."""
    sets = -(-rig.influences // 4)
    order = np.argsort(-rig.weights, axis=1, kind="stable")[:, : 4 * sets]
    weights = np.take_along_axis(rig.weights, order, 1)
    joints = np.where(weights > 0, order, 0)  # glTF wants joint 0 where nothing weighs
    return [
        (joints[source, 4 * i : 4 * i + 4].astype(np.uint8), weights[source, 4 * i : 4 * i + 4]) for i in range(sets)
    ]
