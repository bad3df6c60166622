"""Scores several runs on the same data; ground truth is read once."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from handsss.errors import InputError
from handsss.evaluation.ground_truth import GroundTruth, open_ground_truth
from handsss.evaluation.metrics import distances
from handsss.evaluation.network_predictions import predict_images
from handsss.evaluation.options import StageProgress
from handsss.evaluation.pairing import PairedPredictions, pair_network
from handsss.evaluation.paper.runs import TrainedRun
from handsss.evaluation.samples import Samples
from handsss.evaluation.score import Keypoints2d, score_2d
from handsss.geometry.procrustes import procrustes

_CHUNK = 256  # frames at a time


class GroundTruthCache:
    """Ground truth by path and split, each read once.

    Args:
        limit: first pictures only.
        progress: a stage for each dataset and run.
    """

    def __init__(self, limit: int | None, progress: StageProgress) -> None:
        self.limit, self.progress = limit, progress
        self._read: dict[tuple[Path, str | None, bool], GroundTruth] = {}

    def truth(self, path: Path, split: str | None = None, *, scored: bool = True) -> GroundTruth:
        """The pictures of a store or folder.

        Raises:
            InputError: see :func:`handsss.evaluation.ground_truth.open_ground_truth`.
        """
        key = (path.resolve(), split, scored)
        if key not in self._read:
            self.progress.begin(f"reading {path.name}")
            self._read[key] = open_ground_truth(path, split, scored=scored, limit=self.limit, progress=self.progress)
        return self._read[key]


class MeanErrors3d(NamedTuple):
    """Mean 3D errors of a run, cm. Vertices: None where the true meshes are missing or numbered in another way."""

    frames: int
    joints: float  # unaligned, in the camera's frame
    vertices: float | None
    aligned_joints: float  # after Procrustes alignment, as the official evaluations have it
    aligned_vertices: float | None


def predict_run(run: TrainedRun, truth: GroundTruth, data: GroundTruthCache, batch: int = 32) -> PairedPredictions:
    """A run's predictions for the pictures whose truth is known, and notes on how they were compared.

    Raises:
        InputError: a picture that cannot be read, a diverged network.
    """
    rows = np.flatnonzero(truth.known)
    data.progress.begin(f"evaluating {run.name}")
    joint_sets = (truth.joints_set,)
    predictions = predict_images(run.trained, truth, joint_sets, rows=rows, batch=batch, progress=data.progress)
    return pair_network(run.trained, truth, predictions, rows)


def mean_errors_3d(samples: Samples) -> MeanErrors3d:
    """Mean errors of joints and vertices, unaligned and aligned."""
    meshes = samples.corresponding and samples.vertices is not None and samples.true_vertices is not None
    sums = np.zeros((2, 2))  # joints, vertices; raw, aligned
    for first in range(0, len(samples), _CHUNK):
        part = slice(first, first + _CHUNK)
        pairs = [(samples.joints[part], samples.true_joints[part])]
        if meshes and samples.vertices is not None and samples.true_vertices is not None:
            pairs.append((samples.vertices[part], samples.true_vertices[part]))
        for which, pair in enumerate(pairs):
            points, truth = (np.asarray(array, dtype=np.float64) for array in pair)
            aligned = procrustes(points, truth, reflection=True)(points)
            sums[which] += [distances(points, truth).mean(1).sum(), distances(aligned, truth).mean(1).sum()]
    (joints, aligned_joints), (vertices, aligned_vertices) = 100 * sums / len(samples)
    if not meshes:
        return MeanErrors3d(len(samples), joints, None, aligned_joints, None)
    return MeanErrors3d(len(samples), joints, vertices, aligned_joints, aligned_vertices)


def errors_2d(samples: Samples) -> dict[str, Keypoints2d]:
    """2D errors of the detector's, the 2D branch's and the projected keypoints, as far as available."""
    if samples.true_keypoints is None:
        return {}
    return {name: score_2d(points, samples.true_keypoints) for name, points in samples.keypoints.items()}


def training_data(run: TrainedRun) -> Path:
    """The training data of a run.

    Raises:
        InputError: the run does not say, or it is not there any more.
    """
    if not run.data:
        raise InputError(
            f"{run.path}: does not say what it was trained on. Give the training images with {{data}}.",
            options=("data",),
        )
    path = Path(run.data)
    if not path.exists():
        raise InputError(
            f"{run.path}: was trained on {path}, which is not there (seen from {Path.cwd()}). Give the training images "
            "with {data}.",
            options=("data",),
        )
    return path


def describe_data(truth: GroundTruth) -> str:
    """A dataset's name, split and size, for a table's title."""
    split = f", {truth.split} images" if truth.split else ""
    return f"{truth.path.name} ({truth.dataset}{split}, {int(truth.known.sum())} frames)"
