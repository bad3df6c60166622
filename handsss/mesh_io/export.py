"""Hands to mesh files: the suffix decides.

OBJ, PLY, GLB and BVH go to viewers, which expect y up: there the mesh is in OpenGL's camera axes (``to_opengl``: y and
z change sign). NPZ and JSON stay in the camera frame. ``mesh_axes`` in the JSON says which a file uses. GLB is rigged
unless a static one is asked for; BVH is a rig without a mesh.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from handsss.errors import UserError
from handsss.hand.result import HandResult
from handsss.io.atomic import write_files
from handsss.mesh_io.formats import FORMATS, check_static, is_rigged
from handsss.mesh_io.parts import CAMERA_AXES, VIEWER_AXES, hand_names, mesh_parts
from handsss.mesh_io.rig import Rig, rigs_of


def mesh_axes(path: Path) -> str:
    """The axes and unit of a mesh file, by its suffix."""
    return CAMERA_AXES if path.suffix.lower() == ".npz" else VIEWER_AXES


def check_format(path: Path) -> None:
    """Raises UserError for a suffix that is no mesh format."""
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"{path}: unknown mesh format {path.suffix!r}. Expected one of {', '.join(FORMATS)}.")


def mesh_files(hands: Sequence[HandResult], path: Path, rigs: Sequence[Rig] | None = None) -> dict[Path, bytes]:
    """The files of a mesh export and their content; the mesh itself comes last.

    Args:
        hands: at least one, all of one photo.
        path: NAME.obj, .ply, .glb, .npz or .bvh. A skeleton a file: further hands than the first go to
            NAME_left_1.bvh and the like.
        rigs: of the hands (:func:`handsss.mesh_io.rig.rigs_of`); .bvh needs them, .glb without them is static.

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
    if suffix == ".bvh":
        from handsss.mesh_io.bvh import photo_bvh_bytes

        assert rigs is not None
        names = [path.name, *(f"{path.name[: -len(suffix)]}_{name}{path.suffix}" for name in hand_names(hands)[1:])]
        written = {path.with_name(name): photo_bvh_bytes(rig) for name, rig in zip(names, rigs, strict=True)}
        return dict(reversed(written.items()))
    parts = mesh_parts(hands)
    if suffix == ".obj":
        from handsss.mesh_io.obj import obj_files

        return obj_files(parts, path)
    if suffix == ".ply":
        from handsss.mesh_io.ply import ply_bytes

        return {path: ply_bytes(parts)}
    if rigs is not None:
        from handsss.mesh_io.rigged_glb import rigged_glb_bytes

        return {path: rigged_glb_bytes(parts, rigs)}
    from handsss.mesh_io.glb import glb_bytes

    return {path: glb_bytes(parts)}


def export_mesh(hands: Sequence[HandResult], path: Path, *, static: bool = False) -> list[Path]:
    """Write the mesh of one photo's hands; OBJ brings its material and textures.

    Args:
        hands: at least one, all of one photo.
        path: see :func:`mesh_files`.
        static: a .glb without skeleton, only the mesh.

    Returns:
        the files written, the mesh last.

    Raises:
        UserError: unknown suffix, or a path that cannot be written; nothing half-written stays. Static asked of
            another suffix, or a rig whose hand's vertices are not those of its pose and shape.
        InputError: a rig whose hand model is not here any more (MANO's files).
    """
    check_format(path)
    check_static(path.suffix, static=static)
    files = mesh_files(hands, path, rigs_of(hands) if is_rigged(path.suffix, static=static) else None)
    write_files(files)
    return list(files)
