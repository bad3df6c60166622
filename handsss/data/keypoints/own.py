"""This package's own JSON: lists of 21 points, objects with a side, result files, and objects of many pictures.

``[[x, y], ...]``, ``{"hand": "left", "keypoints": [[x, y, c], ...], "keypoint_set": "openpose"}``, a list of such
objects, the ``NAME.json`` of ``handsss reconstruct``, or ``{"photo.jpg": any of these, ...}``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from handsss.data.keypoints.document import (
    KEYPOINTS,
    MEDIAPIPE,
    FileHand,
    KeypointDocument,
    PictureEntry,
    joint_rows,
    keys_of,
    side_of,
    size_of,
    with_confidence,
)
from handsss.data.keypoints.mediapipe import depth_column, in_unit_square
from handsss.errors import InputError

KEYS = "21 points [x, y] or [x, y, confidence], 'keypoints' with 'hand', or 'hands' with 'keypoints_2d'"
_DEPTH = "third number taken as MediaPipe's depth"
_POINTS = ("keypoints", "keypoints_2d")


def read(content: Any, where: str) -> KeypointDocument | None:
    """The document, or None of content of another kind.

    Raises:
        InputError: its keys, but not 21 points.
    """
    if isinstance(content, dict) and isinstance(content.get("hands"), list):
        given = content.get("image_size")
        size = size_of(given)
        if size is None and given is not None:
            raise InputError(f"{where}: 'image_size' should be [width, height] in pixels, got {given!r}.")
        hands = _hands(content["hands"], where) if content["hands"] else ()
        return _document([PictureEntry(hands, None, size)], "handsss's result")
    if _is_hands(content):
        return _document([PictureEntry(_hands(content, where))], "plain JSON")
    if isinstance(content, dict) and content and all(_is_hands(value) for value in content.values()):
        entries = [PictureEntry(_hands(value, f"{where}: {name!r}"), name) for name, value in content.items()]
        return _document(entries, "points by picture")
    return None


def _document(entries: list[PictureEntry], source: str) -> KeypointDocument:
    depth = any(hand.depth for entry in entries for hand in entry.hands)
    if not depth:
        return KeypointDocument(source, tuple(entries))
    unit = "normalised" if any(hand.normalised for entry in entries for hand in entry.hands) else "in px"
    return KeypointDocument(f"MediaPipe's landmarks, {unit}", tuple(entries), MEDIAPIPE, _DEPTH)


def _is_hands(content: Any) -> bool:
    if isinstance(content, dict):
        return any(key in content for key in _POINTS)
    if not isinstance(content, list) or not content:
        return False
    if all(isinstance(entry, dict) for entry in content):
        return any(key in entry for entry in content for key in _POINTS)
    return all(not isinstance(entry, dict) for entry in content) and not isinstance(content[0], str)


def _hands(content: Any, where: str) -> tuple[FileHand, ...]:
    if isinstance(content, dict):
        entries: list[Any] = [content]
    elif all(isinstance(entry, dict) for entry in content):
        entries = content
    else:
        entries = [{"keypoints": content}]
    return tuple(_hand(entry, f"{where}: hand {number}") for number, entry in enumerate(entries))


def _hand(entry: dict[str, Any], where: str) -> FileHand:
    key = next((key for key in _POINTS if key in entry), None)
    if key is None:
        raise InputError(f"{where}: no 'keypoints' in it. Expected {KEYS}, got {keys_of(entry)}.")
    points = joint_rows(entry[key], where)
    named = entry.get("keypoint_set")
    definition = named if isinstance(named, str) else None
    side = side_of(entry.get("hand") or entry.get("side"))
    if points.shape[1] == 2:
        return FileHand(with_confidence(points, None, where), where, side, definition)
    if depth_column(points):
        flat = np.concatenate([points[:, :2], np.ones((KEYPOINTS, 1))], 1)
        return FileHand(flat, where, side, definition or MEDIAPIPE, in_unit_square(points), depth=True)
    if points[:, :2].any() and not points[:, 2].any():
        raise InputError(
            f"{where}: all third numbers are 0, so that no joint counts as seen. Leave the column out if it holds "
            "depths or visibilities."
        )
    return FileHand(points, where, side, definition)
