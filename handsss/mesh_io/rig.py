"""A hand as animation programs hold it: a bind mesh with 16 joints, blend shapes and the pose of the photo.

glTF's skinning is the hand model's own: linear blend skinning about the shaped rest joints. Two things of the model it
does not know. Pose correctives (``posedirs``) are offsets of the bind mesh that depend on the pose: they are kept for
the photo's pose alone. Shape coefficients move joints besides vertices: blend shapes move vertices only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from handsss.errors import UserError
from handsss.geometry.cameras import to_opengl
from handsss.hand.joints import MODEL_JOINTS
from handsss.hand.load import load_model
from handsss.hand.model import HandModel, mirrored
from handsss.hand.result import HandResult

_TOLERANCE = 1e-4  # metres: the hand's vertices follow from its parameters, or the rig would show another hand
TO_VIEWER = np.diag([1.0, -1.0, -1.0])  # camera axes to the viewers', as to_opengl


@dataclass(frozen=True)
class Rig:
    """A hand's skeleton, bind mesh and pose. The bind pose is the flat hand in the model's axes, unscaled, metres."""

    parents: tuple[int, ...]  # [16], -1 for the wrist
    joints: np.ndarray  # [16, 3] at rest, of the hand's own shape
    vertices: np.ndarray  # [V, 3] bind mesh, of the hand's own shape
    tips: np.ndarray  # [5, 3] fingertips at rest: index, middle, little, ring, thumb
    weights: np.ndarray  # [V, 16] rows sum to 1
    shape_offsets: np.ndarray  # [10, V, 3] of the bind mesh for one unit more of each shape coefficient
    shape_joint_offsets: np.ndarray  # [10, 16, 3] of the rest joints, likewise
    correctives: np.ndarray  # [V, 3] of the bind mesh, for the pose ``rotations``
    rotations: np.ndarray  # [16, 3, 3] the wrist's in the viewers' axes, then each joint's in its parent
    translation: np.ndarray  # [3] the wrist in the viewers' axes
    scale: float  # of the wrist and everything below it

    def transforms(self, rotations: np.ndarray | None = None) -> np.ndarray:
        """[16, 4, 4]: joint frames to the viewers' axes.

        Args:
            rotations: [16, 3, 3]; the photo's pose if left out.
        """
        return _chain(self, self.joints, self.translation, self.rotations if rotations is None else rotations)

    def posed(self, bind: np.ndarray, rotations: np.ndarray | None = None) -> np.ndarray:
        """[V, 3]: a bind mesh [V, 3] skinned with these joints, in the viewers' axes."""
        return _skinned(bind, self.joints, self.transforms(rotations), self.weights)

    @cached_property
    def influences(self) -> int:
        """Most joints that a vertex follows."""
        return int((self.weights > 0).sum(1).max())

    @cached_property
    def corrective_lengths(self) -> np.ndarray:
        """[V] metres: how far the pose correctives move each vertex of the posed hand."""
        return np.linalg.norm(self.posed(self.vertices + self.correctives) - self.posed(self.vertices), axis=1)

    @cached_property
    def shape_errors(self) -> np.ndarray:
        """[10, V] metres: what a blend shape of weight 1 misses of the model's hand, whose joints move too."""
        shown = _from_rest(self.joints, self.transforms())
        missed = []
        for offsets in self.shape_joint_offsets:
            joints = self.joints + offsets
            wrist = self.translation + self.scale * self.rotations[0] @ offsets[0]
            true = _from_rest(joints, _chain(self, joints, wrist, self.rotations))
            missed.append(np.linalg.norm(self.weights @ (true - shown), axis=1))
        return np.stack(missed)

    def to_json(self) -> dict[str, Any]:
        """``rig`` in NAME.json."""
        return {
            "joints": list(MODEL_JOINTS),
            "influences": self.influences,
            "correctives_mean_mm": round(float(self.corrective_lengths.mean() * 1000), 3),
            "correctives_max_mm": round(float(self.corrective_lengths.max() * 1000), 3),
            "shape_targets_miss_max_mm": round(float(self.shape_errors.max() * 1000), 3),
        }


def rigs_of(hands: Sequence[HandResult]) -> list[Rig]:
    """The rigs of a photo's hands; each hand model is read once.

    Raises:
        InputError: a hand model is not here any more (MANO's files).
        UserError: see :func:`rig_of`.
    """
    sources = [hand.model_source or hand.model for hand in hands]
    models = {source: load_model(source) for source in set(sources)}
    return [rig_of(hand, models[source]) for hand, source in zip(hands, sources, strict=True)]


def rig_of(hand: HandResult, model: HandModel) -> Rig:
    """The rig of a hand.

    Args:
        hand: any reconstructed or re-posed hand.
        model: the one it was fitted with; left hands have the mirror image of the right one.

    Raises:
        UserError: the hand's vertices are not those of its pose and shape.
    """
    own = model if model.side == hand.hand else mirrored(model)
    shape = np.asarray(hand.shape, dtype=np.float64)
    vertices = own.v_template + own.shapedirs @ shape
    joints = own.j_regressor @ vertices
    local = Rotation.from_rotvec(np.asarray(hand.pose, dtype=np.float64).reshape(15, 3)).as_matrix()
    turn = Rotation.from_rotvec(np.asarray(hand.rotation, dtype=np.float64)).as_matrix()
    scale = abs(float(hand.scale))
    shape_offsets = own.shapedirs.transpose(2, 0, 1)
    rig = Rig(
        parents=tuple(int(parent) for parent in own.parents),
        joints=joints,
        vertices=vertices,
        tips=vertices[own.tips],
        weights=own.weights / own.weights.sum(1, keepdims=True),
        shape_offsets=shape_offsets,
        shape_joint_offsets=own.j_regressor @ shape_offsets,
        correctives=own.posedirs @ (local - np.eye(3)).reshape(135),
        rotations=np.concatenate([(TO_VIEWER @ turn)[None], local]),
        translation=TO_VIEWER @ (scale * turn @ joints[0] + np.asarray(hand.translation, dtype=np.float64)),
        scale=scale,
    )
    posed, wanted = rig.posed(vertices + rig.correctives), to_opengl(hand.vertices)
    off = np.inf if posed.shape != wanted.shape else float(np.abs(posed - wanted).max())
    if not off <= _TOLERANCE:
        raise UserError(
            f"rig of a {hand.hand} hand: expected vertices of the model {hand.model!r} in the hand's pose and shape, "
            f"got others (up to {off * 1000:.1f} mm away). Save it as {{static}} .glb, which holds any vertices.",
            options=("static",),
        )
    return rig


def _chain(rig: Rig, joints: np.ndarray, wrist: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    transforms = np.tile(np.eye(4), (16, 1, 1))
    transforms[0, :3, :3], transforms[0, :3, 3] = rig.scale * rotations[0], wrist
    for joint, parent in enumerate(rig.parents[1:], 1):
        local = np.eye(4)
        local[:3, :3], local[:3, 3] = rotations[joint], joints[joint] - joints[parent]
        transforms[joint] = transforms[parent] @ local
    return transforms


def _skinned(bind: np.ndarray, joints: np.ndarray, transforms: np.ndarray, weights: np.ndarray) -> np.ndarray:
    turns = (weights @ transforms[:, :3, :3].reshape(16, 9)).reshape(-1, 3, 3)
    return (turns @ bind[..., None])[..., 0] + weights @ _from_rest(joints, transforms)


def _from_rest(joints: np.ndarray, transforms: np.ndarray) -> np.ndarray:
    """[16, 3]: where each joint's transform takes the origin of the bind mesh."""
    return transforms[:, :3, 3] - (transforms[:, :3, :3] @ joints[..., None])[..., 0]
