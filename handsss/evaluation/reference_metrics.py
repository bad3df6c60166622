"""The official protocol, frame by frame in plain numpy: the reference that the vectorised metrics are tested against.

Written after the descriptions of the FreiHAND and HO-3D evaluations. Metres.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import orthogonal_procrustes


def align_similarity(true: np.ndarray, predicted: np.ndarray, *, proper: bool = False) -> np.ndarray:
    """Procrustes: centre both, divide by the norms, rotate (or mirror, unless ``proper``), scale, move.

    Args:
        true, predicted: [P, 3].
        proper: rotations only.

    Returns:
        [P, 3] predicted points, aligned.
    """
    a, b = true - true.mean(0), predicted - predicted.mean(0)
    norm_a, norm_b = np.linalg.norm(a), np.linalg.norm(b)
    if norm_b == 0:
        return np.broadcast_to(true.mean(0), predicted.shape).copy()
    rotation, scale = orthogonal_procrustes(a / norm_a, b / norm_b)
    if proper and np.linalg.det(rotation) < 0:
        u, singular, vt = np.linalg.svd((b / norm_b).T @ (a / norm_a))
        u[:, 2] *= -1
        rotation, scale = (u @ vt).T, singular[0] + singular[1] - singular[2]
    aligned: np.ndarray = b / norm_b @ rotation.T * scale * norm_a + true.mean(0)
    return aligned


def align_root(true: np.ndarray, predicted: np.ndarray, root: int) -> np.ndarray:
    """Joints [21, 3] moved so that the root lies on the true one."""
    return predicted - predicted[root] + true[root]


def align_scale_translation(true: np.ndarray, predicted: np.ndarray, bone: tuple[int, int]) -> np.ndarray:
    """Joints [21, 3] scaled to the true length of a bone and moved to its first end."""
    first, second = bone
    length = np.linalg.norm(predicted[second] - predicted[first])
    scaled = predicted / length if length > 0 else predicted
    scaled = scaled * np.linalg.norm(true[second] - true[first])
    return scaled - scaled[first] + true[first]


def mean_and_area(errors: list[np.ndarray], limit: float = 0.05) -> tuple[float, float]:
    """Mean over keypoints of each keypoint's mean error, and area under the mean curve of the keypoints.

    Args:
        errors: [P] a frame.
        limit: largest of 100 thresholds.
    """
    table = np.array(errors)
    steps = np.linspace(0, limit, 100)
    means, curves = [], []
    for keypoint in range(table.shape[1]):
        values = table[:, keypoint]
        means.append(values.mean())
        curves.append([(values <= step).mean() for step in steps])
    area = np.trapezoid(np.mean(curves, 0), steps) / np.trapezoid(np.ones_like(steps), steps)
    return float(np.mean(means)), float(area)


def f_score(true: np.ndarray, predicted: np.ndarray, threshold: float) -> float:
    """Of two point clouds [V', 3] and [V, 3]."""
    table = np.sqrt(((predicted[:, None] - true[None]) ** 2).sum(-1))
    recall = np.mean(table.min(1) < threshold)
    precision = np.mean(table.min(0) < threshold)
    return float(2 * recall * precision / (recall + precision)) if recall + precision > 0 else 0.0


def metrics_frame_by_frame(
    joints: np.ndarray,
    true_joints: np.ndarray,
    vertices: np.ndarray,
    true_vertices: np.ndarray,
    *,
    proper: bool = False,
) -> dict[str, dict[str, Any]]:
    """Raw and aligned figures as `metrics.json` has them.

    Args:
        joints, true_joints: [N, 21, 3].
        vertices, true_vertices: [N, V, 3].
        proper: forbid mirroring.
    """
    result = {}
    for name in ("raw", "aligned"):
        joint_errors, vertex_errors, scores = [], [], []
        for j, tj, v, tv in zip(joints, true_joints, vertices, true_vertices, strict=True):
            if name == "aligned":
                j, v = align_similarity(tj, j, proper=proper), align_similarity(tv, v, proper=proper)
            joint_errors.append(np.sqrt(((j - tj) ** 2).sum(-1)))
            vertex_errors.append(np.sqrt(((v - tv) ** 2).sum(-1)))
            scores.append([f_score(tv, v, 0.005), f_score(tv, v, 0.015)])
        mpjpe, auc_j = mean_and_area(joint_errors)
        mpvpe, auc_v = mean_and_area(vertex_errors)
        f5, f15 = np.mean(scores, 0)
        result[name] = {
            "mpjpe_mm": 1000 * mpjpe,
            "mpvpe_mm": 1000 * mpvpe,
            "auc_j": auc_j,
            "auc_v": auc_v,
            "f5": float(f5),
            "f15": float(f15),
        }
    return result
