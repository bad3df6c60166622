"""Hand models as arrays: the bundled open hand, MANO files of the user, and their mirror images."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, cast

import numpy as np
from scipy.sparse import csr_matrix

from handsss.errors import InputError
from handsss.hand.joints import MODEL_PARENTS
from handsss.hand.keypoint_sets import KeypointSet, standard_sets, tips_in_finger_order
from handsss.hand.own_poses import own_limits, registered_coefficients

Side = Literal["right", "left"]
FORMAT_VERSION = 1
LEAST_SPREAD = 0.04  # radians: no pose direction is held tighter than this where poses are measured by hands_std

_WEIGHT_TOLERANCE = 1e-3
_REQUIRED = {
    "v_template": (None, 3),
    "faces": (None, 3),
    "weights": (None, 16),
    "shapedirs": (None, 3, 10),
    "posedirs": (None, 3, 135),
    "J_regressor": (16, None),
    "hands_mean": (45,),
    "hands_components": (45, 45),
}


@dataclass(frozen=True)
class HandModel:
    """A hand model in MANO's data layout: V vertices, F faces, 16 joints; float64, metres, flat canonical pose."""

    name: str
    side: Side
    v_template: np.ndarray  # [V, 3] metres, mean shape
    faces: np.ndarray  # [F, 3] int32, counter-clockwise from outside
    weights: np.ndarray  # [V, 16] skinning, rows sum to 1
    shapedirs: np.ndarray  # [V, 3, 10] metres per shape coefficient, which are N(0, 1)
    posedirs: np.ndarray  # [V, 3, 135] metres per entry of R - I of joints 1-15, row-major
    j_regressor: np.ndarray  # [16, V] joints from vertices, rows sum to 1
    parents: np.ndarray  # [16] parent of each joint, -1 for the root
    hands_mean: np.ndarray  # [45] mean pose, axis-angle, radians
    hands_components: np.ndarray  # [45, 45] PCA of poses, orthonormal rows
    hands_std: np.ndarray  # [45] radians, standard deviation of each coefficient
    tips: np.ndarray  # [5] vertex ids: index, middle, little, ring, thumb
    limits_deg: np.ndarray  # [15, 3, 2] degrees: azimuth, pitch, roll; minimum, maximum
    angle_convention: Literal["euler", "axis_angle"]  # of limits_deg, see hand.limits
    # [15, 3, 2] the limits of a fit: the open hand's own; on MANO, whose limits_deg is the paper's training loss, the
    # range of the model's own poses
    fit_limits_deg: np.ndarray
    bone_frames: np.ndarray | None = None  # [15, 3, 3] columns: bone, flexion axis, dorsal
    uv: np.ndarray | None = None  # [T, 2] texture coordinates 0..1, v up
    uv_faces: np.ndarray | None = None  # [F, 3] int32, indices into uv
    nail_faces: np.ndarray | None = None  # [N] face ids of the nails
    keypoint_sets: dict[str, KeypointSet] = field(default_factory=dict)

    @property
    def vertex_count(self) -> int:
        return int(self.v_template.shape[0])

    def keypoint_set(self, name: str) -> KeypointSet:
        """A keypoint set by name.

        Raises:
            InputError: the model has no set of that name; the message lists those it has.
        """
        if name not in self.keypoint_sets:
            known = ", ".join(sorted(self.keypoint_sets))
            raise InputError(f"the hand model {self.name!r} has no keypoint set {name!r}; it has: {known}.")
        return self.keypoint_sets[name]

    @cached_property
    def boundary(self) -> np.ndarray:
        """Vertex ids [R] of the mesh's boundary at the wrist, in the faces' direction; empty if the mesh is closed."""
        edges = np.concatenate([self.faces[:, [0, 1]], self.faces[:, [1, 2]], self.faces[:, [2, 0]]])
        forward = {(int(a), int(b)) for a, b in edges}
        follows = {a: b for a, b in forward if (b, a) not in forward}
        if not follows:
            return np.zeros(0, dtype=np.int64)
        ring = [min(follows)]
        while len(ring) < len(follows) and follows[ring[-1]] != ring[0]:
            ring.append(follows[ring[-1]])
        return np.array(ring)


def mirrored(model: HandModel) -> HandModel:
    """The same hand model of the other side: mirrored in x, faces reversed.

    The same PCA coefficients, shape and joint angles give the mirrored hand; axis-angle vectors change the sign of y
    and z. Bone frames are mirrored too, so that they are left-handed and the same limits hold.
    """
    signs = np.array([-1.0, 1.0, 1.0])
    entry_signs = np.tile(np.outer(signs, signs).reshape(9), 15)
    pose_signs = np.tile([1.0, -1.0, -1.0], 15)
    side: Side = "left" if model.side == "right" else "right"
    return replace(
        model,
        side=side,
        v_template=model.v_template * signs,
        faces=np.ascontiguousarray(model.faces[:, ::-1]),
        shapedirs=model.shapedirs * signs[:, None],
        posedirs=model.posedirs * signs[:, None] * entry_signs,
        hands_mean=model.hands_mean * pose_signs,
        hands_components=model.hands_components * pose_signs,
        bone_frames=None if model.bone_frames is None else signs[:, None] * model.bone_frames,
        uv_faces=None if model.uv_faces is None else np.ascontiguousarray(model.uv_faces[:, ::-1]),
    )


def model_from_arrays(
    arrays: dict[str, np.ndarray], *, name: str, side: Side, source: str, mano: bool = False
) -> HandModel:
    """Check arrays and build a model.

    Args:
        arrays: by the keys of the npz format (docs/guides/open-hand.md); shapes and units as in :class:`HandModel`.
        name: shown to users and stored in results.
        side: the side that the arrays describe.
        source: named in errors.
        mano: vertex numbering, limits and angle convention are MANO's.

    Raises:
        InputError: a key is missing, has a wrong shape or holds values that are not finite.
    """
    vertex_count = arrays["v_template"].shape[0] if "v_template" in arrays and arrays["v_template"].ndim else 0
    for key, shape in _REQUIRED.items():
        if key not in arrays:
            raise InputError(f"{source}: no {key!r} in this hand model. Expected an npz or pkl in MANO's layout.")
        got = arrays[key].shape
        wanted = tuple(vertex_count if (s is None and key != "faces") else s for s in shape)
        if len(got) != len(wanted) or any(w is not None and w != g for w, g in zip(wanted, got, strict=True)):
            raise InputError(f"{source}: {key!r} has shape {got}, expected {wanted}.")
        if not np.isfinite(np.asarray(arrays[key], dtype=np.float64)).all():
            raise InputError(f"{source}: {key!r} holds values that are not finite.")
    faces = np.ascontiguousarray(arrays["faces"], dtype=np.int32)
    if faces.size and (faces.min() < 0 or faces.max() >= vertex_count):
        raise InputError(f"{source}: 'faces' names vertices outside 0..{vertex_count - 1}.")
    floats = {key: np.ascontiguousarray(arrays[key], dtype=np.float64) for key in _REQUIRED if key != "faces"}
    sums = floats["weights"].sum(1)
    if np.abs(sums - 1).max(initial=0) > _WEIGHT_TOLERANCE:
        worst = int(np.abs(sums - 1).argmax())
        raise InputError(f"{source}: the skinning weights of vertex {worst} sum to {sums[worst]:.4f}, expected 1.")
    if mano:
        from handsss.hand.joints import MANO_TIPS
        from handsss.hand.limits import MANO_LIMITS_DEG, mano_limits

        thumb_to_little = np.array(MANO_TIPS["manopth"])
        tips = np.array([thumb_to_little[i] for i in (1, 2, 4, 3, 0)])
        limits, convention = mano_limits(side), "axis_angle"
        assert limits.shape == np.shape(MANO_LIMITS_DEG)
    else:
        for key, shape in {"tips": (5,), "bone_frames": (15, 3, 3), "limits_deg": (15, 3, 2)}.items():
            if key not in arrays or arrays[key].shape != shape:
                came = arrays[key].shape if key in arrays else "nothing"
                raise InputError(f"{source}: {key!r} should have shape {shape}, got {came}.")
        tips = np.asarray(arrays["tips"], dtype=np.int64)
        limits, convention = np.asarray(arrays["limits_deg"], dtype=np.float64), "euler"
    std = np.asarray(arrays.get("hands_std", np.full(45, 1.0)), dtype=np.float64)
    fit_limits = limits
    if mano:
        own = registered_coefficients(arrays)
        fit_limits = own_limits(floats["hands_mean"], floats["hands_components"], std, own, side)
    uv, uv_faces = arrays.get("uv"), arrays.get("uv_faces")
    nails = arrays.get("nail_faces")
    sets = standard_sets(floats["J_regressor"], tips_in_finger_order(tips), mano=mano, side=side)
    sets.update(_measured_sets(arrays, vertex_count, source))
    return HandModel(
        name=name,
        side=side,
        v_template=floats["v_template"],
        faces=faces,
        weights=floats["weights"],
        shapedirs=floats["shapedirs"],
        posedirs=floats["posedirs"],
        j_regressor=floats["J_regressor"],
        parents=np.array(MODEL_PARENTS),
        hands_mean=floats["hands_mean"],
        hands_components=floats["hands_components"],
        hands_std=std,
        tips=tips,
        limits_deg=limits,
        angle_convention=cast(Literal["euler", "axis_angle"], convention),
        fit_limits_deg=fit_limits,
        bone_frames=None if mano else np.asarray(arrays["bone_frames"], dtype=np.float64),
        uv=None if uv is None else np.asarray(uv, dtype=np.float64),
        uv_faces=None if uv_faces is None else np.asarray(uv_faces, dtype=np.int32),
        nail_faces=None if nails is None else np.asarray(nails, dtype=np.int64),
        keypoint_sets=sets,
    )


def _measured_sets(arrays: dict[str, np.ndarray], vertex_count: int, source: str) -> dict[str, KeypointSet]:
    """Sets stored in the file as ``keypoints_NAME_{rows,columns,values}``: sparse weights on vertices."""
    sets = {}
    for key in sorted(arrays):
        if key.startswith("keypoints_") and key.endswith("_values"):
            name = key[len("keypoints_") : -len("_values")]
            try:
                rows, columns = arrays[f"keypoints_{name}_rows"], arrays[f"keypoints_{name}_columns"]
                matrix = csr_matrix((arrays[key].astype(np.float64), (rows, columns)), shape=(21, vertex_count))
                sets[name] = KeypointSet(name, np.zeros((21, 16)), matrix, "measured")
            except (KeyError, ValueError) as error:
                raise InputError(f"{source}: the keypoint set {name!r} is damaged ({error}).") from error
    return sets


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an npz file; object arrays (which could execute code) are refused.

    Raises:
        InputError: missing, not an npz, truncated, or holds Python objects.
    """
    import zipfile
    import zlib

    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Expected a hand model (.npz, or MANO's .pkl).") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, AttributeError, KeyError) as error:
        raise InputError(f"{path}: not a readable hand model npz ({error}).") from error
