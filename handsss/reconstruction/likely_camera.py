"""The focal length of a photo whose camera nobody knows, from the size of its hands.

At the default field of view, a hand that fills a small picture would be closer to the lens than people hold hands: the
picture is a crop then, or was taken with a longer lens. The focal length is the most likely one under a prior on the
distance of a hand and one on the focal length (docs/lab/depth.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from handsss.detect.types import Detection
from handsss.hand.joints import BONES
from handsss.hand.model import HandModel

# Medians and standard deviations of natural logarithms. Hands that are farther away than the median are as usual as a
# wide picture of people is: they do not shorten the focal length.
_DISTANCE, _DISTANCE_STD = 0.5, 0.45  # metres
_FOCAL_STD = 0.6  # about the default focal length
_BONE_PERCENTILE = 75  # most bones are foreshortened


def likely_intrinsics(assumed: np.ndarray, detections: Sequence[Detection], model: HandModel) -> np.ndarray:
    """The camera of a photo by its hands.

    Args:
        assumed: [3, 3] px, with the default field of view.
        detections: hands of the photo.
        model: whose bones measure hands of which the detector gives no metric points.

    Returns:
        [3, 3] px: as assumed, its focal lengths longer by one factor where hands would be too near; as it is without
        hands.
    """
    scales = [pixels_per_metre(detection, model) for detection in detections]
    logs = [math.log(_DISTANCE * scale / float(assumed[0, 0])) for scale in scales if scale > 0]
    if not logs:
        return assumed
    share = _FOCAL_STD**2 / (_FOCAL_STD**2 + _DISTANCE_STD**2)
    factor = math.exp(share * max(float(np.median(logs)), 0.0))
    return assumed * np.array([[factor, factor, 1.0], [1.0, factor, 1.0], [1.0, 1.0, 1.0]])


def pixels_per_metre(detection: Detection, model: HandModel) -> float:
    """How large a hand appears, px of the picture per metre at its distance; 0 where its keypoints do not tell.

    By the detector's metric points where it has them, else by bones: those that are hardly foreshortened.
    """
    points = np.asarray(detection.keypoints, dtype=np.float64)
    used = np.isfinite(points).all(1) & (points[:, 2] > 0)
    if used.sum() < 2:
        return 0.0
    if detection.world is not None:
        weight = np.where(used, points[:, 2], 0.0)[:, None] / points[used, 2].sum()
        pixels, metres = np.where(used[:, None], points[:, :2], 0.0), detection.world[:, :2]
        seen, own = pixels - (weight * pixels).sum(0), metres - (weight * metres).sum(0)
        return float(np.sqrt((weight * seen**2).sum() / max((weight * own**2).sum(), 1e-12)))
    start, end = np.array(BONES).T
    both = used[start] & used[end]
    if not both.any():
        return 0.0
    known = detection.keypoint_set in model.keypoint_sets
    keypoint_set = model.keypoint_set(detection.keypoint_set if known else "openpose")
    joints = model.j_regressor @ model.v_template
    rest = keypoint_set.joint_weights @ joints + keypoint_set.vertex_weights @ model.v_template
    lengths = np.linalg.norm(rest[end] - rest[start], axis=1)
    pixels = np.linalg.norm(points[end, :2] - points[start, :2], axis=1)
    return float(np.percentile(pixels[both] / np.maximum(lengths[both], 1e-6), _BONE_PERCENTILE))
