"""Transfer of keypoint sets between hand models.

A tool's keypoint definition was measured on the open hand; MANO has other vertices and proportions. Each keypoint is
expressed in its bone's frame, relative to the hand's size, and reproduced on the other hand as a convex combination of
nearby vertices.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls
from scipy.sparse import csr_matrix

from handsss.errors import InputError
from handsss.hand.joints import FINGERS, MODEL_JOINTS, MODEL_PARENTS, MODEL_TO_OPENPOSE, OPENPOSE_TIP_ROWS
from handsss.hand.keypoint_sets import KeypointSet
from handsss.hand.model import HandModel

_NEIGHBOURS = 48  # vertices that may carry a keypoint
# Prices against a millimetre of misplacement: of one vertex carrying all (so that the vertices all around a point share
# it, as they share its motion), and of weights that do not sum to one.
_SPREAD, _SUM = 2e-3, 1e4


def transfer_keypoint_set(source: HandModel, target: HandModel, name: str) -> KeypointSet:
    """A keypoint set of ``source`` as convex combinations of the vertices of ``target``.

    Args:
        source: the model that has the set.
        target: a model of the same side.
        name: of the set.

    Returns:
        The set for ``target``, with no weights on kinematic joints.

    Raises:
        InputError: ``source`` has no set of that name, or the sides differ.
    """
    if source.side != target.side:
        raise InputError(f"cannot transfer keypoints from a {source.side} to a {target.side} hand: mirror one of them.")
    given = source.keypoint_set(name)
    joints = source.j_regressor @ source.v_template
    points = given.joint_weights @ joints + given.vertex_weights @ source.v_template  # [21, 3]
    target_points = corresponding_points(source, target, points)
    weights = np.stack([_carriers(target, point, _bone_of(row)) for row, point in enumerate(target_points)])
    note = f"carried over from the hand model {source.name!r}: {given.note}"
    return KeypointSet(name, np.zeros((21, 16)), csr_matrix(weights), note)


def corresponding_points(source: HandModel, target: HandModel, points: np.ndarray) -> np.ndarray:
    """Points [21, 3] beside the bones of ``source`` (open pose, metres) moved to the same positions of ``target``."""
    placed = np.empty((21, 3))
    source_frames, target_frames = _BoneFrames(source), _BoneFrames(target)
    for row, point in enumerate(points):
        bone = _bone_of(row)
        local = source_frames.axes[bone].T @ (point - source_frames.joints[bone])
        along = target_frames.lengths[bone] / source_frames.lengths[bone]
        across = target_frames.size / source_frames.size
        local = local * np.array([along, across, across])
        placed[row] = target_frames.joints[bone] + target_frames.axes[bone] @ local
    return placed


def _bone_of(row: int) -> int:
    """The model joint at whose bone an OpenPose keypoint lies; fingertips belong to the last bone."""
    joint = MODEL_TO_OPENPOSE[row]
    return joint if joint >= 0 else MODEL_JOINTS.index(f"{FINGERS[OPENPOSE_TIP_ROWS.index(row)]}3")


class _BoneFrames:
    """A frame at each of a model's 16 joints in the open pose: along the bone, across it, and palm to back."""

    def __init__(self, model: HandModel) -> None:
        self.joints = model.j_regressor @ model.v_template  # [16, 3]
        index, middle, little = (self.joints[MODEL_JOINTS.index(f"{f}1")] for f in ("index", "middle", "little"))
        wrist = self.joints[0]
        self.size = float(np.linalg.norm(middle - wrist))
        palm = np.cross(index - wrist, little - wrist)
        self.axes = np.empty((16, 3, 3))
        self.lengths = np.empty(16)
        for joint, name in enumerate(MODEL_JOINTS):
            if joint == 0:
                end = middle
            elif name.endswith("3"):
                end = self._end_of_finger(model, joint)
            else:
                end = self.joints[joint + 1]
            bone = end - self.joints[joint]
            self.lengths[joint] = np.linalg.norm(bone)
            along = bone / self.lengths[joint]
            back = palm - along * (along @ palm)
            back /= np.linalg.norm(back)
            self.axes[joint] = np.stack([along, np.cross(back, along), back], 1)

    def _end_of_finger(self, model: HandModel, joint: int) -> np.ndarray:
        """The furthest point of the finger along its last bone; tip vertices are every tool's own choice."""
        previous = self.joints[joint] - self.joints[joint - 1]
        axis = previous / np.linalg.norm(previous)
        own = model.v_template[model.weights[:, joint] > 0.5]
        if not len(own):
            return self.joints[joint] + previous * 0.8
        heights = (own - self.joints[joint]) @ axis
        end: np.ndarray = own[np.argsort(heights)[-3:]].mean(0)
        return end


def _carriers(model: HandModel, point: np.ndarray, joint: int) -> np.ndarray:
    """Convex weights [V] over vertices near a point and of its finger whose combination is the point."""
    bones = [joint]
    if joint > 0:
        bones += [MODEL_PARENTS[joint], *(j for j, parent in enumerate(MODEL_PARENTS) if parent == joint)]
    own = np.flatnonzero(model.weights[:, bones].sum(1) > 0.5)
    if len(own) < 4:
        own = np.arange(model.vertex_count)
    distances = np.linalg.norm(model.v_template[own] - point, axis=1)
    chosen = own[np.argsort(distances)[:_NEIGHBOURS]]
    offsets = model.v_template[chosen] - point
    count = len(chosen)
    rows = np.concatenate([offsets.T * 1e3, np.full((1, count), _SUM), np.eye(count) * _SPREAD])
    wanted = np.zeros(4 + count)
    wanted[3] = _SUM
    found, _ = nnls(rows, wanted)
    weights = np.zeros(model.vertex_count)
    weights[chosen] = found / found.sum()
    return weights
