"""Pairs predictions with ground truth, and computes their metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from handsss.evaluation.diagnosis import diagnose
from handsss.evaluation.ground_truth import GroundTruth
from handsss.evaluation.mesh_topology import matching_model, mesh_keypoints, shares_topology
from handsss.evaluation.network_predictions import NetworkPredictions
from handsss.evaluation.protocols import Protocol
from handsss.evaluation.samples import Evaluation, Samples
from handsss.evaluation.score import OFFICIAL, PROPER, joint_table, per_frame, score_2d, score_3d
from handsss.geometry.cameras import project
from handsss.network.weights import shown_name
from handsss.training.trained_network import TrainedNetwork
from handsss.version import __version__


@dataclass
class PairedPredictions:
    """Predictions paired with ground truth, before scoring."""

    samples: Samples
    about: dict[str, Any]  # where the predictions come from
    keypoints_definition: str | None = None  # what the true 2D keypoints are
    notes: list[str] = field(default_factory=list)


def project_points(points: np.ndarray, cameras: np.ndarray) -> np.ndarray:
    """Pixels [N, P, 2] of camera-frame points [N, P, 3] m."""
    return project(torch.as_tensor(np.asarray(points, np.float64)), torch.as_tensor(cameras)).numpy()


def pair_network(
    trained: TrainedNetwork, truth: GroundTruth, run: NetworkPredictions, rows: np.ndarray
) -> PairedPredictions:
    """Pair a network's predictions with ground truth.

    Args:
        trained: the network.
        truth: of the pictures.
        run: predictions for ``rows``; joints of the truth's keypoint set among them.
        rows: [N] pictures whose truth is known.
    """
    notes = list(truth.notes)
    keypoints: dict[str, np.ndarray] = {}
    detected = truth.detected
    if detected is not None and detected.keypoint_set == trained.keypoint_set:
        keypoints["detector"] = detected.keypoints[rows]
    elif detected is not None:
        notes.append(
            f"The data's 2D keypoints are defined as {detected.keypoint_set!r}, the network's as "
            f"{trained.keypoint_set!r}: the detector was left out of the 2D figures."
        )
    if run.predicted is not None:
        keypoints["predicted"] = run.predicted
    keypoints["projected"] = run.projected
    model = trained.network.hand.model
    meshes = truth.vertices[rows] if truth.vertices is not None else None
    if meshes is not None and not np.isfinite(meshes).all():
        meshes = None  # known of some frames only
    corresponding = meshes is not None and shares_topology(meshes, model)
    if meshes is not None and not corresponding:
        notes.append(
            f"The true meshes ({meshes.shape[1]} vertices) are not numbered as those of the network's hand model "
            f"({model.name}): vertex errors have no meaning and are left out; F-scores compare the surfaces."
        )
    definition = f"projected true joints ({truth.joints_set})"
    flat_truth = truth.joints[rows]
    mesh_model = model if corresponding else matching_model(meshes)
    if meshes is not None and mesh_model is not None and trained.keypoint_set in mesh_model.keypoint_sets:
        flat_truth = mesh_keypoints(meshes.astype(np.float64), mesh_model, trained.keypoint_set)
        definition = f"{trained.keypoint_set}, of the true mesh"
    samples = pair_samples(
        truth,
        rows,
        run.joints[truth.joints_set],
        run.vertices,
        keypoints=keypoints,
        true_keypoints=project_points(flat_truth, truth.K[rows]),
        corresponding=corresponding,
    )
    about = {
        "checkpoint": shown_name(trained.path),
        "precision": trained.network.precision.name,
        "hand_model": trained.model,
        "about": trained.about,
    }
    return PairedPredictions(samples, about, definition, notes)


def pair_samples(
    truth: GroundTruth,
    rows: np.ndarray,
    joints: np.ndarray,
    vertices: np.ndarray | None,
    *,
    keypoints: dict[str, np.ndarray],
    true_keypoints: np.ndarray | None,
    corresponding: bool = True,
) -> Samples:
    """Pair predictions of some rows with ground truth. True meshes are used only if every row has one.

    Args:
        truth: of all pictures.
        rows: [N] pictures whose truth is known.
        joints, vertices, keypoints, true_keypoints, corresponding: see :class:`Samples`, for these rows.
    """
    meshes = None if truth.vertices is None else truth.vertices[rows]
    if meshes is not None and not np.isfinite(meshes).all():
        meshes = None
    same = meshes is not None and vertices is not None and vertices.shape == meshes.shape
    with_detector = truth.detected is not None and "detector" in keypoints
    return Samples(
        names=[truth.names[row] for row in rows],
        joints=joints,
        true_joints=truth.joints[rows],
        vertices=vertices,
        true_vertices=meshes,
        keypoints=keypoints,
        confidence=truth.detected.confidence[rows] if truth.detected is not None and with_detector else None,
        true_keypoints=true_keypoints,
        K=truth.K[rows],
        source=truth.path,
        rows=rows,
        corresponding=corresponding and same,
        detected=truth.detections(rows),
        crop=lambda i: np.array(truth.crop(int(rows[i]))),
    )


def score_pairs(
    prepared: PairedPredictions,
    truth: GroundTruth,
    protocol: Protocol,
    *,
    proper: bool,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Compute all metrics.

    Args:
        prepared: at least one sample.
        truth: of all pictures.
        protocol: of the benchmark.
        proper: "aligned" forbids reflections.
        progress: told frames done and in all.
    """
    samples = prepared.samples
    scores = score_3d(samples, protocol, progress)
    flat = {}
    if samples.true_keypoints is not None:
        flat = {name: score_2d(points, samples.true_keypoints) for name, points in samples.keypoints.items()}
    aligned = PROPER if proper else OFFICIAL
    notes = [*prepared.notes, *diagnose(samples, scores, proper=proper)]
    left_out = len(truth) - len(samples)
    if left_out:
        notes.append(f"{left_out} of {len(truth)} pictures have no true joints and were left out.")
    official = scores[OFFICIAL]
    metrics: dict[str, Any] = {
        "count": len(samples),
        "protocol": protocol.name,
        "proper": proper,
        "data": str(truth.path),
        "dataset": truth.dataset,
        "split": truth.split,
        "checkpoint": None,
        **prepared.about,
        "aligned": scores[aligned].figures(),
        **{name: one.figures() for name, one in scores.items()},
        "reflections": {
            "joints": int(official.reflected_joints.sum()),
            "vertices": int(official.reflected_vertices.sum()),
            "allowed": not proper,
        },
        "keypoints_2d": {name: one.figures() for name, one in flat.items()},
        "keypoints_2d_definition": prepared.keypoints_definition,
        "joints_3d_set": truth.joints_set,
        "per_joint": joint_table(scores["raw"], scores[aligned], flat),
        "notes": notes,
        "program": f"handsss {__version__}",
    }
    return Evaluation(samples, metrics, per_frame(scores, aligned, flat), notes)
