"""Rigid and similarity alignment of point sets (Procrustes), in plain numpy, float64."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Similarity(NamedTuple):
    """``aligned = scale * points @ rotation.T + translation``."""

    scale: float
    rotation: np.ndarray  # [3, 3]
    translation: np.ndarray  # [3]
    reflected: bool  # the rotation mirrors

    def __call__(self, points: np.ndarray) -> np.ndarray:
        return self.scale * points @ self.rotation.T + self.translation


def similarity_alignment(
    source: np.ndarray, target: np.ndarray, *, scale: bool = True, reflection: bool = False
) -> Similarity:
    """The least-squares similarity that takes ``source`` to ``target`` (Umeyama 1991).

    Args:
        source, target: [N, 3], same units.
        scale: also fit a scale; otherwise it is 1.
        reflection: allow a mirrored match, as FreiHAND's official evaluation does.

    Raises:
        ValueError: shapes differ or are not [N, 3].
    """
    source = np.asarray(source, dtype=np.float64)
    target = np.asarray(target, dtype=np.float64)
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 3:
        raise ValueError(f"expected two arrays [N, 3] of one shape, got {source.shape} and {target.shape}")
    mean_source, mean_target = source.mean(0), target.mean(0)
    a, b = source - mean_source, target - mean_target
    u, singular, vt = np.linalg.svd(b.T @ a)
    flip = np.ones(3)
    reflected = bool(np.linalg.det(u @ vt) < 0)
    if reflected and not reflection:
        flip[2] = -1
    rotation = (u * flip) @ vt
    spread = float((a * a).sum())
    factor = float((singular * flip).sum() / spread) if scale and spread > 0 else 1.0
    return Similarity(factor, rotation, mean_target - factor * rotation @ mean_source, reflected and reflection)
