"""Alignment of point sets by similarities, over any batch: Procrustes, root, and scale and translation.

float64 is recommended; results have the inputs' units.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Below this share of the largest singular value the points lie in a plane, and mirroring them there changes nothing.
_FLAT = 1e-9


class Similarity(NamedTuple):
    """``aligned = scale * (points - origin) @ rotation.T + target``, one per batch element.

    A point at the origin lands on the target exactly, without a rounding error: the official evaluations count an error
    of 0 within their first threshold, which is 0.
    """

    scale: np.ndarray  # [...]
    rotation: np.ndarray  # [..., 3, 3] orthogonal
    origin: np.ndarray  # [..., 3] of the points
    target: np.ndarray  # [..., 3] where it goes
    reflected: np.ndarray  # [...] bool: the rotation mirrors

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Points [..., P, 3], aligned."""
        rotated = (points - self.origin[..., None, :]) @ np.swapaxes(self.rotation, -1, -2)
        aligned: np.ndarray = self.scale[..., None, None] * rotated + self.target[..., None, :]
        return aligned


def procrustes(source: np.ndarray, target: np.ndarray, *, reflection: bool = False, scale: bool = True) -> Similarity:
    """Least-squares similarities that take each source to its target.

    Without ``reflection`` the rotation is proper (Umeyama 1991). With it, this is the alignment of the FreiHAND and
    HO-3D evaluations: centre, divide by the norm, solve the orthogonal Procrustes problem (Schoenemann 1966), scale
    back; nothing there forbids a mirrored match. A source without extent is moved to the target's centre, as it is
    there.

    Args:
        source, target: [..., P, 3], same units.
        reflection: allow mirroring.
        scale: also fit a scale; otherwise it is 1.

    Raises:
        ValueError: shapes differ or are not [..., P, 3].
    """
    source, target = np.asarray(source, dtype=np.float64), np.asarray(target, dtype=np.float64)
    if source.shape != target.shape or source.ndim < 2 or source.shape[-1] != 3:
        raise ValueError(f"expected two arrays [..., P, 3] of one shape, got {source.shape} and {target.shape}")
    mean_source, mean_target = source.mean(-2), target.mean(-2)
    a, b = source - mean_source[..., None, :], target - mean_target[..., None, :]
    u, singular, vt = np.linalg.svd(np.swapaxes(b, -1, -2) @ a)
    improper = np.linalg.det(u) * np.linalg.det(vt) < 0
    mirrored = improper & (singular[..., 2] > _FLAT * singular[..., 0])
    signs = np.ones_like(singular)
    if not reflection:
        signs[..., 2] = np.where(improper, -1.0, 1.0)
    rotation = (u * signs[..., None, :]) @ vt
    variance = np.einsum("...pc,...pc->...", a, a)
    factor = np.ones_like(variance)
    if scale:
        factor = np.where(variance > 0, (singular * signs).sum(-1) / np.where(variance > 0, variance, 1), 1.0)
    return Similarity(factor, rotation, mean_source, mean_target, mirrored if reflection else np.zeros_like(mirrored))


def aligned_distances(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """[..., P] distances between points after the proper similarity (without mirroring) that takes source to target.

    Args:
        source, target: [..., P, 3], same units.
    """
    distances: np.ndarray = np.linalg.norm(procrustes(source, target)(source) - target, axis=-1)
    return distances


def no_alignment(count: int) -> Similarity:
    """The identity for ``count`` hands: camera space as it is."""
    return _unrotated(np.ones(count), np.zeros((count, 3)), np.zeros((count, 3)))


def root_alignment(joints: np.ndarray, true_joints: np.ndarray, root: int) -> Similarity:
    """The translation that puts the root joint on the true one, exactly.

    Args:
        joints, true_joints: [N, 21, 3].
        root: index of the joint.
    """
    return _unrotated(np.ones(len(joints)), joints[:, root], true_joints[:, root])


def scale_translation_alignment(joints: np.ndarray, true_joints: np.ndarray, bone: tuple[int, int]) -> Similarity:
    """HO-3D's scale-and-translation alignment: one bone gets its true length, its first end its true position.

    A bone of length zero has no scale; the true length takes its place, as in the official code, so that a prediction
    of zeros lies in the wrist.

    Args:
        joints, true_joints: [N, 21, 3].
        bone: indices of its two joints.
    """
    first, second = bone
    length = np.linalg.norm(joints[:, second] - joints[:, first], axis=1)
    true_length = np.linalg.norm(true_joints[:, second] - true_joints[:, first], axis=1)
    scale = true_length / np.where(length > 0, length, 1)
    return _unrotated(scale, joints[:, first], true_joints[:, first])


def _unrotated(scale: np.ndarray, origin: np.ndarray, target: np.ndarray) -> Similarity:
    count = len(scale)
    return Similarity(scale, np.broadcast_to(np.eye(3), (count, 3, 3)), origin, target, np.zeros(count, dtype=bool))
