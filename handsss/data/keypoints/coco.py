"""COCO's annotation and result files: COCO-WholeBody, hand sets in COCO's layout, AlphaPose's results.

Annotations: ``{"images": [{"id", "file_name", "width", "height"}], "annotations": [{"image_id", ...}]}``. Results: a
list of ``{"image_id", "keypoints", "score"}``. Hands stand under ``lefthand_kpts`` and ``righthand_kpts`` (63 numbers
each), or ``keypoints`` are those of one hand (63) or of a whole body (133 or 136 points). In annotations the third
number is 0, 1 or 2 (absent, hidden, visible), in results a confidence.
"""

from __future__ import annotations

from typing import Any

from handsss.data.keypoints.document import (
    KEYPOINTS,
    FileHand,
    KeypointDocument,
    PictureEntry,
    joint_rows,
    numbers,
    picture_size,
    side_of,
    visible_flags,
)
from handsss.data.keypoints.mmpose import WHOLE_BODY, split
from handsss.errors import InputError

KEYS = "'images' and 'annotations', or results with 'image_id', 'keypoints', 'lefthand_kpts', 'righthand_kpts'"
_PARTS = {"left": "lefthand_kpts", "right": "righthand_kpts"}


def read(content: Any, where: str) -> KeypointDocument | None:
    """The document, or None of content of another kind.

    Raises:
        InputError: COCO's keys, but no hands, or annotations of an image that the file does not list.
    """
    if isinstance(content, dict) and isinstance(content.get("annotations"), list):
        images, annotations = content.get("images", []), content["annotations"]
    elif isinstance(content, list) and content and all(_is_result(entry) for entry in content):
        images, annotations = [], content
    elif _is_result(content):
        images, annotations = [], [content]
    else:
        return None
    if not isinstance(images, list):
        raise InputError(f"{where}: 'images' should be a list, got {type(images).__name__}.")
    listed = {_key(image.get("id")): image for image in images if isinstance(image, dict)}
    hands: dict[Any, list[FileHand]] = {key: [] for key in listed}
    for number, annotation in enumerate(annotations):
        if not isinstance(annotation, dict):
            raise InputError(f"{where}: annotation {number} should be an object, got {type(annotation).__name__}.")
        picture = _key(annotation.get("image_id"))
        if listed and picture not in listed:
            raise InputError(f"{where}: annotation {number} is of image {picture!r}, which 'images' does not list.")
        hands.setdefault(picture, []).extend(_hands(annotation, f"{where}: annotation {number}"))
    if annotations and not any(_has_hands(entry) for entry in annotations):
        raise InputError(f"{where}: no annotation has a key for hands. Expected {KEYS}.")
    entries = tuple(
        PictureEntry(tuple(own), _name(listed.get(key), key), _size(listed.get(key))) for key, own in hands.items()
    )
    whole = any(isinstance(entry, dict) and set(_PARTS.values()) & set(entry) for entry in annotations)
    return KeypointDocument("COCO-WholeBody" if whole else "COCO", entries)


def _is_result(entry: Any) -> bool:
    if not isinstance(entry, dict):
        return False
    return set(_PARTS.values()) <= set(entry) or ("image_id" in entry and "keypoints" in entry)


def _key(value: Any) -> Any:
    return value if isinstance(value, (int, str)) else None


def _name(image: dict[str, Any] | None, key: Any) -> str | int | None:
    name = None if image is None else image.get("file_name")
    chosen = name if isinstance(name, str) else key
    return chosen if isinstance(chosen, (str, int)) else None


def _size(image: dict[str, Any] | None) -> tuple[int, int] | None:
    return None if image is None else picture_size(image, (("width", "height"),))


def _has_hands(entry: dict[str, Any]) -> bool:
    if set(_PARTS.values()) & set(entry):
        return True
    values = entry.get("keypoints")
    return isinstance(values, list) and len(values) in (*(3 * n for n in (KEYPOINTS, *WHOLE_BODY)), KEYPOINTS)


def _hands(entry: dict[str, Any], where: str) -> list[FileHand]:
    """Hands of an annotation; those whose joints are all absent, or that it marks as invalid, are left out."""
    hands: list[FileHand] = []
    for side, key in _PARTS.items():
        values = entry.get(key)
        if isinstance(values, list) and values and entry.get(key.replace("_kpts", "_valid"), True):
            points = _three(joint_rows(values, f"{where}, {side} hand"), f"{where}, {side} hand")
            hands.append(FileHand(visible_flags(points), f"{where}, {side} hand", side))
    if hands or set(_PARTS.values()) & set(entry) or not _has_hands(entry):
        return _shown(hands)
    flat = numbers(entry["keypoints"], where)
    points = _three(flat if flat.ndim == 2 else flat.reshape(-1, 3), where)
    own = side_of(entry.get("hand") or entry.get("hand_type") or entry.get("side"))
    return _shown(split(visible_flags(points), where, own))


def _three(points: Any, where: str) -> Any:
    if points.shape[1] != 3:
        raise InputError(f"{where}: expected x, y and a third number for each joint.")
    return points


def _shown(hands: list[FileHand]) -> list[FileHand]:
    return [hand for hand in hands if hand.points.any()]
