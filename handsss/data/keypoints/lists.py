"""S2HAND's list of detections, and other files with many pictures of one hand each.

S2HAND: ``[points [N][21][2], confidences [N][21] or [N][21][1], names]`` with names as text, as numbers, or each in a
list of its own; or without names. Panoptic's hand labels: ``{"root": [{"img_paths", "joint_self", ...}]}``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from handsss.data.keypoints.document import (
    KEYPOINTS,
    FileHand,
    KeypointDocument,
    PictureEntry,
    joint_rows,
    numbers,
    picture_size,
    visible_flags,
    with_confidence,
)
from handsss.errors import InputError

KEYS = "a list [points [N][21][2], confidences [N][21], names [N]]"


def read_s2hand(content: Any, where: str) -> KeypointDocument | None:
    """The document, or None of content of another kind.

    Raises:
        InputError: such a list with other shapes, numbers or counts.
    """
    if not _is_list(content):
        return None
    points = numbers(content[0], where)
    if points.ndim != 3 or points.shape[1] != KEYPOINTS or points.shape[2] not in (2, 3):
        came = list(np.shape(content[1])) if _regular(content[1]) else "lists of several lengths"
        raise InputError(
            f"{where}: expected points [N][21][2] and confidences [N][21], got {list(points.shape)} and {came}."
        )
    confidences = numbers(content[1], where)
    if confidences.shape[:2] != points.shape[:2] or confidences.size != points.shape[0] * KEYPOINTS:
        raise InputError(
            f"{where}: expected points [N][21][2] and confidences [N][21], got {list(points.shape)} and "
            f"{list(confidences.shape)}."
        )
    names = [_unwrapped(name) for name in content[2]] if len(content) == 3 else [None] * len(points)
    if not names:
        names = [None] * len(points)
    if len(names) != len(points):
        raise InputError(f"{where}: {len(points)} entries but {len(names)} names.")
    wrong = next((name for name in names if name is not None and not isinstance(name, (str, int))), None)
    if wrong is not None:
        raise InputError(f"{where}: names should be text or whole numbers, got {wrong!r}.")
    rows = np.concatenate([points[..., :2], confidences.reshape(len(points), KEYPOINTS, 1)], 2)
    rows[(rows[..., :2] == 0).all(2), 2] = 0
    entries = tuple(
        PictureEntry((FileHand(row, f"{where}: entry {number}"),), name)
        for number, (row, name) in enumerate(zip(rows, names, strict=True))
    )
    return KeypointDocument("S2HAND's list", entries)


def read_panoptic(content: Any, where: str) -> KeypointDocument | None:
    """Panoptic's hand labels: one picture (``hand_pts``), or all of a set (``root``); None of other content.

    Raises:
        InputError: its keys, but not 21 points.
    """
    if isinstance(content, dict) and "hand_pts" in content:
        entries: tuple[PictureEntry, ...] = (_panoptic(content, "hand_pts", where),)
    elif isinstance(content, dict) and isinstance(content.get("root"), list):
        labels = content["root"]
        if not labels or not all(isinstance(label, dict) and "joint_self" in label for label in labels):
            return None
        entries = tuple(_panoptic(label, "joint_self", f"{where}: label {n}") for n, label in enumerate(labels))
    elif isinstance(content, list) and content and all(isinstance(one, dict) and "hand_pts" in one for one in content):
        labels = [_panoptic(label, "hand_pts", f"{where}: label {n}") for n, label in enumerate(content)]
        if any(label.name is not None for label in labels):
            entries = tuple(labels)
        else:  # the hands of one picture
            entries = (PictureEntry(tuple(hand for label in labels for hand in label.hands)),)
    else:
        return None
    return KeypointDocument("Panoptic's hand labels", entries)


def _panoptic(label: dict[str, Any], key: str, where: str) -> PictureEntry:
    points = joint_rows(label[key], where)
    points = visible_flags(points) if points.shape[1] == 3 else with_confidence(points, None, where)
    left = label.get("is_left")
    side = None if left is None else "left" if left else "right"
    name = next((label[name] for name in ("img_paths", "img_path", "image") if isinstance(label.get(name), str)), None)
    size = picture_size(label, (("img_width", "img_height"),))
    return PictureEntry((FileHand(points, where, side),), name, size)


def _is_list(content: Any) -> bool:
    """Two or three lists, the first of pictures of points: not [x, y] pairs, which have numbers there."""
    if not isinstance(content, list) or len(content) not in (2, 3) or not all(isinstance(c, list) for c in content):
        return False
    first = content[0]
    return bool(first) and isinstance(first[0], list) and bool(first[0]) and isinstance(first[0][0], list)


def _regular(values: Any) -> bool:
    try:
        np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _unwrapped(name: Any) -> Any:
    while isinstance(name, list) and len(name) == 1:
        name = name[0]
    if isinstance(name, float) and name.is_integer():
        return int(name)
    return name
