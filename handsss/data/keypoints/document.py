"""What a keypoint file of any source holds, in one shape: pictures, and the hands of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from handsss.errors import InputError
from handsss.hand.joints import joint_order

KEYPOINTS = 21
_LARGEST_SIDE = 10_000_000  # px: no picture is as large
OPENPOSE = "openpose"  # the keypoint set of points that name none
MEDIAPIPE = "mediapipe"


@dataclass(frozen=True)
class FileHand:
    """One hand as a file gives it."""

    points: np.ndarray  # [21, 3] x, y, confidence 0..1; OpenPose order
    where: str  # what messages call it: file, number, side
    side: str | None = None  # "left" | "right"; None: the file does not say
    keypoint_set: str | None = None  # the definition the points follow, in the file's own word
    normalised: bool = False  # x and y are shares of the picture's width and height
    depth: bool = False  # the file's third number was a depth: confidence 1 stands in its place


@dataclass(frozen=True)
class PictureEntry:
    """The hands of one picture."""

    hands: tuple[FileHand, ...]
    name: str | int | None = None  # of the picture, as the file has it; None: the file does not say
    size: tuple[int, int] | None = None  # width, height of the picture that the points were read in, px


@dataclass(frozen=True)
class KeypointDocument:
    """A keypoint file.

    Args:
        source: what wrote it: "OpenPose", "MMPose", ...
        pictures: one without a name where the file is of one picture.
        keypoint_set: the definition that points of this source follow.
    """

    source: str
    pictures: tuple[PictureEntry, ...]
    keypoint_set: str = OPENPOSE
    note: str = ""  # what a user of this source should know

    @property
    def one_picture(self) -> bool:
        """Whether the file is of a single picture that it does not name."""
        return len(self.pictures) == 1 and self.pictures[0].name is None


def pixels(hand: FileHand, read_at: tuple[int, int] | None, size: tuple[int, int]) -> FileHand:
    """A hand in pixels of the picture.

    Args:
        hand: in shares of the picture, or in pixels of ``read_at``.
        read_at: width, height that the file gives for its picture.
        size: of the picture that is at hand.

    Raises:
        InputError: the file's picture has other proportions: it is another picture, or a turned one.
    """
    if read_at is not None and tuple(read_at) != tuple(size):
        ratio = size[0] / read_at[0], size[1] / read_at[1]
        if abs(ratio[0] - ratio[1]) * max(read_at) > 2 * max(1.0, *ratio):  # rounding of the smaller picture's size
            raise InputError(
                f"{hand.where}: the file is of a {read_at[0]} x {read_at[1]} picture, this one has "
                f"{size[0]} x {size[1]}. Expected the same picture, upright."
            )
    else:
        ratio = 1.0, 1.0
    factor = np.array(size, dtype=np.float64) if hand.normalised else np.array(ratio)
    if (factor == 1).all():
        return replace(hand, normalised=False)
    points = hand.points.copy()
    points[:, :2] *= factor
    return replace(hand, points=points, normalised=False)


def numbers(values: Any, where: str) -> np.ndarray:
    """Nested lists of numbers as an array.

    Raises:
        InputError: not numbers of one shape.
    """
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{where}: the keypoints are not numbers of one shape ({error}).") from error


def joint_rows(values: Any, where: str, joints: int = KEYPOINTS) -> np.ndarray:
    """[joints, 2] or [joints, 3] of nested or flat lists.

    Raises:
        InputError: another count.
    """
    points = numbers(values, where)
    if points.ndim == 1 and points.size in (2 * joints, 3 * joints):
        points = points.reshape(joints, -1)
    if points.ndim != 2 or points.shape[0] != joints or points.shape[1] not in (2, 3):
        got = f"{points.shape[0]} joints" if points.ndim == 2 else f"{points.size} numbers"
        raise InputError(f"{where}: expected {joints} joints of [x, y] or [x, y, confidence], got {got}.")
    return points


def with_confidence(points: np.ndarray, scores: Any, where: str) -> np.ndarray:
    """[21, 2 or more] points with a list of confidences [21] or [21, 1] as third column; 1 where there is no list.

    Raises:
        InputError: a list of another length.
    """
    if scores is None:
        column = np.ones(len(points))
    else:
        column = numbers(scores, where)
        if column.size != len(points):
            raise InputError(f"{where}: {len(points)} points but {column.size} confidences.")
    return np.concatenate([points[:, :2], column.reshape(-1, 1)], 1)


def visible_flags(points: np.ndarray) -> np.ndarray:
    """COCO's third number, 0, 1 or 2 (absent, hidden, visible), as confidences; other numbers stay."""
    third = points[:, 2]
    if np.isin(third, (0, 1, 2)).all():
        points = points.copy()
        points[:, 2] = third > 0
    return points


def picture_size(entry: dict[str, Any], names: Sequence[tuple[str, str]]) -> tuple[int, int] | None:
    """Width and height, px, under the first pair of keys that an object has."""
    for across, down in names:
        size = size_of([entry.get(across), entry.get(down)])
        if size is not None:
            return size
    return None


def size_of(pair: Any) -> tuple[int, int] | None:
    """Width and height, px, of a list of the two; None for anything that is no size of a picture."""
    if not isinstance(pair, list) or len(pair) != 2:
        return None
    if not all(isinstance(number, (int, float)) and 1 <= number <= _LARGEST_SIDE for number in pair):
        return None
    return int(pair[0]), int(pair[1])


def side_of(value: Any) -> str | None:
    """ "left" or "right" of a word for it; None for anything else."""
    word = value.strip().lower() if isinstance(value, str) else ""
    return {"l": "left", "r": "right", "left": "left", "right": "right"}.get(word)


def keys_of(value: Any) -> str:
    """The keys of an object, or the type of anything else, for a message."""
    if isinstance(value, dict):
        return ", ".join(repr(str(key)[:40]) for key in list(value)[:8]) + (", ..." if len(value) > 8 else "") or "none"
    return f"a list of {len(value)}" if isinstance(value, list) else type(value).__name__


def joint_names() -> tuple[str, ...]:
    """The 21 joints' names, OpenPose order."""
    return tuple(joint_order(OPENPOSE))
