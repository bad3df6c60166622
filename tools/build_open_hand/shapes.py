"""The shape space: people's hands, varied in the proportions of their segments, reduced to ten components."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from handsss.hand.joints import MODEL_PARENTS

LENGTH = 0.185  # metres, wrist to middle tip, before sizes are drawn


class ShapeSpace(NamedTuple):
    """Mean hand and its principal components."""

    mean: np.ndarray  # [V, 3]
    directions: np.ndarray  # [V, 3, 10] metres per standard deviation
    explained: float  # share of the variance
    mean_error: float  # metres, mean vertex error of the reconstruction by ten components


def _segment_scaling(
    vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray, tips: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """One hand with fingers and palm stretched segment by segment (recipe step 5)."""
    scales = np.tile(np.eye(3), (16, 1, 1))
    palm = 1 + rng.normal(0, [0.03, 0.04, 0.035])
    scales[0] = np.diag(palm)
    length_all, girth_all = 1 + rng.normal(0, 0.035), 1 + rng.normal(0, 0.05)
    # First, second and third phalanges vary together over the fingers, little on their own.
    phalanx = rng.normal(0, 0.02, 3)
    for finger in range(5):
        length, girth = length_all + rng.normal(0, 0.008), girth_all + rng.normal(0, 0.008)
        for k in range(3):
            joint = 3 * finger + k + 1
            end = vertices[tips[finger]] if k == 2 else joints[joint + 1]
            bone = (end - joints[joint]) / np.linalg.norm(end - joints[joint])
            stretch = length * (1 + phalanx[k] + rng.normal(0, 0.006))
            scales[joint] = girth * np.eye(3) + (stretch - girth) * np.outer(bone, bone)
    moved = joints.copy()
    for joint in range(1, 16):
        parent = MODEL_PARENTS[joint]
        moved[joint] = moved[parent] + scales[parent] @ (joints[joint] - joints[parent])
    offset = vertices[:, None] - joints[None]  # [V, 16, 3]
    placed = np.einsum("jab,vjb->vja", scales, offset) + moved
    return np.einsum("vj,vja->va", weights, placed), moved


def vary(
    vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray, tips: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Normalise flat hands [S, V, 3] to one length, vary their segments and draw their sizes."""
    # Segment scales vary smoothly over a joint, not in the steps in which the skinning weights do.
    results, result_joints = [], []
    for hand, bones in zip(vertices, joints, strict=True):
        factor = LENGTH / np.linalg.norm(hand[tips[1]] - bones[0])
        varied, moved = _segment_scaling(hand * factor, bones * factor, weights, tips, rng)
        size = np.clip(rng.normal(1, 0.065), 0.78, 1.2)
        origin = moved[4]
        results.append((varied - origin) * size)
        result_joints.append((moved - origin) * size)
    return np.array(results), np.array(result_joints)


def principal_components(samples: np.ndarray, count: int = 10) -> ShapeSpace:
    """Ten components scaled by their standard deviations; signs fixed so that the build is reproducible."""
    mean = samples.mean(0)
    flat = (samples - mean).reshape(len(samples), -1)
    _, singular, rows = np.linalg.svd(flat, full_matrices=False)
    rows = rows[:count]
    rows *= np.sign(rows[np.arange(count), np.abs(rows).argmax(1)])[:, None]
    deviation = singular[:count] / np.sqrt(len(samples) - 1)
    rebuilt = (flat @ rows.T) @ rows
    error = np.linalg.norm((flat - rebuilt).reshape(samples.shape), axis=-1).mean()
    explained = float((singular[:count] ** 2).sum() / (singular**2).sum())
    directions = (deviation[:, None] * rows).reshape(count, -1, 3).transpose(1, 2, 0)
    return ShapeSpace(mean, np.ascontiguousarray(directions), explained, float(error))


def joint_regressor(samples: np.ndarray, joints: np.ndarray, *, train: int = 750, near: int = 200) -> np.ndarray:
    """Non-negative weights [16, V] that sum to 1 and give the joints from the vertices (recipe step 6).

    Args:
        samples: [S, V, 3] hands; the first ``train`` are used.
        joints: [S, 16, 3].
        near: how many vertices may take part in a joint.
    """
    mean, mean_joints = samples[:train].mean(0), joints[:train].mean(0)
    regressor = np.zeros((16, samples.shape[1]))
    for joint in range(16):
        candidates = np.argsort(np.linalg.norm(mean - mean_joints[joint], axis=1), kind="stable")[:near]
        # In millimetres; the heavy last row makes the weights sum to one.
        system = samples[:train, candidates].transpose(0, 2, 1).reshape(-1, near) * 1000
        right = joints[:train, joint].reshape(-1) * 1000
        system = np.concatenate([system, np.full((1, near), 1e5)])
        weights, _ = nnls(system, np.append(right, 1e5), maxiter=100 * near)
        weights = np.round(weights, 7)
        regressor[joint, candidates] = weights / weights.sum()
    return regressor
