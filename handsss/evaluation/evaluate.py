"""Evaluating a trained network, or anyone's predictions, against the truth of a store or dataset."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from handsss.errors import InputError, UserError
from handsss.evaluation.conventions import convert_predictions
from handsss.evaluation.ground_truth import GroundTruth, open_ground_truth
from handsss.evaluation.network_predictions import predict_images
from handsss.evaluation.pairing import PairedPredictions, pair_network, pair_samples, project_points, score_pairs
from handsss.evaluation.prediction_file import PredictionFile, read_prediction_file
from handsss.evaluation.protocols import PROTOCOLS, Protocol, protocol_named
from handsss.evaluation.samples import Evaluation
from handsss.evaluation.submission import check_name, write_submission
from handsss.network.precision import FLOAT32
from handsss.training.trained_network import load_trained_network

_MIRROR = np.array([-1.0, 1.0, 1.0])

Progress = Callable[[int, int], None]  # pictures done and in all, of what was announced last
Announce = Callable[[str], None]


def _count_nothing(done: int, total: int) -> None:
    pass


def _say_nothing(what: str) -> None:
    pass


class Submission(NamedTuple):
    """What a submission was made of."""

    path: Path
    frames: int
    evaluation: Evaluation | None  # None: the truth of these pictures is not known
    notes: list[str]


def evaluate_checkpoint(
    checkpoint: Path,
    data: Path,
    *,
    protocol: str | None = None,
    proper: bool = False,
    split: str | None = None,
    limit: int | None = None,
    device: str | torch.device = "cpu",
    precision: str = FLOAT32,
    batch: int = 32,
    progress: Progress | None = None,
    announce: Announce | None = None,
) -> Evaluation:
    """Score a trained network.

    Joints are compared in the definition of the data's own joints. 2D keypoints are compared in the definition that the
    network's 2D branch was trained on: computed from the true mesh where that is one of a known hand model (joints
    regressed from the posed mesh stand in for kinematic ones; they differ by millimetres), else with the projected true
    joints.

    Args:
        checkpoint: a checkpoint or a run's folder.
        data: a store, or a dataset's folder.
        protocol: "freihand" or "ho3d"; the data's own by default.
        proper: forbid reflections in the alignment.
        split: "training" or "evaluation", of a folder.
        limit: first pictures only.
        device: that computes.
        precision: of the network: float32, bfloat16 or float16.
        batch: pictures at a time.
        progress: told pictures done and in all.
        announce: told what is done next.

    Raises:
        UserError, InputError: see :func:`load_trained_network` and :func:`open_ground_truth`.
    """
    progress, announce = progress or _count_nothing, announce or _say_nothing
    trained = load_trained_network(checkpoint, device, precision)
    announce("reading the truth")
    truth = open_ground_truth(data, split, limit=limit, progress=progress)
    chosen = protocol_for(protocol, truth)
    rows = np.flatnonzero(truth.known)
    announce("predicting")
    run = predict_images(trained, truth, (truth.joints_set,), rows=rows, batch=batch, progress=progress)
    announce("scoring")
    return score_pairs(pair_network(trained, truth, run, rows), truth, chosen, proper=proper, progress=progress)


def submit_checkpoint(
    checkpoint: Path,
    data: Path,
    submission: Path,
    *,
    protocol: str | None = None,
    proper: bool = False,
    align_root: bool = False,
    split: str | None = None,
    limit: int | None = None,
    device: str | torch.device = "cpu",
    precision: str = FLOAT32,
    batch: int = 32,
    progress: Progress | None = None,
    announce: Announce | None = None,
) -> Submission:
    """Write a network's predictions as the benchmark's official file, and score them where the truth is known.

    Every picture of the split gets an entry, in its order. Joints are those that the benchmark defines, computed from
    the predicted mesh and pose: FreiHAND's regressed from the posed mesh, HO-3D's of the kinematic chain, each with its
    own fingertips.

    Args:
        submission: a .zip or .json.
        align_root: shift each hand to the root joint that the dataset gives; the paper does not use it.
        checkpoint, data, protocol, proper, split, limit, device, precision, batch, progress, announce: see
            :func:`evaluate_checkpoint`.

    Raises:
        UserError, InputError: as there; root joints that the data does not have.
    """
    progress, announce = progress or _count_nothing, announce or _say_nothing
    check_name(submission)
    trained = load_trained_network(checkpoint, device, precision)
    announce("reading the truth")
    truth = open_ground_truth(data, split, scored=False, limit=limit, progress=progress)
    chosen = protocol_for(protocol, truth)
    if align_root and not np.isfinite(truth.roots).any():
        raise InputError(
            f"{truth.path}: gives no root joints to align to. Leave out {{align_root}}.", options=("align_root",)
        )
    announce("predicting")
    sets = tuple(dict.fromkeys((chosen.joints_set, truth.joints_set or chosen.joints_set)))
    run = predict_images(trained, truth, sets, batch=batch, progress=progress)
    announce("writing the submission")
    signs = np.where(truth.mirrored[:, None, None], _MIRROR, 1.0)
    write_submission(
        submission,
        run.joints[chosen.joints_set] * signs,
        run.vertices * signs,
        chosen,
        roots=truth.roots * signs[:, 0] if align_root else None,
        progress=progress,
    )
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
    rows = np.flatnonzero(truth.known)
    if not len(rows):
        return Submission(submission, len(truth), None, notes)
    announce("scoring")
    prepared = pair_network(trained, truth, run.rows(rows), rows)
    evaluation = score_pairs(prepared, truth, chosen, proper=proper, progress=progress)
    return Submission(submission, len(truth), evaluation, notes)


def evaluate_predictions(
    predictions: Path,
    data: Path,
    *,
    protocol: str | None = None,
    proper: bool = False,
    split: str | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
    announce: Announce | None = None,
) -> Evaluation:
    """Score a prediction file of anyone.

    Args:
        predictions: ``[xyz, verts]`` as JSON, or zipped; an entry for each picture or for each annotation of the split.
        data, protocol, proper, split, limit, progress, announce: see :func:`evaluate_checkpoint`.

    Raises:
        InputError: the file is not such a file, or has other counts than the data; see also :func:`open_ground_truth`.
    """
    progress, announce = progress or _count_nothing, announce or _say_nothing
    announce("reading the predictions")
    file = read_prediction_file(predictions)
    announce("reading the truth")
    truth = open_ground_truth(data, split, limit=limit, progress=progress)
    chosen = protocol_for(protocol, truth)
    file = _matched(file, truth, limit)
    signs = np.where(truth.mirrored[:, None, None], _MIRROR, 1.0)
    meshes = None if file.vertices is None else file.vertices * signs
    found = convert_predictions(file.joints * signs, meshes, truth.joints, chosen)
    notes = [*truth.notes, *found.notes]
    rows = np.flatnonzero(truth.known)
    joints = found.joints[rows]
    vertices = None if found.vertices is None else found.vertices[rows]
    if vertices is None:
        notes.append("The file holds no vertices: only joints were scored.")
    keypoints, flat_truth = {}, None
    if (joints[..., 2] > 0).all():  # none behind the camera: the hands are in its frame
        keypoints["projected"] = project_points(joints, truth.K[rows])
        flat_truth = project_points(truth.joints[rows], truth.K[rows])
    samples = pair_samples(truth, rows, joints, vertices, keypoints=keypoints, true_keypoints=flat_truth)
    prepared = PairedPredictions(
        samples,
        {"predictions": str(predictions)},
        f"projected true joints ({truth.joints_set})" if keypoints else None,
        notes,
    )
    announce("scoring")
    return score_pairs(prepared, truth, chosen, proper=proper, progress=progress)


def protocol_for(name: str | None, truth: GroundTruth) -> Protocol:
    """The protocol asked for, or the data's own.

    Raises:
        UserError: an unknown name, or data without a protocol.
    """
    if name is not None:
        return protocol_named(name)
    if truth.dataset in PROTOCOLS:
        return PROTOCOLS[truth.dataset]
    raise UserError(
        f"{truth.path}: dataset {truth.dataset!r} has no protocol of its own. Give {{protocol}}.", options=("protocol",)
    )


def _matched(file: PredictionFile, truth: GroundTruth, limit: int | None) -> PredictionFile:
    """Predictions in the order of the truth's rows."""
    count = len(file.joints)
    if count == len(truth):
        return file
    chosen: np.ndarray | slice
    if truth.samples and count == truth.samples:
        # A store can hold some of the pictures; training pictures come in versions that share an annotation.
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
