"""Keypoint sets: where on the hand the 21 keypoints of a tool or a dataset lie.

Each set is linear in the posed model: ``keypoints = joint_weights @ joints + vertex_weights @ vertices`` with rows that
sum to 1 in total, so that it moves with the hand and needs no further convention.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from handsss.hand.joints import (
    FINGERS,
    MANO_LEFT_MANOPTH_TIPS,
    MANO_TIPS,
    MODEL_FINGERS,
    MODEL_TO_OPENPOSE,
    OPENPOSE_TIP_ROWS,
)


@dataclass(frozen=True)
class KeypointSet:
    """One definition of the 21 keypoints, OpenPose order."""

    name: str
    joint_weights: np.ndarray  # [21, 16] on the kinematic joints, MANO order
    vertex_weights: csr_matrix  # [21, V] on the posed vertices
    note: str = ""  # where the definition comes from

    def __post_init__(self) -> None:
        total = self.joint_weights.sum(1) + np.asarray(self.vertex_weights.sum(1)).ravel()
        if not np.allclose(total, 1, atol=1e-5):
            worst = int(np.abs(total - 1).argmax())
            raise ValueError(
                f"keypoint set {self.name!r}: weights of keypoint {worst} sum to {total[worst]:.6f}, not 1"
            )


def tips_in_finger_order(tips: np.ndarray) -> np.ndarray:
    """Model files list tips as index, middle, little, ring, thumb; keypoints want thumb to little."""
    return np.array([tips[MODEL_FINGERS.index(finger)] for finger in FINGERS])


def kinematic_set(name: str, tips: np.ndarray, vertex_count: int, note: str) -> KeypointSet:
    """Joints of the kinematic chain plus one vertex a fingertip (thumb to little)."""
    joint_weights = np.zeros((21, 16))
    for row, joint in enumerate(MODEL_TO_OPENPOSE):
        if joint >= 0:
            joint_weights[row, joint] = 1
    vertex_weights = csr_matrix((np.ones(5), (OPENPOSE_TIP_ROWS, tips)), shape=(21, vertex_count))
    return KeypointSet(name, joint_weights, vertex_weights, note)


def regressed_set(name: str, j_regressor: np.ndarray, tips: np.ndarray, note: str) -> KeypointSet:
    """Joints regressed from the *posed* vertices, as FreiHAND's ground truth is made, plus one vertex a fingertip."""
    vertex_weights = np.zeros((21, j_regressor.shape[1]))
    for row, joint in enumerate(MODEL_TO_OPENPOSE):
        if joint >= 0:
            vertex_weights[row] = j_regressor[joint]
    vertex_weights[list(OPENPOSE_TIP_ROWS), tips] = 1
    return KeypointSet(name, np.zeros((21, 16)), csr_matrix(vertex_weights), note)


def standard_sets(j_regressor: np.ndarray, tips: np.ndarray, *, mano: bool, side: str) -> dict[str, KeypointSet]:
    """The sets that every model has.

    Args:
        j_regressor: [16, V].
        tips: [5] vertex ids, thumb to little, of the model's own fingertips.
        mano: vertex numbers are MANO's, so the benchmarks' own tip ids apply.
        side: "right" or "left".
    """
    count = j_regressor.shape[1]

    def ids(who: str) -> np.ndarray:
        if not mano:
            return tips
        if who == "manopth" and side == "left":
            return np.array(MANO_LEFT_MANOPTH_TIPS)
        return np.array(MANO_TIPS[who])

    return {
        "joints": kinematic_set("joints", tips, count, "kinematic chain, the model's own fingertips"),
        "openpose": kinematic_set("openpose", ids("freihand"), count, "kinematic chain, FreiHAND's fingertips"),
        "freihand": regressed_set("freihand", j_regressor, ids("freihand"), "regressed from posed vertices"),
        "ho3d": kinematic_set("ho3d", ids("ho3d"), count, "kinematic chain, HO-3D's fingertips"),
        "manopth": kinematic_set("manopth", ids("manopth"), count, "kinematic chain, manopth's fingertips"),
        "smplx": kinematic_set("smplx", ids("smplx"), count, "kinematic chain, smplx's fingertips"),
    }
