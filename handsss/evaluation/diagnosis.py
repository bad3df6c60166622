"""Diagnoses common mistakes from the metrics: wrong units, joint order, reflections, root-relative predictions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from handsss.evaluation.metrics import distances
from handsss.evaluation.samples import Samples
from handsss.evaluation.score import OFFICIAL, PROPER, Scores
from handsss.geometry.procrustes import procrustes
from handsss.hand.joints import JOINT_ORDERS, OPENPOSE_TIP_ROWS, reorder_indices

_FRAMES_CHECKED = 200  # frames
# Joints and meshes of one method score within a few percent of each other; HO-3D's joints in another order gave 25
# against 12 mm (HandMesh issue 86).
_APART, _APART_MM = 1.5, 2.0
_BETTER = 0.5  # another assignment of joints must bring the error below this share
_UNITS = {1000.0: ("millimetres", "divide by 1000"), 100.0: ("centimetres", "divide by 100")}


def diagnose(samples: Samples, scores: dict[str, Scores], *, proper: bool) -> list[str]:
    """Notes for the user.

    Args:
        samples: what was scored.
        scores: of :func:`handsss.evaluation.score.score_3d`.
        proper: "aligned" forbids reflections.
    """
    notes = [*_size(samples), *_reflections(scores, proper)]
    order = _order(samples)
    if order:
        notes.append(order)
    notes += _disagreement(scores[PROPER if proper else OFFICIAL], bool(order))
    return notes


def _size(samples: Samples) -> list[str]:
    """Units, and predictions that are not in camera space."""
    # The extent of all joints, which their order does not change.
    size = np.sqrt(samples.joints.var(1).sum(-1))
    true_size = np.sqrt(samples.true_joints.var(1).sum(-1))
    ratio = float(np.median(size / np.maximum(true_size, 1e-9)))
    if ratio == 0:
        return ["All joints of the predictions lie in one point: the hands have no size."]
    unaffected = "Aligned figures do not depend on it; raw, root-aligned and camera-space ones mean nothing until then."
    for factor, (unit, cure) in _UNITS.items():
        if factor / 3 < ratio < factor * 3:
            return [
                f"The predicted hands are {ratio:.0f} times as large as the true ones: they look like {unit}. Expected "
                f"metres; {cure}. {unaffected}"
            ]
    if not 0.5 < ratio < 2:
        return [f"The predicted hands are {ratio:.3g} times as large as the true ones. Expected metres. {unaffected}"]
    distance = np.median(np.linalg.norm(samples.joints.mean(1), axis=1))
    true_distance = np.median(np.linalg.norm(samples.true_joints.mean(1), axis=1))
    if distance < 0.15 < 0.5 * true_distance:
        return [
            f"Predictions lie {100 * distance:.0f} cm from the camera, the true hands {100 * true_distance:.0f} cm: "
            "they look relative to a root joint. Expected the camera's frame. Root-aligned and aligned figures do not "
            "depend on it; raw ones mean nothing."
        ]
    return []


def _reflections(scores: dict[str, Scores], proper: bool) -> list[str]:
    official, strict = scores[OFFICIAL], scores[PROPER]
    joints, vertices = int(official.reflected_joints.sum()), int(official.reflected_vertices.sum())
    if not joints and not vertices:
        return []
    count = len(official.joints)
    parts = [_with_and_without("joints", official.joints, strict.joints)]
    if official.vertices is not None and strict.vertices is not None:
        parts.append(_with_and_without("vertices", official.vertices, strict.vertices))
    how = "mirrors, as it may," if not proper else "mirrors (which is forbidden here)"
    return [
        f"The official alignment {how} the joints of {joints} and the meshes of {vertices} of {count} predictions. "
        f"Mean aligned error: {'; '.join(parts)}. Many of them mean left hands, or depth with the wrong sign."
    ]


def _with_and_without(what: str, official: np.ndarray, strict: np.ndarray) -> str:
    return f"{1000 * official.mean():.2f} mm with it, {1000 * strict.mean():.2f} mm without ({what})"


class Assignment(NamedTuple):
    """Which predicted joint stands for which true one."""

    order: np.ndarray  # [21] predicted joint of each true joint
    error: float  # m, mean aligned error with it
    error_before: float  # m, with the joints as they are


def best_assignment(joints: np.ndarray, true_joints: np.ndarray) -> Assignment:
    """The order of joints that fits the truth best (Hungarian method and alignment in turns, from each order that the
    field knows).

    Args:
        joints, true_joints: [N, 21, 3].
    """

    def error(order: np.ndarray) -> tuple[float, np.ndarray]:
        points = joints[:, order]
        aligned = procrustes(points, true_joints, reflection=False)
        table = np.linalg.norm(aligned(joints)[:, :, None] - true_joints[:, None], axis=-1).mean(0)
        return float(distances(aligned(points), true_joints).mean()), table

    identity = np.arange(21)
    before = error(identity)[0]
    best = Assignment(identity, before, before)
    starts = {tuple(reorder_indices(name, "openpose")) for name in JOINT_ORDERS}
    for start in sorted(starts):
        order = np.array(start)
        for _ in range(10):
            value, table = error(order)
            if value < best.error:
                best = Assignment(order, value, before)
            rows, columns = linear_sum_assignment(table)
            following = rows[np.argsort(columns)]
            if np.array_equal(following, order):
                break
            order = following
    return best


def _order(samples: Samples) -> str | None:
    """Whether joints are permuted."""
    assignment = best_assignment(samples.joints[:_FRAMES_CHECKED], samples.true_joints[:_FRAMES_CHECKED])
    moved = np.flatnonzero(assignment.order != np.arange(21))
    if not len(moved) or assignment.error > _BETTER * assignment.error_before:
        return None
    names = JOINT_ORDERS["openpose"]
    before, after = 1000 * assignment.error_before, 1000 * assignment.error
    gain = f"Aligned they are off by {before:.1f} mm as they are and by {after:.1f} mm"
    for name in JOINT_ORDERS:
        if np.array_equal(assignment.order, reorder_indices(name, "openpose")):
            return (
                f"The joints look swapped: they are in the order `{name}`. "
                f"{gain} when reordered; they were scored as they are. To reorder: "
                f"joints[:, reorder_indices({name!r}, 'openpose')] of handsss.hand.joints."
            )
    order = assignment.order
    listed = ", ".join(f"{names[order[j]]} ({order[j]}) holds {names[j]} ({j})" for j in moved[:6])
    more = f", and {len(moved) - 6} more" if len(moved) > 6 else ""
    return f"The joints look swapped: {listed}{more}. {gain} when reordered; they were scored as they are."


def _disagreement(aligned: Scores, order_known: bool) -> list[str]:
    """Joint and vertex errors that do not agree."""
    if aligned.vertices is None:
        return []
    joints, vertices = 1000 * float(aligned.joints.mean()), 1000 * float(aligned.vertices.mean())
    if max(joints, vertices) < _APART * min(joints, vertices) or abs(joints - vertices) < _APART_MM:
        return []
    if joints > vertices:
        if order_known:
            cause = "The order of the joints, named above, is the cause."
        else:
            each = aligned.joints.mean(0)
            tips = list(OPENPOSE_TIP_ROWS)
            rest = np.delete(each, tips)
            cause = "The order of the joints or their definition is the likely cause, not the hands"
            if each[tips].mean() > 2 * rest.mean():
                cause += (
                    ": the fingertips are off most. Tools take different vertices for them, or put them elsewhere in "
                    "the list."
                )
            else:
                cause += (
                    ": each benchmark defines its joints in its own way (FreiHAND regresses them from the posed mesh, "
                    "HO-3D takes the kinematic chain)."
                )
        return [f"Aligned, the joints are off by {joints:.1f} mm and the vertices by {vertices:.1f} mm. {cause}"]
    text = f"Aligned, the vertices are off by {vertices:.1f} mm and the joints by {joints:.1f} mm."
    near = None if aligned.f is None else float(aligned.f[:, 1].mean())
    if near is not None and near > 0.8:
        return [
            f"{text} The surfaces lie close to each other (F@15 {near:.2f}), so the order of the vertices is the "
            "likely cause: they are numbered as another hand model's."
        ]
    return [
        f"{text} The order of the vertices is the likely cause: are they numbered as those of the dataset's hand model?"
    ]
