"""All arrays of a photo's hands in one npz, camera frame."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np

from handsss.hand.result import FORMAT_VERSION, HandResult
from handsss.mesh_io.parts import CAMERA_AXES

_ARRAYS = (
    *("score", "intrinsics", "keypoints_2d", "joints_3d", "joints_2d", "kinematic_joints_3d", "vertices", "faces"),
    *("pose", "shape", "rotation", "scale", "translation", "light", "vertex_colours"),
)


def npz_bytes(hands: Sequence[HandResult]) -> bytes:
    """Arrays with a leading axis over hands, [N, ...], in the camera's frame; ``uv`` [T, 2] is common to all.

    No Python objects are stored: ``numpy.load`` opens it without ``allow_pickle``.
    """
    arrays: dict[str, np.ndarray] = {
        "format_version": np.array(FORMAT_VERSION),
        "mesh_axes": np.array(CAMERA_AXES),
        "hand": np.array([hand.hand for hand in hands]),
        "model": np.array([hand.model for hand in hands]),
        "keypoint_set": np.array([hand.keypoint_set for hand in hands]),
    }
    for name in _ARRAYS:
        arrays[name] = np.stack([np.asarray(getattr(hand, name)) for hand in hands])
    first = hands[0]
    if first.uv is not None and first.uv_faces is not None:
        arrays["uv"] = first.uv
        arrays["uv_faces"] = np.stack([np.asarray(hand.uv_faces) for hand in hands])
    if all(hand.texture is not None for hand in hands):
        arrays["texture"] = np.stack([np.asarray(hand.texture) for hand in hands])
    if all(hand.expected_joint_errors is not None for hand in hands):
        arrays["expected_joint_errors_mm"] = np.stack([np.asarray(hand.expected_joint_errors) for hand in hands])
    stream = BytesIO()
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()
