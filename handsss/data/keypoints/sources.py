"""Sources of 2D keypoints: built-in detector, files of any kind, projected ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from handsss.data.keypoints.document import KEYPOINTS, OPENPOSE, KeypointDocument
from handsss.data.keypoints.files import PictureKeypoints, match_keypoints
from handsss.data.keypoints.names import Picture
from handsss.data.keypoints.openpose_run import json_folder
from handsss.data.keypoints.read import read_document
from handsss.detect.boxes import check_inside
from handsss.errors import InputError

if TYPE_CHECKING:
    from handsss.data.annotated_image import AnnotatedImage
    from handsss.detect.detector import HandDetector

Tags = list[str]  # what is to be counted: "keypoints found", "no hand", ...
FOUND, NO_HAND, NO_FILE = "keypoints found", "no hand found", "keypoint file missing"
SEVERAL, OTHER_SIDE, NO_TRUTH = "several hands, surest taken", "only the other side's hand", "no true joints"
_PROBED = 200  # files that are read, at most, to learn what a folder holds
LEFT_OUT = "hands of the other side left out"  # --hand


class SourceHand(NamedTuple):
    """One hand of a picture."""

    side: str  # "left" | "right"
    keypoints: np.ndarray  # [21, 3] px of the picture and confidence
    world: np.ndarray | None = None  # [21, 4] m, see handsss.detect.types.Detection; None: no depth


Hands = list[SourceHand]


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
    return [SourceHand(item.side, np.zeros((KEYPOINTS, 3)))], [tag]


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
        return [SourceHand(item.side, points)], [FOUND]


@dataclass
class DetectorSource:
    """The built-in detector.

    Pictures of one hand (a dataset of one side, or a box around it) are searched harder and doubtful hands count, since
    a hand is there; in a dataset of one side, the detected side is ignored.
    """

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
            "sweep": "landmark network, where palms show nothing",
            "thorough": self.thorough,
        }

    def find(self, item: AnnotatedImage, picture: np.ndarray, intrinsics: np.ndarray) -> tuple[Hands, Tags]:
        if self._detector is None:
            from handsss.detect.detector import HandDetector

            self._detector = HandDetector(thorough=self.thorough)
        if item.hand_boxes:
            for box in item.hand_boxes if item.box is None else ():
                check_inside(box, (picture.shape[1], picture.shape[0]))
            hands = [hand for box in item.hand_boxes for hand in self._detector.detect_one(picture, box)]
        else:
            hands = self._detector.detect(picture) if item.side == "auto" else self._detector.detect_one(picture)
        if not hands:
            return unseen_hand(item, NO_HAND)
        if item.side == "auto":
            return [SourceHand(hand.hand, hand.keypoints, hand.world) for hand in hands], [FOUND] * len(hands)
        surest = SourceHand(item.side, hands[0].keypoints, hands[0].world)
        return [surest], [FOUND] + [SEVERAL] * (len(hands) > 1)


@dataclass
class KeypointFiles:
    """Keypoint files of any kind that :mod:`handsss.data.keypoints.read` knows: one file, or a folder of them.

    Empty arrays, all zeros and missing files all mean "not seen". Of several people the one whose hand is surest.
    """

    location: Path
    ran_here: bool = False  # written by OpenPose run from here, one folder for each folder of pictures
    _matched: dict[str, PictureKeypoints] | None = field(default=None, repr=False, compare=False)  # by picture name
    _format: str = field(default="", compare=False)
    _keypoint_set: str = field(default=OPENPOSE, compare=False)
    _note: str = field(default="", repr=False, compare=False)

    @property
    def keypoint_set(self) -> str:
        return self._keypoint_set

    @property
    def is_bound(self) -> bool:
        """Whether the keypoints of each picture are known; see :meth:`bound`."""
        return self._matched is not None

    @property
    def note(self) -> str:
        """What a user of this kind of file should know; empty if there is nothing."""
        return self._note

    def settings(self) -> dict[str, Any]:
        return {"source": "files", "format": self._format, "path": str(self.location), "ran_here": self.ran_here}

    def describe(self) -> str:
        """What was read, as a line for users: "MMPose, 21 points, for 4" pictures."""
        return f"{self._format}, {KEYPOINTS} points, for {len(self._matched or {})}"

    def bound(self, pictures: Sequence[Picture]) -> KeypointFiles:
        """The same source, which knows the keypoints of each picture.

        Raises:
            InputError: see :func:`handsss.data.keypoints.files.match_keypoints`.
        """
        matched: dict[int, PictureKeypoints] = {}
        if self.ran_here:
            folders: dict[Path, list[int]] = {}
            for position, picture in enumerate(pictures):
                folders.setdefault(picture.path.parent, []).append(position)
            for folder, inside in folders.items():
                found = match_keypoints(json_folder(self.location, folder), [pictures[n] for n in inside])
                matched |= {inside[position]: entry for position, entry in found.items()}
        else:
            matched = match_keypoints(self.location, pictures)
        document = _first_with_hands(list(matched.values()))
        keypoint_set = next(
            (h.keypoint_set for entry in document.pictures for h in entry.hands if h.keypoint_set),
            document.keypoint_set,
        )
        names = {pictures[position].name: entry for position, entry in matched.items()}
        return replace(self, _matched=names, _format=document.source, _keypoint_set=keypoint_set, _note=document.note)

    def selected(self, names: Sequence[str]) -> KeypointFiles:
        """The same for these pictures only: little to send to a worker process."""
        matched = self._matched or {}
        return replace(self, _matched={name: matched[name] for name in names if name in matched})

    def find(self, item: AnnotatedImage, picture: np.ndarray, intrinsics: np.ndarray) -> tuple[Hands, Tags]:
        entry = (self._matched or {}).get(item.name)
        if entry is None:
            return unseen_hand(item, NO_FILE)
        size = picture.shape[1], picture.shape[0]
        reading = entry.read(size, side=None if item.side == "auto" else item.side)
        if not reading.hands:
            return unseen_hand(item, NO_HAND)
        if reading.keypoint_set != self.keypoint_set:
            raise InputError(
                f"{entry.path}: keypoints of the set {reading.keypoint_set}, the first file has {self.keypoint_set}. "
                "Expected one definition in a store: preprocess them into two."
            )
        if item.side == "auto":
            return [SourceHand(hand.hand, hand.keypoints) for hand in reading.hands], [FOUND] * len(reading.hands)
        wanted = [hand for hand in reading.hands if hand.hand == item.side]
        if not wanted:
            return unseen_hand(item, OTHER_SIDE)
        return [SourceHand(item.side, wanted[0].keypoints)], [FOUND] + [SEVERAL] * (len(wanted) > 1)


def _first_with_hands(entries: Sequence[PictureKeypoints]) -> KeypointDocument:
    """The first file with a hand in it, or the first that can be read; pictures tell of those that cannot."""
    first: KeypointDocument | None = None
    for entry in entries[:_PROBED]:
        try:
            document = entry.document or read_document(entry.path)
        except InputError:
            continue
        if any(picture.hands for picture in document.pictures):
            return document
        first = first or document
    return first or KeypointDocument("files that cannot be read", ())
