"""Scores a trained network on a store or dataset, and writes its predictions as a benchmark's submission."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from handsss.errors import InputError
from handsss.evaluation.ground_truth import GroundTruth, open_ground_truth
from handsss.evaluation.network_predictions import NetworkPredictions, predict_images
from handsss.evaluation.options import EvaluationOptions, StageProgress
from handsss.evaluation.pairing import pair_network, score_pairs
from handsss.evaluation.samples import Evaluation
from handsss.evaluation.submission import write_submission
from handsss.training.trained_network import TrainedNetwork


class Submission(NamedTuple):
    """A submission that was written."""

    path: Path
    frames: int
    evaluation: Evaluation | None  # None: these pictures have no ground truth
    notes: list[str]


def evaluate_network(
    trained: TrainedNetwork, data: Path, options: EvaluationOptions, *, batch: int, progress: StageProgress
) -> Evaluation:
    """Score a trained network.

    Joints are compared in the definition of the data's own joints. 2D keypoints are compared in the definition that the
    network's 2D branch was trained on: computed from the true mesh if it has the topology of a known hand model (joints
    regressed from the posed mesh stand in for kinematic ones; they differ by millimetres), else with the projected true
    joints.

    Args:
        trained: the network.
        data: a store, or a dataset's folder.
        options: protocol, split, limit.
        batch: pictures at a time.
        progress: stages "reading the ground truth", "predicting", "scoring".

    Raises:
        UserError, InputError: see :func:`open_ground_truth`; predictions that are not finite.
    """
    progress.begin("reading the ground truth")
    truth = open_ground_truth(data, options.split, limit=options.limit, progress=progress)
    rows = np.flatnonzero(truth.known)
    progress.begin("predicting")
    run = predict_images(trained, truth, (truth.joints_set,), rows=rows, batch=batch, progress=progress)
    return _score(trained, truth, run, rows, options, progress)


def submit_network(
    trained: TrainedNetwork,
    data: Path,
    submission: Path,
    options: EvaluationOptions,
    *,
    align_root: bool,
    batch: int,
    progress: StageProgress,
) -> Submission:
    """Write a network's predictions as the benchmark's official file, and score them where ground truth is known.

    Every picture of the split gets an entry, in its order. Joints are those that the benchmark defines, computed from
    the predicted mesh and pose: FreiHAND's regressed from the posed mesh, HO-3D's of the kinematic chain, each with its
    own fingertips.

    Args:
        submission: a .zip or .json.
        align_root: shift each hand to the root joint that the dataset gives; the paper does not.
        trained, data, options, batch, progress: see :func:`evaluate_network`.

    Raises:
        UserError, InputError: as there; root joints that the data does not have.
    """
    progress.begin("reading the ground truth")
    truth = open_ground_truth(data, options.split, scored=False, limit=options.limit, progress=progress)
    protocol = options.protocol_for(truth.dataset, truth.path)
    if align_root and not np.isfinite(truth.roots).any():
        raise InputError(
            f"{truth.path}: gives no root joints to align to. Leave out {{align_root}}.", options=("align_root",)
        )
    progress.begin("predicting")
    sets = tuple(dict.fromkeys((protocol.joints_set, truth.joints_set or protocol.joints_set)))
    run = predict_images(trained, truth, sets, batch=batch, progress=progress)
    progress.begin("writing the submission")
    signs = truth.signs
    write_submission(
        submission,
        run.joints[protocol.joints_set] * signs,
        run.vertices * signs,
        protocol,
        roots=truth.roots * signs[:, 0] if align_root else None,
        progress=progress,
    )
    rows = np.flatnonzero(truth.known)
    evaluation = _score(trained, truth, run.rows(rows), rows, options, progress) if len(rows) else None
    return Submission(submission, len(truth), evaluation, _notes(trained, truth))


def _score(
    trained: TrainedNetwork,
    truth: GroundTruth,
    run: NetworkPredictions,
    rows: np.ndarray,
    options: EvaluationOptions,
    progress: StageProgress,
) -> Evaluation:
    progress.begin("scoring")
    protocol = options.protocol_for(truth.dataset, truth.path)
    return score_pairs(
        pair_network(trained, truth, run, rows), truth, protocol, proper=options.proper, progress=progress
    )


def _notes(trained: TrainedNetwork, truth: GroundTruth) -> list[str]:
    """Why the benchmark's server might not take the submission as it is."""
    notes = []
    if not np.array_equal(truth.index, np.arange(truth.samples)):
        notes.append(
            f"The submission has {len(truth)} entries, for the pictures that were given. The split has "
            f"{truth.samples}, and its evaluation expects an entry for each, in order."
        )
    if trained.network.hand.model.name in ("open", "open-detail"):
        notes.append(
            "The submission was made with the open hand. The benchmark's vertices and fingertips are MANO's: its "
            "evaluation would compare other points. Train with MANO for it."
        )
    return notes
