"""Sources of 2D keypoints: built-in detector, OpenPose's files, a list file, projected ground truth."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from handsss.data.keypoints.openpose_run import json_folder
from handsss.data.store.schema import KEYPOINTS
from handsss.detect.openpose import read_keypoints
from handsss.errors import InputError

if TYPE_CHECKING:
    from handsss.data.annotated_image import AnnotatedImage
    from handsss.detect.detector import HandDetector

Tags = list[str]  # what is to be counted: "keypoints found", "no hand", ...
Hands = list[tuple[str, np.ndarray]]  # side and keypoints [21, 3] px of the picture
FOUND, NO_HAND, NO_FILE = "keypoints found", "no hand found", "keypoint file missing"
SEVERAL, OTHER_SIDE, NO_TRUTH = "several hands, surest taken", "only the other side's hand", "no true joints"


class KeypointSource(Protocol):
    """Gives keypoints to pictures. Sources are pickled to worker processes, so they open nothing before use."""

    @property
    def keypoint_set(self) -> str: ...  # the definition the points follow

    def settings(self) -> dict[str, Any]:
        """Settings that determine its keypoints, for the store's attributes."""

    def find(self, item: AnnotatedImage, picture: np.ndarray, intrinsics: np.ndarray) -> tuple[Hands, Tags]:
        """Hands of a picture; for a dataset of one side exactly one, with zero confidence where nothing was found."""


def unseen_hand(item: AnnotatedImage, tag: str) -> tuple[Hands, Tags]:
    """A hand without keypoints: the row is kept with zero confidence."""
    if item.side == "auto":
        return [], [tag]
    return [(item.side, np.zeros((KEYPOINTS, 3)))], [tag]


@dataclass
class TruthSource:
    """Projections of the true joints, with confidence 1."""

    definition: str  # keypoint set of the dataset's joints

    @property
    def keypoint_set(self) -> str:
        return self.definition

    def settings(self) -> dict[str, Any]:
        return {"source": "truth"}

    def find(self, item: AnnotatedImage, picture: np.ndarray, intrinsics: np.ndarray) -> tuple[Hands, Tags]:
        joints = item.joints_3d
        if joints is None or not np.isfinite(joints).all() or (joints[:, 2] <= 0).any():
            return unseen_hand(item, NO_TRUTH)
        projected = joints @ intrinsics.T
        points = np.concatenate([projected[:, :2] / projected[:, 2:], np.ones((KEYPOINTS, 1))], 1)
        return [(item.side, points)], [FOUND]


@dataclass
class DetectorSource:
    """The built-in detector. In a dataset of one side, the detected side is ignored."""

    thorough: bool = False  # look into tiles even where the whole picture has shown a hand
    _detector: HandDetector | None = field(default=None, repr=False)

    @property
    def keypoint_set(self) -> str:
        return "mediapipe"

    def settings(self) -> dict[str, Any]:
        return {
            "source": "detect",
            "detector": "MediaPipe palm_detection_full, hand_landmark_full",
            "looks": 6,
            "thorough": self.thorough,
        }

    def find(self, item: AnnotatedImage, picture: np.ndarray, intrinsics: np.ndarray) -> tuple[Hands, Tags]:
        if self._detector is None:
            from handsss.detect.detector import HandDetector

            self._detector = HandDetector(thorough=self.thorough)
        hands = self._detector.detect(picture)
        if not hands:
            return unseen_hand(item, NO_HAND)
        if item.side == "auto":
            return [(hand.hand, hand.keypoints) for hand in hands], [FOUND] * len(hands)
        return [(item.side, hands[0].keypoints)], [FOUND] + [SEVERAL] * (len(hands) > 1)


@dataclass
class OpenPoseFolder:
    """OpenPose's JSON files: STEM_keypoints.json or STEM.json for each picture, folders as in the dataset or flat.

    Empty arrays, all zeros and missing files all mean "not seen". Of several people the one whose hand is surest.
    """

    folder: Path
    ran_here: bool = False  # written by OpenPose run from here, one folder for each folder of pictures

    @property
    def keypoint_set(self) -> str:
        return "openpose"

    def settings(self) -> dict[str, Any]:
        return {"source": "openpose", "folder": str(self.folder), "ran_here": self.ran_here}

    def find(self, item: AnnotatedImage, picture: np.ndarray, intrinsics: np.ndarray) -> tuple[Hands, Tags]:
        path = self._file(item)
        if path is None:
            return unseen_hand(item, NO_FILE)
        hands = read_keypoints(path)
        if not hands:
            return unseen_hand(item, NO_HAND)
        if item.side == "auto":
            return [(hand.hand, hand.keypoints) for hand in hands], [FOUND] * len(hands)
        wanted = [hand for hand in hands if hand.hand == item.side]
        if not wanted:
            return unseen_hand(item, OTHER_SIDE)
        return [(item.side, wanted[0].keypoints)], [FOUND] + [SEVERAL] * (len(wanted) > 1)

    def _file(self, item: AnnotatedImage) -> Path | None:
        inner = Path(item.name).parent
        stem = Path(item.name).stem
        folders = (self.folder / inner, self.folder)
        if self.ran_here:
            folders = (json_folder(self.folder, item.path.parent),) * 2
        for folder in folders:
            for name in (f"{stem}_keypoints.json", f"{stem}.json"):
                if (folder / name).is_file():
                    return folder / name
        return None


@dataclass
class ListFile:
    """One JSON file ``[points, confidences, names]``, lists of equal length, as S2HAND's detections come.

    An entry belongs to the picture of its name; where names do not tell, to the picture of its number.
    """

    path: Path
    definition: str = "openpose"
    _points: np.ndarray | None = field(default=None, repr=False)  # [N, 21, 3]
    _names: dict[str, int] | None = field(default=None, repr=False)

    @property
    def keypoint_set(self) -> str:
        return self.definition

    def settings(self) -> dict[str, Any]:
        return {"source": "list", "file": str(self.path)}

    def find(self, item: AnnotatedImage, picture: np.ndarray, intrinsics: np.ndarray) -> tuple[Hands, Tags]:
        points, names = self.read()
        if names:
            number = names.get(item.name, names.get(Path(item.name).stem, -1))
        else:  # a list of the unique samples holds for all their versions
            number = item.index if item.index < len(points) else item.sample
        if not 0 <= number < len(points):
            return unseen_hand(item, NO_FILE)
        if not (points[number, :, 2] > 0).any():
            return unseen_hand(item, NO_HAND)
        side = "right" if item.side == "auto" else item.side
        return [(side, points[number])], [FOUND]

    def read(self) -> tuple[np.ndarray, dict[str, int]]:
        """Points [N, 21, 3] and the number of each named picture (empty: by number).

        Raises:
            InputError: not such a file.
        """
        if self._points is None or self._names is None:
            self._points, self._names = _read_list(self.path)
        return self._points, self._names


def _read_list(path: Path) -> tuple[np.ndarray, dict[str, int]]:
    what = "a list [points [N][21][2], confidences [N][21], names [N]]"
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}). Expected {what}.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}). Expected {what}.") from error
    if not isinstance(content, list) or len(content) not in (2, 3):
        raise InputError(f"{path}: expected {what}, got {type(content).__name__} of other length.")
    try:
        points = np.array(content[0], dtype=np.float64)
        confidence = np.array(content[1], dtype=np.float64).reshape(len(points), -1)
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: points and confidences are not numbers of one shape ({error}).") from error
    if points.ndim != 3 or points.shape[1:] != (KEYPOINTS, 2) or confidence.shape != points.shape[:2]:
        raise InputError(
            f"{path}: expected points [N][21][2] and confidences [N][21], got {list(points.shape)} and "
            f"{list(confidence.shape)}."
        )
    if not (np.isfinite(points).all() and np.isfinite(confidence).all()):
        raise InputError(
            f"{path}: holds numbers that are not finite. Write 0, 0 with confidence 0 for an unseen joint."
        )
    names = content[2] if len(content) == 3 else []
    if names and len(names) != len(points):
        raise InputError(f"{path}: {len(points)} entries but {len(names)} names.")
    keyed: dict[str, int] = {}
    for number, name in enumerate(names):
        text = str(name)
        keyed.setdefault(text, number)
        keyed.setdefault(Path(text).stem, number)
    if len({Path(str(name)).stem for name in names}) < len(names):
        keyed = {}  # names repeat (one for each version of a picture, say): numbers tell
    confidence = np.clip(confidence, 0, 1)
    confidence[(points == 0).all(2)] = 0
    return np.concatenate([points, confidence[..., None]], 2), keyed
