"""Detects which benchmark's convention a prediction file follows, and converts it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from handsss.evaluation.metrics import distances
from handsss.evaluation.protocols import PROTOCOLS, Protocol
from handsss.geometry.cameras import from_opengl
from handsss.geometry.procrustes import procrustes
from handsss.hand.joints import JOINT_ORDERS, reorder_indices

_FRAMES_CHECKED = 200  # frames
_BETTER = 0.6  # the other order must bring the error below this share of it
_BEHIND = 0.9  # share of frames that must lie on one side of the camera
_FAR = 0.5  # of the true distance: hands nearer than this to the origin are not in camera space

_ORDER_WORDS = {
    "freihand": "FreiHAND's order (wrist, thumb, index, middle, ring, little; each finger from base to tip)",
    "ho3d": "HO-3D's order (wrist, index, middle, little, ring, thumb, then the five tips)",
}


class ConvertedPredictions(NamedTuple):
    """Predictions in this package's conventions."""

    joints: np.ndarray  # [N, 21, 3] m, camera frame, OpenPose order
    vertices: np.ndarray | None  # [N, V, 3] m, camera frame
    notes: list[str]  # what was converted that an official evaluation would not


def convert_predictions(
    joints: np.ndarray, vertices: np.ndarray | None, true_joints: np.ndarray, protocol: Protocol
) -> ConvertedPredictions:
    """Convert predictions from the convention that they follow, which need not be the protocol's.

    Joints: FreiHAND's or HO-3D's order, whichever gives clearly smaller aligned errors; any other order is left as it
    is, for :func:`handsss.evaluation.diagnosis.diagnose` to name. Camera: y down with hands at z > 0, or OpenGL's, for
    joints and vertices separately, as some programs turn one of them only.

    Args:
        joints: [N, 21, 3] as in the file.
        vertices: [N, V, 3] as in the file.
        true_joints: [N, 21, 3] m, OpenPose order; NaN where unknown.
        protocol: what the file should follow.
    """
    notes: list[str] = []
    order = _order(joints, true_joints, protocol)
    if order != protocol.order:
        notes.append(
            f"The joints are in {_ORDER_WORDS[order]}; {protocol.name} files have {_ORDER_WORDS[protocol.order]}. They "
            "were reordered here; the official evaluation would score them as they stand."
        )
    ordered = joints[:, reorder_indices(order, "openpose")]
    distance = float(np.nanmedian(np.linalg.norm(true_joints.mean(1), axis=1)))
    turned_joints = _turned(ordered, distance, protocol, "joints", notes)
    turned_vertices = None if vertices is None else _turned(vertices, distance, protocol, "vertices", notes)
    return ConvertedPredictions(turned_joints, turned_vertices, notes)


def _order(joints: np.ndarray, true_joints: np.ndarray, protocol: Protocol) -> str:
    known = np.flatnonzero(np.isfinite(true_joints).all((1, 2)))[:_FRAMES_CHECKED]
    errors = {}
    ours = [one.order for one in PROTOCOLS.values()]
    for name in (*ours, *JOINT_ORDERS):  # of equal ones the first counts
        points = joints[known][:, reorder_indices(name, "openpose")]
        fit = procrustes(points, true_joints[known], reflection=False)
        errors[name] = float(np.median(distances(fit(points), true_joints[known])))
    best = min(errors, key=lambda name: errors[name])
    better = best in ours and errors[best] < _BETTER * errors[protocol.order]
    return best if better else protocol.order


def _turned(points: np.ndarray, distance: float, protocol: Protocol, what: str, notes: list[str]) -> np.ndarray:
    """Points in this package's camera frame."""
    centres = points.mean(1)
    depth = centres[:, 2]
    # Hands about the origin have no side of the camera; the protocol's convention is taken.
    placed = np.median(np.abs(depth)) > _FAR * distance
    opengl = protocol.opengl
    if placed and (depth < 0).mean() >= _BEHIND:
        opengl = True
    elif placed and (depth > 0).mean() >= _BEHIND:
        opengl = False
    if opengl != protocol.opengl:
        detected = PROTOCOLS["ho3d" if opengl else "freihand"]
        notes.append(
            f"The {what} are in {detected.frame}; {protocol.name} files have {protocol.frame}. y and z were turned "
            "here; the official evaluation would not, which spoils its unaligned figures."
        )
    return from_opengl(points) if opengl else points
