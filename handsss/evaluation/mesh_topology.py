"""Mesh topology: whether a mesh has the vertex order of a hand model, and keypoints of a mesh."""

from __future__ import annotations

import numpy as np

from handsss.errors import InputError
from handsss.hand.load import load_model
from handsss.hand.model import HandModel

_ROUGH = 2.0  # edges so many times longer than the model's own: another numbering
_MESHES_CHECKED = 8  # meshes


def shares_topology(vertices: np.ndarray, model: HandModel) -> bool:
    """Whether meshes have a model's vertex order.

    The open hand and MANO have as many vertices as each other, in other orders, so the count does not decide. Joined by
    the model's faces, foreign vertices give edges across the whole hand.

    Args:
        vertices: [N, V, 3] in any posture and unit.
        model: the hand.
    """
    if vertices.shape[1] != model.vertex_count or not len(vertices):
        return False
    ratio = _edge_length(vertices[:_MESHES_CHECKED], model) / _edge_length(model.v_template[None], model)
    return bool(ratio < _ROUGH)


def _edge_length(vertices: np.ndarray, model: HandModel) -> float:
    """Mean length of edges, in units of the mesh's own extent."""
    extent = np.sqrt(vertices.var(1).sum(-1))
    edges = np.linalg.norm(vertices[:, model.faces[:, 0]] - vertices[:, model.faces[:, 1]], axis=-1).mean(1)
    return float(np.mean(edges / np.maximum(extent, 1e-12)))


def matching_model(vertices: np.ndarray | None) -> HandModel | None:
    """The open hand or MANO, if meshes [N, V, 3] have its vertex order; else None."""
    if vertices is None:
        return None
    for name in ("open", "mano"):
        try:
            model = load_model(name)
        except InputError:  # MANO is not here
            continue
        if shares_topology(vertices, model):
            return model
    return None


def mesh_keypoints(vertices: np.ndarray, model: HandModel, keypoint_set: str) -> np.ndarray:
    """Keypoints of posed meshes by a named definition.

    A mesh does not tell the joints of its kinematic chain. Where a definition uses them, the joints regressed from the
    posed vertices are used instead; they differ by millimetres.

    Args:
        vertices: [N, V, 3] numbered as the model's.
        model: the hand.
        keypoint_set: name of one of its sets.

    Returns:
        [N, 21, 3], OpenPose order.

    Raises:
        InputError: the model has no such set.
    """
    chosen = model.keypoint_set(keypoint_set)
    weights = chosen.joint_weights @ model.j_regressor + chosen.vertex_weights.toarray()
    keypoints: np.ndarray = np.einsum("kv,nvc->nkc", weights, vertices, optimize=True)
    return keypoints
