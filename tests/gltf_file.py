"""An independent reader of binary glTF: skins and morph targets evaluated from the file's bytes, with numpy alone."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

_TYPES = {5121: "u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


@dataclass
class GltfFile:
    """JSON and buffer of a GLB; ``tree`` may be edited to re-pose it."""

    tree: dict[str, Any]
    buffer: bytes

    @classmethod
    def of(cls, content: bytes) -> GltfFile:
        magic, version, length = struct.unpack_from("<4sII", content)
        assert (magic, version, length) == (b"glTF", 2, len(content))
        size, kind = struct.unpack_from("<I4s", content, 12)
        assert kind == b"JSON"
        binary, kind = struct.unpack_from("<I4s", content, 20 + size)
        assert kind == b"BIN\0" and 28 + size + binary == len(content)
        return cls(json.loads(content[20 : 20 + size]), content[28 + size :])

    def accessor(self, number: int) -> np.ndarray:
        """[N, width], the type as stored."""
        entry = self.tree["accessors"][number]
        view = self.tree["bufferViews"][entry["bufferView"]]
        width, dtype = _WIDTHS[entry["type"]], np.dtype(_TYPES[entry["componentType"]])
        start = view.get("byteOffset", 0) + entry.get("byteOffset", 0)
        values = np.frombuffer(self.buffer, dtype, entry["count"] * width, start).reshape(-1, width)
        if "min" in entry:
            np.testing.assert_allclose(values.min(0), entry["min"], atol=1e-6)
            np.testing.assert_allclose(values.max(0), entry["max"], atol=1e-6)
        return values

    def node(self, name: str) -> dict[str, Any]:
        (found,) = [node for node in self.tree["nodes"] if node.get("name") == name]
        return found

    def mesh(self, name: str) -> dict[str, Any]:
        return self.tree["meshes"][self.node(name)["mesh"]]

    def primitive(self, name: str) -> dict[str, Any]:
        (primitive,) = self.mesh(name)["primitives"]
        return primitive

    def worlds(self) -> np.ndarray:
        """[nodes, 4, 4] node to world."""
        worlds = np.zeros((len(self.tree["nodes"]), 4, 4))
        todo = [(root, np.eye(4)) for root in self.tree["scenes"][self.tree["scene"]]["nodes"]]
        while todo:
            number, above = todo.pop()
            node = self.tree["nodes"][number]
            worlds[number] = above @ _local(node)
            todo += [(child, worlds[number]) for child in node.get("children", [])]
        return worlds

    def joint_worlds(self, name: str) -> np.ndarray:
        """[16, 4, 4] of a hand's joints."""
        return self.worlds()[self.tree["skins"][self.node(name)["skin"]]["joints"]]

    def triangles(self, name: str) -> np.ndarray:
        """[F, 3, 3] metres: the mesh of a node with its morph targets and its skin."""
        primitive, mesh = self.primitive(name), self.mesh(name)
        points = self.accessor(primitive["attributes"]["POSITION"]).astype(np.float64)
        for weight, target in zip(mesh["weights"], primitive["targets"], strict=True):
            points = points + weight * self.accessor(target["POSITION"])
        skin = self.tree["skins"][self.node(name)["skin"]]
        inverse = self.accessor(skin["inverseBindMatrices"]).reshape(16, 4, 4).transpose(0, 2, 1)
        matrices = self.joint_worlds(name) @ inverse
        moved, total, index = np.zeros_like(points), np.zeros(len(points)), 0
        while f"JOINTS_{index}" in primitive["attributes"]:
            joints = self.accessor(primitive["attributes"][f"JOINTS_{index}"])
            weights = self.accessor(primitive["attributes"][f"WEIGHTS_{index}"]).astype(np.float64)
            homogeneous = np.concatenate([points, np.ones((len(points), 1))], 1)
            moved += np.einsum("vk,vkab,vb->va", weights, matrices[joints], homogeneous)[:, :3]
            total += weights.sum(1)
            index += 1
        np.testing.assert_allclose(total, 1, atol=1e-6)
        return moved[self.accessor(primitive["indices"]).reshape(-1, 3)]


def _local(node: dict[str, Any]) -> np.ndarray:
    """translation * rotation * scale, the quaternion as x, y, z, w."""
    x, y, z, w = node.get("rotation", (0, 0, 0, 1))
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, :3] *= np.asarray(node.get("scale", (1, 1, 1)))
    matrix[:3, 3] = node.get("translation", (0, 0, 0))
    return matrix
