"""Scores a prediction file of any method on a store or dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from handsss.errors import InputError
from handsss.evaluation.conventions import convert_predictions
from handsss.evaluation.ground_truth import GroundTruth, open_ground_truth
from handsss.evaluation.options import EvaluationOptions, StageProgress
from handsss.evaluation.pairing import PairedPredictions, pair_samples, project_points, score_pairs
from handsss.evaluation.prediction_file import PredictionFile, read_prediction_file
from handsss.evaluation.samples import Evaluation


def evaluate_predictions(
    predictions: Path, data: Path, options: EvaluationOptions, *, progress: StageProgress
) -> Evaluation:
    """Score a prediction file.

    Args:
        predictions: ``[xyz, verts]`` as JSON, or zipped; an entry for each picture or for each annotation of the split.
        data: a store, or a dataset's folder.
        options: protocol, split, limit.
        progress: stages "reading the predictions", "reading the ground truth", "scoring".

    Raises:
        InputError: the file is not such a file, or has other counts than the data; see also :func:`open_ground_truth`.
    """
    progress.begin("reading the predictions")
    file = read_prediction_file(predictions)
    progress.begin("reading the ground truth")
    truth = open_ground_truth(data, options.split, limit=options.limit, progress=progress)
    protocol = options.protocol_for(truth.dataset, truth.path)
    file = _matched(file, truth, options.limit)
    signs = truth.signs
    meshes = None if file.vertices is None else file.vertices * signs
    converted = convert_predictions(file.joints * signs, meshes, truth.joints, protocol)
    notes = [*truth.notes, *converted.notes]
    rows = np.flatnonzero(truth.known)
    joints = converted.joints[rows]
    vertices = None if converted.vertices is None else converted.vertices[rows]
    if vertices is None:
        notes.append("The file holds no vertices: only joints were scored.")
    keypoints, flat_truth = {}, None
    if (joints[..., 2] > 0).all():  # none behind the camera: the hands are in its frame
        keypoints["projected"] = project_points(joints, truth.K[rows])
        flat_truth = project_points(truth.joints[rows], truth.K[rows])
    paired = PairedPredictions(
        pair_samples(truth, rows, joints, vertices, keypoints=keypoints, true_keypoints=flat_truth),
        {"predictions": str(predictions)},
        f"projected true joints ({truth.joints_set})" if keypoints else None,
        notes,
    )
    progress.begin("scoring")
    return score_pairs(paired, truth, protocol, proper=options.proper, progress=progress)


def _matched(file: PredictionFile, truth: GroundTruth, limit: int | None) -> PredictionFile:
    """Predictions in the order of the truth's rows."""
    count = len(file.joints)
    if count == len(truth):
        return file
    chosen: np.ndarray | slice
    if truth.samples and count == truth.samples:
        # A store may hold some of the pictures; training pictures come in versions that share an annotation.
        chosen = truth.index % truth.samples
    elif limit is not None and count > len(truth):
        chosen = slice(limit)
    else:
        whole = f", of {truth.samples} annotations" if truth.samples and truth.samples != len(truth) else ""
        raise InputError(
            f"{file.path}: {count} predictions, but {truth.path} ({truth.dataset}, {truth.split}) has {len(truth)} "
            f"pictures{whole}. Expected one entry for every picture, in the dataset's order."
        )
    return PredictionFile(file.path, file.joints[chosen], None if file.vertices is None else file.vertices[chosen])
