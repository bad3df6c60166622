"""Wavefront OBJ with material and texture, as Blender and MeshLab open it."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from handsss.mesh_io.formats import material_stem
from handsss.mesh_io.parts import VIEWER_AXES, MeshPart


def obj_files(parts: Sequence[MeshPart], path: Path) -> dict[Path, bytes]:
    """The files of an OBJ export, textures first, the OBJ last.

    Each hand is an object of its own (``o left_0``) with smooth normals; hands without texture carry their colours
    behind the coordinates (``v x y z r g b``), which MeshLab and Blender read. Material and texture names are
    UTF-8 without spaces and signs that readers stumble over (:func:`handsss.mesh_io.formats.material_stem`).

    Args:
        parts: hands.
        path: NAME.obj.
    """
    stem = material_stem(path.stem)
    textured = [part for part in parts if part.texture is not None]
    files: dict[Path, bytes] = {}
    materials: list[str] = []
    for part in textured:
        label = "texture" if len(textured) == 1 else f"texture_{part.name}"
        image = path.with_name(f"{stem}_{label}.png")
        files[image] = png_bytes(part.texture)
        # Textures hold the skin's own colour without light: full diffuse, no gloss.
        materials.append(f"newmtl {part.name}\nKa 1 1 1\nKd 1 1 1\nKs 0 0 0\nd 1\nillum 1\nmap_Kd {image.name}\n")
    lines = [f"# handsss: {len(parts)} hand(s). Axes: {VIEWER_AXES}."]
    if materials:
        material = path.with_name(f"{stem}.mtl")
        files[material] = "\n".join(materials).encode()
        lines.append(f"mtllib {material.name}")
    offset, uv_offset = 1, 1
    for part in parts:
        lines += _object(part, offset, uv_offset)
        offset += len(part.vertices)
        uv_offset += 0 if part.uv is None else len(part.uv)
    files[path] = ("\n".join(lines) + "\n").encode()
    return files


def _object(part: MeshPart, offset: int, uv_offset: int) -> list[str]:
    lines = [f"o {part.name}"]
    if part.uv is None:
        coloured = np.concatenate([part.vertices, part.colours / 255], 1)
        lines += ["v {:.6f} {:.6f} {:.6f} {:.4f} {:.4f} {:.4f}".format(*row) for row in coloured]
    else:
        lines += ["v {:.6f} {:.6f} {:.6f}".format(*row) for row in part.vertices]
        lines += ["vt {:.6f} {:.6f}".format(*row) for row in part.uv]
        lines.append(f"usemtl {part.name}")
    lines += ["vn {:.4f} {:.4f} {:.4f}".format(*row) for row in part.normals]
    lines.append("s 1")
    faces = part.faces + offset
    if part.uv_faces is None:
        lines += ["f {0}//{0} {1}//{1} {2}//{2}".format(*row) for row in faces]
    else:
        joined = np.concatenate([faces, part.uv_faces + uv_offset], 1)
        lines += ["f {0}/{3}/{0} {1}/{4}/{1} {2}/{5}/{2}".format(*row) for row in joined]
    return lines


def png_bytes(picture: np.ndarray | None) -> bytes:
    """A picture [h, w, 3] uint8 as PNG, a few per cent larger than zlib's usual level makes it in half the time."""
    assert picture is not None
    stream = BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(stream, "PNG", compress_level=4)
    return stream.getvalue()
