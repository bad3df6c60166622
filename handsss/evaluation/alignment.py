"""The alignments under which hands are scored, over whole batches; float64, metres."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Below this share of the largest singular value the points lie in a plane, and mirroring them there changes nothing.
_FLAT = 1e-9


class Similarities(NamedTuple):
    """``aligned = scale * points @ rotation.T + translation``, one a frame."""

    scale: np.ndarray  # [N]
    rotation: np.ndarray  # [N, 3, 3]
    translation: np.ndarray  # [N, 3]
    reflected: np.ndarray  # [N] bool: the rotation mirrors

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Points [N, P, 3], aligned."""
        turned = points @ self.rotation.transpose(0, 2, 1)
        return self.scale[:, None, None] * turned + self.translation[:, None]


def procrustes(source: np.ndarray, target: np.ndarray, *, reflection: bool) -> Similarities:
    """Least-squares similarities that take each source to its target.

    With ``reflection`` this is the alignment of the FreiHAND and HO-3D evaluations: centre, divide by the norm, solve
    the orthogonal Procrustes problem (Schoenemann 1966), scale back; nothing there forbids a mirrored match. Without
    it the rotation is proper (Umeyama 1991). A source without extent is moved to the target's centre, as it is there.

    Args:
        source, target: [N, P, 3].
        reflection: allow mirroring.
    """
    mean_source, mean_target = source.mean(1), target.mean(1)
    a, b = source - mean_source[:, None], target - mean_target[:, None]
    u, singular, vt = np.linalg.svd(b.transpose(0, 2, 1) @ a)
    mirrored = (np.linalg.det(u) * np.linalg.det(vt) < 0) & (singular[:, 2] > _FLAT * singular[:, 0])
    signs = np.ones_like(singular)
    if not reflection:
        signs[np.linalg.det(u) * np.linalg.det(vt) < 0, 2] = -1
    rotation = (u * signs[:, None]) @ vt
    spread = np.einsum("npc,npc->n", a, a)
    scale = np.where(spread > 0, (singular * signs).sum(1) / np.where(spread > 0, spread, 1), 1.0)
    translation = mean_target - scale[:, None] * np.einsum("nij,nj->ni", rotation, mean_source)
    return Similarities(scale, rotation, translation, mirrored if reflection else np.zeros_like(mirrored))


def _unturned(scale: np.ndarray, translation: np.ndarray) -> Similarities:
    count = len(scale)
    return Similarities(scale, np.broadcast_to(np.eye(3), (count, 3, 3)), translation, np.zeros(count, dtype=bool))


def no_alignment(count: int) -> Similarities:
    """Camera space as it is."""
    return _unturned(np.ones(count), np.zeros((count, 3)))


def root_alignment(joints: np.ndarray, true_joints: np.ndarray, root: int) -> Similarities:
    """The shift that puts the root joint on the true one.

    Args:
        joints, true_joints: [N, 21, 3].
        root: number of the joint.
    """
    return _unturned(np.ones(len(joints)), true_joints[:, root] - joints[:, root])


def scale_translation_alignment(joints: np.ndarray, true_joints: np.ndarray, bone: tuple[int, int]) -> Similarities:
    """HO-3D's scale-and-translation alignment: one bone gets its true length, its first end its true place.

    A bone of length zero has no scale; the true length takes its place, as in the official code, so that a prediction
    of zeros lies in the wrist.

    Args:
        joints, true_joints: [N, 21, 3].
        bone: numbers of its two joints.
    """
    first, second = bone
    length = np.linalg.norm(joints[:, second] - joints[:, first], axis=1)
    true_length = np.linalg.norm(true_joints[:, second] - true_joints[:, first], axis=1)
    scale = true_length / np.where(length > 0, length, 1)
    return _unturned(scale, true_joints[:, first] - scale[:, None] * joints[:, first])
