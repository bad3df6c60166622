"""MediaPipe's hand landmarks, as its Python and JavaScript interfaces give them.

``hand_landmarks`` or ``landmarks`` (tasks), ``multi_hand_landmarks`` (solutions), ``keypoints`` with ``handedness``
(TensorFlow.js), or 21 ``{"x", "y", "z"}``. x and y are shares of the picture, or pixels; z is a depth, not a
confidence, and MediaPipe gives hands no visibility: every joint counts as seen.
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
    keys_of,
    numbers,
    picture_size,
    side_of,
    size_of,
)
from handsss.errors import InputError

KEYS = "'hand_landmarks', 'landmarks', 'multi_hand_landmarks' or 21 objects with 'x', 'y', 'z'"
NOTE = (
    "MediaPipe's sides are taken as the file says; it names them as in a mirror unless the picture was flipped before"
)
_HANDS = ("hand_landmarks", "handLandmarks", "multi_hand_landmarks", "multiHandLandmarks", "landmarks", "landmark")
_SIDES = ("handedness", "handednesses", "multi_handedness", "multiHandedness", "hand", "label")
_SIZES = (("image_width", "image_height"), ("imageWidth", "imageHeight"), ("width", "height"))
_TEXTS = ("category_name", "categoryName", "label", "display_name", "displayName")


def read(content: Any, where: str) -> KeypointDocument | None:
    """The document, or None of content of another kind.

    Raises:
        InputError: MediaPipe's keys, but not 21 landmarks.
    """
    size = None
    parts: list[dict[str, Any]] = []
    if isinstance(content, dict):
        size = _size(content)
        parts = _parts(content)
    elif isinstance(content, list) and content:
        if _is_points(content):
            parts = [{"points": content}]
        elif all(isinstance(entry, dict) and _parts(entry) for entry in content):
            parts = [part for entry in content for part in _parts(entry)]
            size = _size(content[0])
        elif all(isinstance(entry, list) and _is_points(entry) for entry in content):
            parts = [{"points": entry} for entry in content]
    if not parts and not (isinstance(content, dict) and any(content.get(key) == [] for key in _HANDS)):
        return None
    hands = tuple(_hand(part, f"{where}: hand {number}") for number, part in enumerate(parts))
    sides = any(hand.side is not None for hand in hands)
    return KeypointDocument(
        "MediaPipe's landmarks", (PictureEntry(hands, None, size),), MEDIAPIPE, NOTE if sides else ""
    )


def depth_column(points: np.ndarray) -> bool:
    """Whether the third numbers [21] are MediaPipe's depths: relative to the wrist, whose own is 0, and some negative,
    as no confidence is."""
    third = points[:, 2]
    reach = float(np.abs(third).max(initial=0))
    return bool(np.isfinite(third).all()) and float(third.min()) < 0 and abs(float(third[0])) <= 1e-3 * reach


def in_unit_square(points: np.ndarray) -> bool:
    """Whether points [21, 2 or more] with depths are shares of the picture; MediaPipe's may lie a little outside it."""
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    return bool((low > -1).all() and (high < 2).all())


def _parts(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Points and side of each hand of an object; empty for objects of another kind."""
    key = next((key for key in _HANDS if isinstance(content.get(key), list) and content[key]), None)
    named = content.get("keypoints")
    if key is None and isinstance(named, list) and _is_points(named):
        key = "keypoints"
    if key is None:
        return []
    hands = content[key]
    if _is_points(hands) or _is_arrays(hands):
        hands = [hands]
    hands = [hand["landmark"] if isinstance(hand, dict) and "landmark" in hand else hand for hand in hands]
    given = next((content[name] for name in _SIDES if content.get(name)), None)
    sides = given if isinstance(given, list) else [given]
    words = [side_of(_word(side)) for side in sides]
    return [{"points": hand, "side": words[n] if n < len(words) else None} for n, hand in enumerate(hands)]


def _word(value: Any) -> Any:
    """The word for a side in MediaPipe's nested categories."""
    while isinstance(value, (list, dict)) and value:
        if isinstance(value, list):
            value = value[0]
        elif isinstance(value.get("classification"), list):
            value = value["classification"]
        else:
            value = next((value[key] for key in _TEXTS if value.get(key)), None)
    return value


def _is_points(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(entry, dict) and "x" in entry and "y" in entry for entry in values)


def _is_arrays(values: list[Any]) -> bool:
    return len(values) == KEYPOINTS and all(isinstance(entry, list) and len(entry) in (2, 3) for entry in values)


def _size(content: dict[str, Any]) -> tuple[int, int] | None:
    for key in ("image_size", "size"):
        size = size_of(content.get(key))
        if size is not None:
            return size
    return picture_size(content, _SIZES)


def _hand(part: dict[str, Any], where: str) -> FileHand:
    values = part["points"]
    if not isinstance(values, list):
        raise InputError(f"{where}: expected 21 landmarks, got {keys_of(values)}.")
    if _is_points(values):
        values = [[entry["x"], entry["y"]] for entry in values]
    points = numbers(values, where)
    if points.ndim != 2 or points.shape[0] != KEYPOINTS or points.shape[1] not in (2, 3):
        raise InputError(f"{where}: expected 21 landmarks x, y, z, got {list(points.shape)}.")
    points = np.concatenate([points[:, :2], np.ones((KEYPOINTS, 1))], 1)
    return FileHand(points, where, part.get("side"), MEDIAPIPE, in_unit_square(points), depth=True)
