"""What speaks for and against a fitted hand, as numbers: the input of the expected error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from handsss.fitting.depth import depth_distances
from handsss.fitting.fitted_hand import FittedHand
from handsss.fitting.keypoint_fit import COST_SHARE
from handsss.fitting.observation import Observation
from handsss.fitting.posterior import aligned_deviations
from handsss.fitting.problem import HandParameters, KeypointProblem
from handsss.geometry.cameras import project
from handsss.geometry.procrustes import aligned_distances
from handsss.hand.joints import OPENPOSE_PARENTS

# By joint, then by hand. Distances are logarithms of millimetres.
OF_JOINTS = (
    "deviation",  # by the fit's own account
    "confidence",
    "off_keypoint",  # logarithm of the share of the hand's box
    "depth_spread",
    "off_depth",
    "hypotheses",  # refined ones, likelier ones count more
    "starts",
    "predicted",  # the image network's hand
    "moved",  # by the outline
    "end_on",  # how much the bone before the joint points to the camera, 0..1
)
OF_HANDS = (
    "score",
    "certainty_of_side",
    "cost",
    "margin",  # cost of the runner-up above the chosen hypothesis
    "segmentation",
    "overlap",
    "palm",  # towards the camera: -1..1
)
# What a hand may lack, and the features that are zero then.
OPTIONAL = (
    "depth",  # depth_spread, off_depth
    "network",  # predicted
    "outline",  # moved, overlap
    "segmentation",  # segmentation
)
FEATURES = len(OF_JOINTS) * 2 + len(OF_HANDS) + len(OPTIONAL)
_LEAST = 0.1  # mm


def features_of(problem: KeypointProblem, hands: Sequence[FittedHand]) -> np.ndarray:
    """Features of hands of one keypoint definition.

    Args:
        problem: that they were fitted with.
        hands: whose fit was refined.

    Returns:
        [B, 21, FEATURES] float32: those of the joint, their means over the hand, those of the hand, and 1 where the
        hand has what is optional.
    """
    if not hands:
        return np.zeros((0, 21, FEATURES), dtype=np.float32)
    final = HandParameters.concat([one.parameters for one in hands])
    observation = Observation.stack([one.input.observation for one in hands])
    with torch.no_grad():
        points, _ = problem.keypoints(final)
        seen = project(points, observation.intrinsics)
        deviations = aligned_deviations(problem, final, observation).numpy()
        off = ((seen - observation.keypoints).norm(dim=-1) / observation.size[..., None]).numpy()
        sets = _points(problem, hands)
    rows = [_of_hand(one, points[row], 1e3 * deviations[row], off[row], *sets[row]) for row, one in enumerate(hands)]
    return np.stack(rows)


def _points(problem: KeypointProblem, hands: Sequence[FittedHand]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Keypoints of the starts and of the refined hypotheses of each hand, [S, 21, 3] and [R, 21, 3] m."""
    parts = [part for one in hands for part in (one.fit.starts, one.fit.refined)]
    points, _ = problem.keypoints(HandParameters.concat(parts))
    split = [part.numpy() for part in points.split([len(part.pose) for part in parts])]
    return list(zip(split[::2], split[1::2], strict=True))


def _of_hand(
    one: FittedHand, points: Tensor, deviation: np.ndarray, off: np.ndarray, starts: np.ndarray, refined: np.ndarray
) -> np.ndarray:
    own, detection = points.numpy(), one.input.detection
    used = (one.input.observation.confidence > 0).numpy()
    costs = one.fit.costs.numpy()
    weights = np.exp(-COST_SHARE * (costs - costs.min()))
    chosen = refined[int(costs.argmin())]
    joints = dict.fromkeys(OF_JOINTS, np.zeros(21)) | {
        "deviation": _log(deviation),
        "confidence": np.where(used, detection.keypoints[:, 2], 0.0),
        "off_keypoint": np.log(np.where(used, off, off[used].mean()) + 1e-3),
        "hypotheses": _log(np.sqrt(weights @ _apart(refined, own) ** 2 / weights.sum())),
        "starts": _log(_apart(starts, own).mean(0)),
        "end_on": _end_on(own),
    }
    hand = dict.fromkeys(OF_HANDS, 0.0) | {
        "score": detection.score,
        "certainty_of_side": max(detection.handedness, 1 - detection.handedness),
        "cost": float(np.log1p(max(one.fit.cost, 0.0))),
        "margin": float(np.log1p(np.sort(costs)[1] - costs.min())) if len(costs) > 1 else 0.0,
        "palm": _palm(own),
    }
    has = dict.fromkeys(OPTIONAL, 0.0)
    world = one.input.observation.world
    if world is not None:
        has["depth"] = 1.0
        joints["depth_spread"] = _log(1e3 * world[:, 3].numpy())
        joints["off_depth"] = _log(1e3 * depth_distances(points[None], world)[0].numpy())
    if one.predicted:
        has["network"] = 1.0
        joints["predicted"] = _log(_apart(starts[:1], own)[0])
    if "segmentation_quality" in one.figures:
        has["segmentation"] = 1.0
        hand["segmentation"] = one.figures["segmentation_quality"]
    if "silhouette_iou" in one.figures:
        has["outline"] = 1.0
        hand["overlap"] = one.figures["silhouette_iou"]
        joints["moved"] = _log(_apart(chosen[None], own)[0])
    by_joint = np.stack([joints[name] for name in OF_JOINTS], 1)
    every = np.concatenate([by_joint.mean(0), [hand[name] for name in OF_HANDS], [has[name] for name in OPTIONAL]])
    return np.concatenate([by_joint, np.tile(every, (21, 1))], 1).astype(np.float32)


def _log(millimetres: np.ndarray) -> np.ndarray:
    logarithm: np.ndarray = np.log(np.maximum(millimetres, 0.0) + _LEAST)
    return logarithm


def _apart(others: np.ndarray, own: np.ndarray) -> np.ndarray:
    """[N, 21] mm between other hands [N, 21, 3] and one [21, 3], after similarity alignment of each."""
    distances: np.ndarray = 1e3 * aligned_distances(others, np.broadcast_to(own, others.shape))
    return distances


def _end_on(points: np.ndarray) -> np.ndarray:
    """[21] how much the bone that ends in each joint points along the line of sight; 0 at the wrist."""
    parents = np.maximum(OPENPOSE_PARENTS, 0)
    bones = points - points[parents]
    sight = points / np.linalg.norm(points, axis=1, keepdims=True)
    along = np.abs((bones * sight).sum(1))
    share: np.ndarray = along / np.maximum(np.linalg.norm(bones, axis=1), 1e-9)
    return share


def _palm(points: np.ndarray) -> float:
    """Cosine between the palm's normal (of a right hand, out of its inside) and the direction to the camera."""
    normal = np.cross(points[5] - points[0], points[17] - points[0])
    middle = points[[0, 5, 17]].mean(0)
    return float(-normal @ middle / max(np.linalg.norm(normal) * np.linalg.norm(middle), 1e-12))
