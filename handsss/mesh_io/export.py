"""Hands to mesh files: the suffix decides.

OBJ, PLY and GLB go to viewers, which expect y up: there the mesh is in OpenGL's camera axes (``to_opengl``: y and z
change sign). NPZ and JSON stay in the camera frame. ``mesh_axes`` in the JSON says which a file uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from handsss.errors import UserError
from handsss.hand.result import HandResult
from handsss.io.atomic import write_files
from handsss.mesh_io.formats import FORMATS
from handsss.mesh_io.parts import CAMERA_AXES, VIEWER_AXES, mesh_parts


def mesh_axes(path: Path) -> str:
    """The axes and unit of a mesh file, by its suffix."""
    return CAMERA_AXES if path.suffix.lower() == ".npz" else VIEWER_AXES


def check_format(path: Path) -> None:
    """Raises UserError for a suffix that is no mesh format."""
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"{path}: unknown mesh format {path.suffix!r}. Expected one of {', '.join(FORMATS)}.")


def mesh_files(hands: Sequence[HandResult], path: Path) -> dict[Path, bytes]:
    """The files of a mesh export and their content; the mesh itself comes last.

    Args:
        hands: at least one, all of one photo.
        path: NAME.obj, .ply, .glb or .npz.

    Raises:
        UserError: unknown suffix.
        MissingDependencyError: .glb without trimesh.
    """
    check_format(path)
    if not hands:
        raise ValueError("no hands to export")
    suffix = path.suffix.lower()
    if suffix == ".npz":
        from handsss.mesh_io.npz import npz_bytes

        return {path: npz_bytes(hands)}
    parts = mesh_parts(hands)
    if suffix == ".obj":
        from handsss.mesh_io.obj import obj_files

        return obj_files(parts, path)
    if suffix == ".ply":
        from handsss.mesh_io.ply import ply_bytes

        return {path: ply_bytes(parts)}
    from handsss.mesh_io.glb import glb_bytes

    return {path: glb_bytes(parts)}


def export_mesh(hands: Sequence[HandResult], path: Path) -> list[Path]:
    """Write the mesh of one photo's hands; OBJ brings its material and textures.

    Returns:
        the files written, the mesh last.

    Raises:
        UserError: unknown suffix, or a path that cannot be written; nothing half-written stays.
    """
    files = mesh_files(hands, path)
    write_files(files)
    return list(files)
