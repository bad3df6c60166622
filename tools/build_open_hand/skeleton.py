"""Bone frames, joint limits and smoothed skinning weights."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, diags

from tools.build_open_hand.source import limit_influences

# Degrees: azimuth, pitch (flexion positive), roll. Fingers: clinical ranges of motion; the thumb's carpometacarpal
# joint is a saddle whose roll follows its flexion (opposition), so its ranges are wide.
_FINGER_TAIL = [((-2, 2), (-5, 105), (-2, 2)), ((-2, 2), (-8, 75), (-2, 2))]
LIMITS_DEG = np.array(
    [
        ((-12, 18), (-20, 88), (-6, 6)), *_FINGER_TAIL,  # index
        ((-12, 12), (-20, 88), (-6, 6)), *_FINGER_TAIL,  # middle
        ((-25, 8), (-20, 90), (-6, 6)), *_FINGER_TAIL,  # little
        ((-16, 10), (-20, 90), (-6, 6)), *_FINGER_TAIL,  # ring
        ((-28, 28), (-22, 42), (-15, 42)), ((-8, 8), (-15, 60), (-6, 6)), ((-3, 3), (-18, 82), (-3, 3)),  # thumb
    ],
    dtype=np.float64,
)  # fmt: skip


def adjacency(faces: np.ndarray, count: int) -> csr_matrix:
    """Symmetric 0/1 matrix of vertices joined by an edge."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    matrix = coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count)).tocsr()
    matrix = matrix + matrix.T
    matrix.data[:] = 1
    return matrix


def averaging(faces: np.ndarray, count: int) -> csr_matrix:
    """Row-stochastic matrix that replaces a vertex by the mean of its neighbours."""
    matrix = adjacency(faces, count)
    return diags(1 / np.asarray(matrix.sum(1)).ravel()) @ matrix


def smooth_weights(weights: np.ndarray, faces: np.ndarray, vertices: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Let skinning run more softly, most of all around the thumb's base, whose weights end in a step and fold the web
    between thumb and index finger when the thumb bends."""
    mean = averaging(faces, len(weights))
    smoothed = weights.copy()
    # 1 at the thumb's two inner joints, fading over 3 cm.
    distance = np.minimum(*(np.linalg.norm(vertices - joints[joint], axis=1) for joint in (13, 14)))
    thumb = np.exp(-0.5 * (distance / 0.022) ** 2)[:, None]
    for step in range(14):
        amount = 0.6 * thumb if step >= 2 else np.maximum(0.35, 0.6 * thumb)
        smoothed = (1 - amount) * smoothed + amount * (mean @ smoothed)
    return limit_influences(smoothed)


def bone_frames(joints: np.ndarray, tips: np.ndarray, thumb_dorsal: np.ndarray) -> np.ndarray:
    """Frames [15, 3, 3], columns bone, flexion axis, dorsal direction (recipe step 7).

    Args:
        joints: [16, 3] flat template.
        tips: [5, 3] fingertips: index, middle, little, ring, thumb.
        thumb_dorsal: [3] mean normal of the thumb nail: the bend of the thumb's bones does not show its axis.
    """
    frames = np.zeros((15, 3, 3))
    for finger in range(5):
        up = thumb_dorsal if finger == 4 else np.array([0.0, 1.0, 0.0])
        for k in range(3):
            joint = 3 * finger + k + 1
            end = tips[finger] if k == 2 else joints[joint + 1]
            bone = end - joints[joint]
            bone /= np.linalg.norm(bone)
            dorsal = up - (up @ bone) * bone
            dorsal /= np.linalg.norm(dorsal)
            frames[joint - 1] = np.stack([bone, np.cross(dorsal, bone), dorsal], 1)
    return frames
