"""Binary glTF, one mesh and node per hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from handsss.errors import MissingDependencyError
from handsss.mesh_io.parts import VIEWER_AXES, MeshPart, split_at_seams


def glb_bytes(parts: Sequence[MeshPart]) -> bytes:
    """All hands as one GLB: textured where there is a texture, vertex colours otherwise.

    Raises:
        MissingDependencyError: trimesh is not installed.
    """
    return export_scene(parts)


def export_scene(
    parts: Sequence[MeshPart],
    extend: Callable[[dict[Any, bytes], dict[str, Any], Sequence[np.ndarray]], None] | None = None,
) -> bytes:
    """Meshes as a GLB.

    Args:
        parts: one mesh each, by name.
        extend: gets the buffers and the JSON before they are joined, to add to both, and the vertices [V'] of each part
            that those of the file copy. ``accessors`` is a dictionary still, whose entries count in their order.

    Raises:
        MissingDependencyError: trimesh is not installed.
    """
    try:
        import trimesh
        from trimesh.visual import ColorVisuals, TextureVisuals
        from trimesh.visual.material import PBRMaterial
    except ImportError:
        raise MissingDependencyError("trimesh", "writing .glb", "pip install trimesh") from None
    scene = trimesh.Scene()
    scene.metadata["axes"] = VIEWER_AXES
    sources = []
    for part in parts:
        if part.texture is not None and part.uv is not None and part.uv_faces is not None:
            split = split_at_seams(part.faces, part.uv, part.uv_faces)
            material = PBRMaterial(  # type: ignore[no-untyped-call]
                name=part.name,
                baseColorTexture=Image.fromarray(np.ascontiguousarray(part.texture)),
                metallicFactor=0.0,
                roughnessFactor=0.7,
            )
            source, faces = split.source, split.faces
            visual: Any = TextureVisuals(uv=split.uv, material=material)  # type: ignore[no-untyped-call]
        else:
            source, faces = np.arange(len(part.vertices)), part.faces
            visual = ColorVisuals(vertex_colors=_linear(part.colours))
        mesh = trimesh.Trimesh(
            part.vertices[source],
            faces,
            vertex_normals=part.normals[source],
            visual=visual,
            process=False,
            validate=False,
        )
        scene.add_geometry(mesh, node_name=part.name, geom_name=part.name)
        sources.append(source)
    more = {} if extend is None else {"buffer_postprocessor": lambda buffers, tree: extend(buffers, tree, sources)}
    content: bytes = scene.export(file_type="glb", include_normals=True, **more)  # type: ignore[no-untyped-call]
    return content


def _linear(colours: np.ndarray) -> np.ndarray:
    """sRGB -> linear light, uint8: glTF's vertex colours are linear, unlike its textures."""
    values = colours / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    rounded: np.ndarray = np.round(linear * 255).astype(np.uint8)
    return rounded
