"""Keypoints from files: OpenPose's JSON, and simple lists of 21 points.

Accepted are OpenPose's ``{"people": [{"hand_left_keypoints_2d": [x, y, c, ...], ...}]}``, a list of 21 ``[x, y]`` or
``[x, y, c]``, an object ``{"hand": "left", "keypoints": [...], "keypoint_set": "openpose"}``, and a list of such
objects. OpenPose writes undetected joints as 0, 0, 0 and absent hands as empty arrays; both mean "not detected".
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from handsss.detect.types import Detection
from handsss.errors import InputError
from handsss.geometry.framing import bounding_box

KEYPOINTS = 21
_WHAT = "OpenPose JSON, or 21 keypoints [x, y] or [x, y, confidence]"


def read_keypoints(path: Path, *, hand: str = "auto", keypoint_set: str | None = None) -> list[Detection]:
    """Hands in a keypoint file, most confident first.

    Args:
        path: a JSON file.
        hand: "left" or "right" keeps only such hands, and is the side of keypoints that name none.
        keypoint_set: the definition the points follow; the file's own word, else "openpose".

    Returns:
        hands with at least one seen keypoint; empty if the file shows none.

    Raises:
        InputError: missing, not JSON, a wrong number of joints, values that are no finite numbers, or a hand without
            a side.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows programs put a mark in front
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the keypoint file cannot be read ({error}). Expected {_WHAT}.") from error
    if not text.strip():
        raise InputError(f"{path}: the keypoint file is empty. Expected {_WHAT}.")
    try:
        # Python's JSON reader accepts NaN; the check for finite values below names the joint.
        content = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}). Expected {_WHAT}.") from error
    return hands_in(content, str(path), hand=hand, keypoint_set=keypoint_set)


def hands_in(content: Any, where: str, *, hand: str = "auto", keypoint_set: str | None = None) -> list[Detection]:
    """Hands in what a keypoint file holds, most confident first.

    Args:
        content: lists, numbers and objects, as JSON has them.
        where: what messages call it.
        hand, keypoint_set: see :func:`read_keypoints`.

    Raises:
        InputError: as :func:`read_keypoints`.
    """
    if isinstance(content, dict) and "people" in content:
        hands = _from_openpose(content, where)
    else:
        hands = _from_simple(content, where, hand)
    found = [
        Detection(
            hand=side,
            score=float(points[points[:, 2] > 0, 2].mean()),
            handedness=1.0,
            keypoints=points,
            keypoint_set=keypoint_set or named or "openpose",
            region=_box_corners(points),
        )
        for side, points, named in hands
        if (points[:, 2] > 0).any() and hand in ("auto", side)
    ]
    return sorted(found, key=lambda detection: -detection.keypoints[:, 2].sum())


_Hand = tuple[str, np.ndarray, str | None]


def _from_openpose(content: dict[str, Any], path: str) -> list[_Hand]:
    people = content["people"]
    if not isinstance(people, list):
        raise InputError(f"{path}: 'people' should be a list, got {type(people).__name__}.")
    hands: list[_Hand] = []
    for number, person in enumerate(people):
        if not isinstance(person, dict):
            raise InputError(f"{path}: person {number} should be an object, got {type(person).__name__}.")
        for side in ("left", "right"):
            values = person.get(f"hand_{side}_keypoints_2d")
            if values is None or values == []:
                continue
            where = f"{path}: person {number}, {side} hand"
            if not isinstance(values, list):
                raise InputError(f"{where}: expected a list of 63 numbers, got {type(values).__name__}.")
            flat = _numbers(values, where)
            if flat.shape != (3 * KEYPOINTS,):
                raise InputError(
                    f"{where}: expected 63 numbers (21 joints of x, y, confidence), got {flat.size} "
                    f"({flat.size / 3:g} joints)."
                )
            hands.append((side, _checked(flat.reshape(KEYPOINTS, 3), where), None))
    return hands


def _from_simple(content: Any, path: str, hand: str) -> list[_Hand]:
    if isinstance(content, dict):
        entries: list[Any] = [content]
    elif isinstance(content, list) and content and all(isinstance(entry, dict) for entry in content):
        entries = content
    elif isinstance(content, list) and content:
        entries = [{"keypoints": content}]
    else:
        raise InputError(f"{path}: holds no keypoints. Expected {_WHAT}.")
    hands: list[_Hand] = []
    for number, entry in enumerate(entries):
        where = f"{path}: hand {number}"
        if "keypoints" not in entry:
            raise InputError(f"{where}: no 'keypoints' in it. Expected {_WHAT}.")
        points = _numbers(entry["keypoints"], where)
        if points.ndim == 1 and points.size in (2 * KEYPOINTS, 3 * KEYPOINTS):
            points = points.reshape(KEYPOINTS, -1)
        if points.ndim != 2 or points.shape[0] != KEYPOINTS or points.shape[1] not in (2, 3):
            got = f"{points.shape[0]} joints" if points.ndim == 2 else f"{points.size} numbers"
            raise InputError(f"{where}: expected 21 joints of [x, y] or [x, y, confidence], got {got}.")
        side = entry.get("hand", hand)
        if side not in ("left", "right"):
            raise InputError(
                f"{where}: which hand is it? Give {{hand}} left or {{hand}} right, or a 'hand' in the file.",
                options=["hand"],
            )
        if points.shape[1] == 2:
            points = np.concatenate([points, np.ones((KEYPOINTS, 1))], 1)
        named = entry.get("keypoint_set")
        hands.append((side, _checked(points, where), named if isinstance(named, str) else None))
    return hands


def _numbers(values: Any, where: str) -> np.ndarray:
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: the keypoints are not numbers of one shape ({error}).") from error


def _checked(points: np.ndarray, where: str) -> np.ndarray:
    """Refuse values that are not finite; a joint at exactly 0, 0 was not seen."""
    wrong = ~np.isfinite(points).all(1)
    if wrong.any():
        joint = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{where}: joint {joint} holds {points[joint].tolist()}; expected finite numbers. "
            "Write 0, 0, 0 for a joint that was not seen."
        )
    points = points.copy()
    points[:, 2] = np.clip(points[:, 2], 0, 1)
    points[(points[:, :2] == 0).all(1), 2] = 0
    return points


def _box_corners(points: np.ndarray) -> np.ndarray:
    x0, y0, x1, y1 = bounding_box(points)
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
