"""OpenPose's JSON in its ages, lists of it, and the files of ComfyUI's nodes, which write it per frame.

``{"people": [{"hand_left_keypoints_2d": [x, y, c, ...], ...}]}``; before version 1.2 the keys had no ``_2d``. OpenPose
writes undetected joints as 0, 0, 0 and absent hands as empty arrays; both mean "not detected". ComfyUI adds the size of
its canvas; older nodes give shares of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from handsss.data.keypoints.document import (
    KEYPOINTS,
    FileHand,
    KeypointDocument,
    PictureEntry,
    keys_of,
    numbers,
    picture_size,
)
from handsss.errors import InputError

KEYS = "'people' with 'hand_left_keypoints_2d', 'hand_right_keypoints_2d' (older: without _2d)"
_HAND_KEYS = tuple((side, f"hand_{side}_keypoints{age}") for side in ("left", "right") for age in ("_2d", ""))
_BODY = ("pose_keypoints_2d", "pose_keypoints")
_CANVAS = (("canvas_width", "canvas_height"), ("image_width", "image_height"), ("width", "height"))
_NAMES = ("image", "image_name", "file_name", "filename", "name")


def read(content: Any, where: str) -> KeypointDocument | None:
    """The document, or None of content of another kind.

    Raises:
        InputError: OpenPose's keys, but not its numbers; people without any of its keys for hands.
    """
    frames = content if isinstance(content, list) else [content]
    if not frames or not all(isinstance(frame, dict) and "people" in frame for frame in frames):
        return None
    several = isinstance(content, list) and len(content) > 1
    entries = [
        _picture(frame, f"{where}: picture {number}" if several else where) for number, frame in enumerate(frames)
    ]
    canvas = any(entry.size is not None for entry in entries)
    note = "" if any(entry.hands for entry in entries) else _without_hands(frames)
    return KeypointDocument("ComfyUI's OpenPose" if canvas else "OpenPose", tuple(entries), note=note)


def _without_hands(frames: list[dict[str, Any]]) -> str:
    """That bodies were read and hands were not: OpenPose writes zeros for hands that it looked for and did not find."""
    people = [person for frame in frames for person in frame["people"]]
    if people and all(any(person.get(key) for key in _BODY) for person in people):
        return "it has body keypoints and none of hands: run OpenPose with hands switched on"
    return ""


def _picture(frame: dict[str, Any], where: str) -> PictureEntry:
    people = frame["people"]
    if not isinstance(people, list):
        raise InputError(f"{where}: 'people' should be a list, got {type(people).__name__}.")
    size = picture_size(frame, _CANVAS)
    hands: list[FileHand] = []
    known = False
    for number, person in enumerate(people):
        if not isinstance(person, dict):
            raise InputError(f"{where}: person {number} should be an object, got {type(person).__name__}.")
        for side, key in _HAND_KEYS:
            if key not in person:
                continue
            known = True
            values = person[key]
            if values is not None and values != []:
                hands.append(_hand(values, f"{where}: person {number}, {side} hand", side, canvas=size is not None))
    if people and not known:
        raise InputError(
            f"{where}: no person has a key for hands. Expected {KEYS}, got {keys_of(people[0])}. Run OpenPose with "
            "hands switched on."
        )
    name = next((frame[key] for key in _NAMES if isinstance(frame.get(key), str)), None)
    return PictureEntry(tuple(hands), name, size)


def _hand(values: Any, where: str, side: str, *, canvas: bool) -> FileHand:
    if not isinstance(values, list):
        raise InputError(f"{where}: expected a list of 63 numbers, got {type(values).__name__}.")
    flat = numbers(values, where)
    if flat.shape != (3 * KEYPOINTS,) and flat.shape != (KEYPOINTS, 3):
        raise InputError(
            f"{where}: expected 63 numbers (21 joints of x, y, confidence), got {flat.size} ({flat.size / 3:g} joints)."
        )
    points = flat.reshape(KEYPOINTS, 3)
    return FileHand(points, where, side, normalised=canvas and _in_unit_square(points))


def _in_unit_square(points: np.ndarray) -> bool:
    seen = points[points[:, 2] > 0, :2]
    return len(seen) > 1 and bool((np.abs(seen) <= 1.5).all())
