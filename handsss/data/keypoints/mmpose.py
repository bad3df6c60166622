"""Predictions of MMPose: ``{"meta_info", "instance_info": [...]}``, or a list of instances.

An instance has ``keypoints`` [K][2] and ``keypoint_scores`` [K]. K is 21 for a hand, 133 for COCO-WholeBody and 136 for
Halpe, whose hands are the last 42. InterHand2.6M's models put the tips first; ``meta_info`` tells.
"""

from __future__ import annotations

from typing import Any

from handsss.data.keypoints.document import (
    KEYPOINTS,
    FileHand,
    KeypointDocument,
    PictureEntry,
    numbers,
    side_of,
    with_confidence,
)
from handsss.errors import InputError
from handsss.hand.joints import reorder_indices

KEYS = "'instance_info', or instances with 'keypoints' and 'keypoint_scores'"
WHOLE_BODY = {133: 91, 136: 94}  # points -> first of the left hand; the right hand follows


def read(content: Any, where: str) -> KeypointDocument | None:
    """The document, or None of content of another kind.

    Raises:
        InputError: MMPose's keys, but no hand of 21 points.
    """
    meta: Any = {}
    instances = content
    if isinstance(content, dict) and "instance_info" in content:
        meta, instances = content.get("meta_info"), content["instance_info"]
        if not isinstance(instances, list):
            raise InputError(f"{where}: 'instance_info' should be a list, got {type(instances).__name__}.")
    elif isinstance(content, dict) and "keypoint_scores" in content:
        instances = [content]
    if not isinstance(instances, list) or (instances is content and not _all_instances(instances)):
        return None
    frames = [frame for frame in instances if isinstance(frame, dict) and "instances" in frame]
    if frames and len(frames) == len(instances):  # of a video
        entries = tuple(
            PictureEntry(_hands(frame["instances"], meta, f"{where}: frame {number}"), _name(frame.get("frame_id")))
            for number, frame in enumerate(frames)
        )
        if len(entries) == 1:
            entries = (PictureEntry(entries[0].hands),)
    else:
        entries = (PictureEntry(_hands(instances, meta, where)),)
    return KeypointDocument("MMPose", entries)


def _name(value: Any) -> str | int | None:
    return value if isinstance(value, (str, int)) else None


def _all_instances(content: list[Any]) -> bool:
    return bool(content) and all(
        isinstance(entry, dict) and ({"keypoints", "keypoint_scores"} <= set(entry) or "instances" in entry)
        for entry in content
    )


def _hands(instances: Any, meta: Any, where: str) -> tuple[FileHand, ...]:
    if not isinstance(instances, list):
        raise InputError(f"{where}: expected a list of instances, got {type(instances).__name__}.")
    hands: list[FileHand] = []
    for number, instance in enumerate(instances):
        own = f"{where}: instance {number}"
        if not isinstance(instance, dict) or "keypoints" not in instance:
            raise InputError(f"{own}: no 'keypoints' in it. Expected {KEYS}.")
        points = numbers(instance["keypoints"], own)
        while points.ndim > 2 and len(points) == 1:  # batches of one
            points = points[0]
        if points.ndim != 2 or points.shape[1] not in (2, 3):
            raise InputError(f"{own}: expected keypoints [K][2], got {list(points.shape)}.")
        scores = instance.get("keypoint_scores")
        rows = points if scores is None and points.shape[1] == 3 else with_confidence(points, scores, own)
        hands += split(rows, own, side_of(instance.get("hand") or instance.get("hand_type")), _tips_first(meta))
    return tuple(hands)


def split(points: Any, where: str, side: str | None = None, tips_first: bool = False) -> list[FileHand]:
    """The hands of [K, 3] points: one of 21, two of 42 (InterHand2.6M) or of a whole body.

    Args:
        points: x, y, confidence.
        where: what messages call it.
        side: of a single hand, where it is known.
        tips_first: InterHand2.6M's order.

    Raises:
        InputError: another number of points.
    """
    count = len(points)
    order = reorder_indices("interhand", "openpose") if tips_first else slice(None)
    if count == KEYPOINTS:
        return [FileHand(points[order], where, side)]
    if tips_first and count == 2 * KEYPOINTS:  # the right hand comes first
        pair = (("right", points[:KEYPOINTS]), ("left", points[KEYPOINTS:]))
    elif count in WHOLE_BODY:
        first = WHOLE_BODY[count]
        middle = first + KEYPOINTS
        pair = (("left", points[first:middle]), ("right", points[middle : middle + KEYPOINTS]))
    else:
        raise InputError(
            f"{where}: {count} keypoints. Expected {KEYPOINTS} of a hand, or a whole body of "
            f"{' or '.join(map(str, WHOLE_BODY))}."
        )
    return [FileHand(own[order], f"{where}, {word} hand", word) for word, own in pair]


def _tips_first(meta: Any) -> bool:
    if not isinstance(meta, dict):
        return False
    names = meta.get("keypoint_id2name")
    if isinstance(names, dict):
        first = str(names.get("0", names.get(0, ""))).lower()
        return first not in ("", "wrist", "nose") and "4" in first
    return "interhand" in str(meta.get("dataset_name", "")).lower()
