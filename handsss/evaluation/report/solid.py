"""Samples in 3D: the predicted hand laid on the true one, for the report's 3D view."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from handsss.evaluation.samples import Samples
from handsss.geometry.cameras import to_opengl
from handsss.geometry.mesh import vertex_normals
from handsss.geometry.procrustes import procrustes
from handsss.hand.joints import BONES
from handsss.mesh_io.glb import glb_bytes
from handsss.mesh_io.parts import MeshPart
from handsss.page.shell import model_json, skeleton
from handsss.visualize.mesh import CLAY, Drawable
from handsss.visualize.skeleton import BONE, error_colours

_TRUTH = (0x2F, 0x6F, 0xED)


def solid(samples: Samples, index: int, faces: np.ndarray | None, own: Drawable | None, name: str) -> Markup | None:
    """What the viewer shows of a sample: mesh and joints after the best similarity to the true joints, and those.

    Predicted joints have the colours of their errors after the alignment: green up to 5 mm, red from 20 mm.

    Args:
        samples: of the evaluation.
        index: the sample's.
        faces: [F, 3] of the predicted vertices; None: their numbering is unknown.
        own: the sample's hand with its colours; it is preferred to the vertices.
        name: of the download.

    Returns:
        JSON, see :func:`handsss.page.shell.model_json`; None where joints are not finite.
    """
    joints, truth = samples.joints[index], samples.true_joints[index]
    if not (np.isfinite(joints).all() and np.isfinite(truth).all()):
        return None
    aligned = procrustes(joints, truth)
    moved = aligned(joints)
    errors = 1000 * np.linalg.norm(moved - truth, axis=1)
    predicted = skeleton("predicted", moved, error_colours(errors), BONE)
    true = skeleton("truth", truth, [_TRUTH] * len(truth), _TRUTH)
    glb = None
    if own is not None:
        glb = _glb(aligned(own.vertices), own.faces, own.vertex_colours)
    elif faces is not None and samples.vertices is not None and np.isfinite(samples.vertices[index]).all():
        vertices = samples.vertices[index]
        glb = _glb(aligned(vertices), faces, np.tile(CLAY, (len(vertices), 1)))
    return model_json(name, glb, [predicted, true], BONES, joints=True)


def _glb(vertices: np.ndarray, faces: np.ndarray, colours: np.ndarray) -> bytes:
    """A mesh with vertex colours alone: a texture a sample would make the report tens of megabytes."""
    seen = to_opengl(vertices)
    own = np.round(np.clip(colours, 0, 1) * 255).astype(np.uint8)
    part = MeshPart("hand", seen, vertex_normals(seen, faces), np.asarray(faces), own, None, None, None)
    return glb_bytes([part])
