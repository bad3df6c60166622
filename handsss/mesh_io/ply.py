"""Binary PLY with normals and vertex colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from handsss.mesh_io.parts import VIEWER_AXES, MeshPart

_FLOATS = ("x", "y", "z", "nx", "ny", "nz")
_BYTES = ("red", "green", "blue", "hand")
_VERTEX = np.dtype([*[(name, "<f4") for name in _FLOATS], *[(name, "u1") for name in _BYTES]])
_FACE = np.dtype([("count", "u1"), ("corners", "<i4", (3,))])


def ply_bytes(parts: Sequence[MeshPart]) -> bytes:
    """One mesh of all hands; the vertex property ``hand`` tells them apart (its index in the JSON's list)."""
    counts = [len(part.vertices) for part in parts]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(int)
    vertices = np.zeros(sum(counts), dtype=_VERTEX)
    faces = np.zeros(sum(len(part.faces) for part in parts), dtype=_FACE)
    faces["count"] = 3
    begin = 0
    for index, part in enumerate(parts):
        rows = vertices[offsets[index] : offsets[index + 1]]
        for names, values in ((("x", "y", "z"), part.vertices), (("nx", "ny", "nz"), part.normals)):
            for column, name in enumerate(names):
                rows[name] = values[:, column]
        for column, name in enumerate(("red", "green", "blue")):
            rows[name] = part.colours[:, column]
        rows["hand"] = index
        faces["corners"][begin : begin + len(part.faces)] = part.faces + offsets[index]
        begin += len(part.faces)
    header = ["ply", "format binary_little_endian 1.0", "comment handsss"]
    header += [f"comment axes: {VIEWER_AXES}"]
    header += [f"comment hand {index}: {part.name}" for index, part in enumerate(parts)]
    header.append(f"element vertex {len(vertices)}")
    header += [f"property float {name}" for name in _FLOATS] + [f"property uchar {name}" for name in _BYTES]
    header += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header"]
    return "\n".join(header).encode("ascii") + b"\n" + vertices.tobytes() + faces.tobytes()
