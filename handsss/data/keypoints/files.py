"""Finds and reads the keypoint file of a photo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from handsss.detect.openpose import hands_in, read_keypoints
from handsss.detect.types import Detection
from handsss.errors import InputError


def keypoint_file(location: Path, photo: Path) -> Path:
    """The keypoint file of a photo: the file itself, or STEM_keypoints.json or STEM.json in the folder.

    Raises:
        InputError: the folder holds neither.
    """
    if not location.is_dir():
        return location
    names = [f"{photo.stem}_keypoints.json", f"{photo.stem}.json"]
    for name in names:
        if (location / name).is_file():
            return location / name
    raise InputError(f"{location}: no keypoints of {photo.name} in this folder. Expected {' or '.join(names)}.")


def read_hands(
    path: Path, size: tuple[int, int], *, hand: str = "auto", keypoint_set: str | None = None
) -> list[Detection]:
    """The hands of a keypoint file, checked against the photo they should belong to.

    Args:
        path: see :func:`handsss.detect.openpose.read_keypoints`.
        size: width, height of the upright photo, px.
        hand: "auto", "left" or "right".
        keypoint_set: the definition the points follow.

    Raises:
        InputError: unreadable keypoints, or a hand none of whose points lies in the photo.
    """
    return checked_inside(read_keypoints(path, hand=hand, keypoint_set=keypoint_set), size, str(path))


def hands_of(points: Any, size: tuple[int, int], *, hand: str, keypoint_set: str | None = None) -> list[Detection]:
    """One hand of an array, checked as a file's would be.

    Args:
        points: [21, 2] or [21, 3] px and confidence.
        size: width, height of the upright photo, px.
        hand: "left" or "right".
        keypoint_set: the definition the points follow; "openpose" unless given.

    Raises:
        InputError: another shape, numbers that are not finite, no side, or a hand outside the photo.
    """
    values = points.tolist() if hasattr(points, "tolist") else points
    return checked_inside(hands_in(values, "keypoints", hand=hand, keypoint_set=keypoint_set), size, "keypoints")


def checked_inside(hands: list[Detection], size: tuple[int, int], where: str) -> list[Detection]:
    """Hands of a photo [width, height] px.

    Raises:
        InputError: none of a hand's points lies in it.
    """
    for detection in hands:
        visible = detection.keypoints[detection.keypoints[:, 2] > 0, :2]
        inside = ((visible >= 0) & (visible <= np.array(size))).all(1)
        if not inside.any():
            low, high = visible.min(0), visible.max(0)
            raise InputError(
                f"{where}: the {detection.hand} hand lies outside the {size[0]} x {size[1]} photo (x {low[0]:.5g} to "
                f"{high[0]:.5g}, y {low[1]:.5g} to {high[1]:.5g}). Expected pixels of the upright photo: were they "
                "found in a picture of another size or orientation?"
            )
    return hands
