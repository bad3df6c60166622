"""One reader for keypoint files of all sources, each recognised by its content."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from handsss.data.keypoints import coco, lists, mediapipe, mmpose, openpose, own
from handsss.data.keypoints.document import KEYPOINTS, KeypointDocument, keys_of
from handsss.errors import InputError
from handsss.io.content import mistaken_content, plain_utf8

Reader = Callable[[Any, str], KeypointDocument | None]
EXPECTED = "a JSON file of 2D keypoints"
_LARGEST = 4_000_000_000  # bytes


class Source(NamedTuple):
    """A kind of keypoint file."""

    name: str
    keys: str  # by which it is known, for messages
    read: Reader


SOURCES = (
    Source("OpenPose", openpose.KEYS, openpose.read),
    Source("S2HAND's list", lists.KEYS, lists.read_s2hand),
    Source("MMPose", mmpose.KEYS, mmpose.read),
    Source("COCO and COCO-WholeBody", coco.KEYS, coco.read),
    Source("Panoptic's hand labels", "'hand_pts'", lists.read_panoptic),
    Source("MediaPipe", mediapipe.KEYS, mediapipe.read),
    Source("own", own.KEYS, own.read),
)


def read_document(path: Path) -> KeypointDocument:
    """Read a keypoint file of any source.

    Raises:
        InputError: missing, empty, not JSON, of no known source, or damaged.
    """
    return document_of(read_json(path), str(path))


def document_of(content: Any, where: str) -> KeypointDocument:
    """What the content of a keypoint file says.

    Args:
        content: lists, numbers and objects, as JSON has them.
        where: what messages call the file.

    Raises:
        InputError: of no known source (it says which keys came and which are known), or damaged.
    """
    for source in SOURCES:
        document = source.read(content, where)
        if document is not None:
            return document
    if not isinstance(content, (dict, list)) or not content:
        raise InputError(f"{where}: holds no keypoints. Expected {KEYPOINTS} points of a hand: {own.KEYS}.")
    came = keys_of(content)
    if isinstance(content, list) and isinstance(content[0], dict):
        came += f" of objects with the keys {keys_of(content[0])}"
    elif isinstance(content, dict):
        came = f"the keys {came}"
    known = "; ".join(f"{source.name}: {source.keys}" for source in SOURCES)
    raise InputError(f"{where}: keypoints of no known source, got {came}. Known are {known}.")


def read_json(path: Path) -> Any:
    """The content of a JSON file, with or without a byte-order mark, in UTF-8 or UTF-16.

    Raises:
        InputError: missing, empty, too large, or not JSON.
    """
    try:
        kind = os.stat(path)
        if stat.S_ISREG(kind.st_mode) and kind.st_size > _LARGEST:
            raise InputError(f"{path}: {kind.st_size / 1e9:.1f} GB. Expected {EXPECTED}.")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: the keypoint file cannot be read ({error.strerror or error}). Expected {EXPECTED}."
        ) from error
    if not data.strip():
        raise InputError(f"{path}: the keypoint file is empty. Expected {EXPECTED}.")
    try:
        # Python's JSON reader accepts NaN; the check for finite values names the joint.
        return json.loads(plain_utf8(data))
    except (ValueError, RecursionError) as error:
        came = mistaken_content(data[:1024])
        reason = f"it is {came}" if came and came != "a text file" else str(error)
        raise InputError(f"{path}: not JSON ({reason}). Expected {EXPECTED}.") from error
