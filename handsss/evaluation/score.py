"""Metrics of samples: 3D errors under every alignment, 2D errors, per-joint table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from handsss.evaluation.metrics import LIMIT_2D, LIMIT_3D, areas, distances, f_scores
from handsss.evaluation.protocols import Protocol
from handsss.evaluation.samples import Samples
from handsss.geometry.procrustes import (
    Similarity,
    no_alignment,
    procrustes,
    root_alignment,
    scale_translation_alignment,
)
from handsss.hand.joints import JOINT_ORDERS

OFFICIAL, PROPER = "aligned_official", "aligned_proper"
VARIANTS = ("raw", "root_aligned", "scale_translation_aligned", OFFICIAL, PROPER)
_CHUNK = 256  # frames at a time; what is held is a few tens of megabytes, whatever the dataset's size


class Scores(NamedTuple):
    """Errors of one alignment."""

    joints: np.ndarray  # [N, 21] m
    vertices: np.ndarray | None  # [N] m, mean over the vertices; None without corresponding vertices
    vertex_areas: np.ndarray | None  # [N] area under the curve of the frame's vertices
    f: np.ndarray | None  # [N, 2] F-scores at 5 and 15 mm; None without meshes
    reflected_joints: np.ndarray  # [N] bool
    reflected_vertices: np.ndarray  # [N] bool

    def figures(self) -> dict[str, float | None]:
        """As in metrics.json.

        Every frame has the same keypoints, so the official mean over keypoints of each keypoint's mean is the mean of
        all errors.
        """
        return {
            "mpjpe_mm": 1000 * float(self.joints.mean()),
            "mpvpe_mm": None if self.vertices is None else 1000 * float(self.vertices.mean()),
            "auc_j": float(areas(self.joints, LIMIT_3D).mean()),
            "auc_v": None if self.vertex_areas is None else float(self.vertex_areas.mean()),
            "f5": None if self.f is None else float(self.f[:, 0].mean()),
            "f15": None if self.f is None else float(self.f[:, 1].mean()),
        }


def score_3d(
    samples: Samples, protocol: Protocol, progress: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, Scores]:
    """Errors under each alignment of :data:`VARIANTS`.

    Joints and meshes are aligned separately by Procrustes, as the official evaluations do, unless the meshes' vertices
    do not correspond: then a mesh follows its joints. Root and scale-and-translation alignment move both alike.

    Args:
        samples: at least one.
        protocol: names root joint and scale bone.
        progress: told frames done and in all.
    """
    count = len(samples)
    parts: dict[str, list[Scores]] = {name: [] for name in VARIANTS}
    for first in range(0, count, _CHUNK):
        rows = slice(first, first + _CHUNK)
        joints = np.asarray(samples.joints[rows], dtype=np.float64)
        true_joints = np.asarray(samples.true_joints[rows], dtype=np.float64)
        meshes = None
        if samples.vertices is not None and samples.true_vertices is not None:
            meshes = (
                np.asarray(samples.vertices[rows], dtype=np.float64),
                np.asarray(samples.true_vertices[rows], dtype=np.float64),
            )
        for name in VARIANTS:
            official = parts[OFFICIAL][-1] if name == PROPER else None
            if official is not None and not (official.reflected_joints | official.reflected_vertices).any():
                parts[name].append(official)  # nothing was mirrored, so forbidding it changes nothing
                continue
            parts[name].append(_chunk(name, joints, true_joints, meshes, samples.corresponding, protocol))
        progress(min(first + _CHUNK, count), count)
    return {name: _joined(chunks) for name, chunks in parts.items()}


def _chunk(
    name: str,
    joints: np.ndarray,
    true_joints: np.ndarray,
    meshes: tuple[np.ndarray, np.ndarray] | None,
    corresponding: bool,
    protocol: Protocol,
) -> Scores:
    by_joints: Similarity
    if name == "raw":
        by_joints = no_alignment(len(joints))
    elif name == "root_aligned":
        by_joints = root_alignment(joints, true_joints, protocol.root)
    elif name == "scale_translation_aligned":
        by_joints = scale_translation_alignment(joints, true_joints, protocol.scale_bone)
    else:
        by_joints = procrustes(joints, true_joints, reflection=name == OFFICIAL)
    errors = distances(by_joints(joints), true_joints)
    if meshes is None:
        return Scores(errors, None, None, None, by_joints.reflected, np.zeros(len(joints), dtype=bool))
    vertices, true_vertices = meshes
    by_mesh = by_joints
    if corresponding and name in (OFFICIAL, PROPER):
        by_mesh = procrustes(vertices, true_vertices, reflection=name == OFFICIAL)
    aligned = by_mesh(vertices)
    f = f_scores(aligned, true_vertices)
    if not corresponding:
        return Scores(errors, None, None, f, by_joints.reflected, by_mesh.reflected)
    apart = distances(aligned, true_vertices)
    area = areas(apart, LIMIT_3D).mean(1)
    return Scores(errors, apart.mean(1), area, f, by_joints.reflected, by_mesh.reflected)


def _joined(chunks: list[Scores]) -> Scores:
    columns = zip(*chunks, strict=True)
    return Scores(*(None if column[0] is None else np.concatenate(column) for column in columns))  # type: ignore[arg-type]


class Keypoints2d(NamedTuple):
    """2D errors of one set of keypoints."""

    errors: np.ndarray  # [N, 21] px
    unseen: np.ndarray  # [N, 21] bool

    def figures(self) -> dict[str, float]:
        """AUC over 0 to 50 px (supplement, table 5), mean and median error, share of unseen keypoints."""
        return {
            "per_joint": float(areas(self.errors, LIMIT_2D).mean()),
            "frame_mean": float(areas(self.errors.mean(1), LIMIT_2D).mean()),
            "frame_max": float(areas(self.errors.max(1), LIMIT_2D).mean()),
            "mean_px": float(self.errors.mean()),
            "median_px": float(np.median(self.errors)),
            "unseen": float(self.unseen.mean()),
        }


def score_2d(keypoints: np.ndarray, true_keypoints: np.ndarray) -> Keypoints2d:
    """Errors in pixels.

    A keypoint that was not seen (NaN) counts with an error just beyond the largest threshold: a miss for itself and for
    the worst of its frame, without deciding the frame's mean alone.

    Args:
        keypoints, true_keypoints: [N, 21, 2] px.
    """
    errors = distances(np.asarray(keypoints, dtype=np.float64), np.asarray(true_keypoints, dtype=np.float64))
    unseen = ~np.isfinite(errors)
    return Keypoints2d(np.where(unseen, np.nextafter(LIMIT_2D, np.inf), errors), unseen)


def joint_table(raw: Scores, aligned: Scores, keypoints: dict[str, Keypoints2d]) -> list[dict[str, Any]]:
    """One row a joint: mean errors (mm; px) and areas under the curve."""
    area_raw, area_aligned = areas(raw.joints, LIMIT_3D), areas(aligned.joints, LIMIT_3D)
    table: list[dict[str, Any]] = []
    for j, name in enumerate(JOINT_ORDERS["openpose"]):
        row: dict[str, Any] = {
            "joint": j,
            "name": name,
            "raw_mm": 1000 * float(raw.joints[:, j].mean()),
            "aligned_mm": 1000 * float(aligned.joints[:, j].mean()),
            "auc_raw": float(area_raw[:, j].mean()),
            "auc_aligned": float(area_aligned[:, j].mean()),
        }
        for which, scores in keypoints.items():
            row[f"{which}_px"] = float(scores.errors[:, j].mean())
            row[f"{which}_auc"] = float(areas(scores.errors[:, j], LIMIT_2D).mean())
        table.append(row)
    return table


def per_frame(scores: dict[str, Scores], aligned: str, keypoints: dict[str, Keypoints2d]) -> dict[str, np.ndarray]:
    """[N] a frame: mm for the hand, px for 2D keypoints.

    Args:
        scores: of :func:`score_3d`.
        aligned: which of the variants is the protocol's "aligned".
        keypoints: of :func:`score_2d`, by name.
    """
    result: dict[str, np.ndarray] = {}
    names = {name: name for name in VARIANTS} | {"aligned": aligned}
    for name, variant in names.items():
        one = scores[variant]
        result[f"{name}_mpjpe"] = 1000 * one.joints.mean(1)
        if one.vertices is not None:
            result[f"{name}_mpvpe"] = 1000 * one.vertices
        if one.f is not None:
            result[f"{name}_f5"], result[f"{name}_f15"] = one.f[:, 0], one.f[:, 1]
    for which, errors_2d in keypoints.items():
        result[which], result[f"{which}_max"] = errors_2d.errors.mean(1), errors_2d.errors.max(1)
    return result
