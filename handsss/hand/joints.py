"""Joint orders and keypoint definitions of the field, as data.

An *order* says which of 21 keypoints stands where; a *keypoint set* says where on the hand each of them lies.
Both differ between datasets and tools, and mixing them up costs centimetres.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

FINGERS = ("thumb", "index", "middle", "ring", "little")

# The 16 joints of MANO's skeleton, in its order: fingers by name, little before ring, thumb last.
MODEL_FINGERS = ("index", "middle", "little", "ring", "thumb")
MODEL_JOINTS = ("wrist", *(f"{finger}{i}" for finger in MODEL_FINGERS for i in (1, 2, 3)))
MODEL_PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)


def _base_to_tip(finger: str) -> tuple[str, ...]:
    return (f"{finger}1", f"{finger}2", f"{finger}3", f"{finger}_tip")


_OPENPOSE = ("wrist", *(name for finger in FINGERS for name in _base_to_tip(finger)))
_TIP_TO_BASE = tuple(name for finger in FINGERS for name in reversed(_base_to_tip(finger)))
_HO3D = (*MODEL_JOINTS, *(f"{finger}_tip" for finger in FINGERS))
_HANDMESH = (*MODEL_JOINTS, *(f"{finger}_tip" for finger in MODEL_FINGERS))

# OpenPose, FreiHAND, MediaPipe and manopth share one order; HO-3D appends MANO's tips; RHD runs from the tips and
# InterHand2.6M does too, with the wrist last.
JOINT_ORDERS = MappingProxyType(
    {
        "openpose": _OPENPOSE,
        "freihand": _OPENPOSE,
        "mediapipe": _OPENPOSE,
        "manopth": _OPENPOSE,
        "ho3d": _HO3D,
        "smplx": _HO3D,
        "handmesh": _HANDMESH,
        "rhd": ("wrist", *_TIP_TO_BASE),
        "interhand": (*_TIP_TO_BASE, "wrist"),
    }
)

OPENPOSE_PARENTS = (-1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19)
BONES = tuple((parent, child) for child, parent in enumerate(OPENPOSE_PARENTS) if parent >= 0)

# Vertex numbers of MANO's fingertips (thumb, index, middle, ring, little) by who defines them. They are no property
# of MANO's file: every tool chose its own.
MANO_TIPS = MappingProxyType(
    {
        "freihand": (744, 320, 443, 555, 672),
        "ho3d": (744, 333, 444, 555, 672),
        "manopth": (745, 317, 444, 556, 673),
        "smplx": (744, 320, 443, 554, 671),
    }
)
MANO_LEFT_MANOPTH_TIPS = (745, 317, 445, 556, 673)

# Rows of MODEL_JOINTS (16) for the non-tip entries of the OpenPose order.
MODEL_TO_OPENPOSE = tuple(MODEL_JOINTS.index(n) if n in MODEL_JOINTS else -1 for n in _OPENPOSE)
OPENPOSE_TIP_ROWS = tuple(_OPENPOSE.index(f"{finger}_tip") for finger in FINGERS)


def joint_order(name: str) -> tuple[str, ...]:
    """The 21 keypoint names of a named order.

    Raises:
        ValueError: unknown name; the message lists the known ones.
    """
    try:
        return JOINT_ORDERS[name]
    except KeyError:
        raise ValueError(f"unknown joint order {name!r}; known: {', '.join(JOINT_ORDERS)}") from None


def reorder_indices(source: str, target: str) -> np.ndarray:
    """Index array [21] with ``points_in_target_order = points_in_source_order[indices]``.

    >>> reorder_indices("ho3d", "openpose").tolist()
    [0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20]
    """
    names = joint_order(source)
    return np.array([names.index(name) for name in joint_order(target)])
