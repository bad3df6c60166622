"""Pose-dependent corrections: what smooth skin does beyond linear blending, learnt from delta mush."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from tools.build_open_hand.canonical import transforms
from tools.build_open_hand.skeleton import averaging

SMOOTHING_STEPS = 14
LONGEST = 0.008  # metres
RIDGE = 1e-4


def _frames(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Orthonormal frames [V, 3, 3] of a mesh's vertices: normal, and the direction of a fixed neighbour."""
    corners = points[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(points)
    for k in range(3):
        np.add.at(normals, faces[:, k], across)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    neighbour = np.zeros(len(points), dtype=np.int64)
    neighbour[faces[::-1, 0]] = faces[::-1, 1]
    neighbour[faces[::-1, 2]] = np.where(neighbour[faces[::-1, 2]] == 0, faces[::-1, 0], neighbour[faces[::-1, 2]])
    missing = neighbour == 0
    neighbour[missing] = np.roll(np.arange(len(points)), 1)[missing]
    tangent = points[neighbour] - points
    tangent -= (tangent * normals).sum(1, keepdims=True) * normals
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-12)
    return np.stack([normals, tangent, np.cross(normals, tangent)], 2)


def _smooth(points: np.ndarray, mean: csr_matrix, pinned: np.ndarray) -> np.ndarray:
    smoothed = points
    for _ in range(SMOOTHING_STEPS):
        moved = 0.5 * smoothed + 0.5 * (mean @ smoothed)
        moved[pinned] = points[pinned]  # the open ring would shrink
        smoothed = moved
    return smoothed


def pose_directions(
    template: np.ndarray,
    faces: np.ndarray,
    weights: np.ndarray,
    joints: np.ndarray,
    rotations: np.ndarray,
    pinned: np.ndarray,
    *,
    held_out: int,
) -> tuple[np.ndarray, float]:
    """Corrections linear in (R - I) of the joints that influence each vertex (recipe step 9).

    Args:
        template: [V, 3] flat.
        rotations: [N, 15, 3, 3] poses; the last ``held_out`` only test.
        pinned: vertex ids that delta mush leaves alone (the ring at the wrist).

    Returns:
        posedirs [V, 3, 135], and R^2 on the poses held out.
    """
    mean = averaging(faces, len(template))
    rest_smooth = _smooth(template, mean, pinned)
    delta = (_frames(rest_smooth, faces).swapaxes(1, 2) @ (template - rest_smooth)[..., None])[..., 0]
    count = len(rotations)
    targets = np.zeros((count, len(template), 3))
    for i in range(count):
        local = np.concatenate([np.eye(3)[None], rotations[i]])
        world, posed = transforms(joints, local)
        offset = posed - (world @ joints[..., None])[..., 0]
        blended = np.einsum("vj,jab->vab", weights, world)
        linear = (blended @ template[..., None])[..., 0] + weights @ offset
        smooth = _smooth(linear, mean, pinned)
        mushed = smooth + (_frames(smooth, faces) @ delta[..., None])[..., 0]
        pulled = np.linalg.solve(blended + 1e-6 * np.eye(3), (mushed - linear)[..., None])[..., 0]
        length = np.linalg.norm(pulled, axis=1, keepdims=True)
        targets[i] = pulled * np.minimum(1, LONGEST / np.maximum(length, 1e-12))
    features = (rotations - np.eye(3)).reshape(count, 15, 9)
    directions = np.zeros((len(template), 3, 15, 9))
    train = count - held_out
    # Smoothing carries a joint's bend to the skin beside its own.
    reach = weights
    for _ in range(8):
        reach = 0.5 * reach + 0.5 * (mean @ reach)
    influences = reach[:, 1:] > 1.5e-3
    predicted = np.zeros((held_out, len(template), 3))
    patterns, group = np.unique(influences, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        mine = np.flatnonzero(group.ravel() == number)
        if not pattern.any():
            continue
        x = features[:, pattern].reshape(count, -1)
        gram = x[:train].T @ x[:train] + RIDGE * train * np.eye(x.shape[1])
        solution = np.linalg.solve(gram, x[:train].T @ targets[:train, mine].reshape(train, -1))
        predicted[:, mine] = (x[train:] @ solution).reshape(held_out, len(mine), 3)
        block = solution.reshape(int(pattern.sum()), 9, len(mine), 3)
        directions[np.ix_(mine, range(3), np.flatnonzero(pattern), range(9))] = block.transpose(2, 3, 0, 1)
    test = targets[train:]
    residual = ((test - predicted) ** 2).sum() / ((test - targets[:train].mean(0)) ** 2).sum()
    return directions.reshape(len(template), 3, 135), float(1 - residual)
