"""Hand detection in photos of any size: palms, then keypoints; rotations and tiles where the first pass fails."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

from handsss.detect import landmarks, palms
from handsss.detect.landmarks import LandmarkReader, Landmarks
from handsss.detect.palms import PalmDetector, iou
from handsss.detect.types import KEYPOINT_SET, Detection
from handsss.geometry.window import Window

MINIMUM_PRESENCE = 0.5
_FIRST_PALM, _LATER_PALM = 0.5, 0.35  # least palm scores, in the first pass and in later ones
_SAME_HAND = 0.35  # mean keypoint distance over the hand's size below which two detections are one hand
_SMALLEST = 16.0  # px of the photo; smaller detections are noise
# Later passes are many, and each may find a false positive: they need more certainty.
_LATER_PRESENCE, _LATER_CONFIDENCE = 0.6, 0.35
_WORKING_SIDE = 2048  # px: larger photos are reduced before palm detection


class HandDetector:
    """MediaPipe's networks with tiling, rotations, and a confidence for each keypoint.

    Args:
        threads: per network; one is fastest on few cores.
        thorough: search tiles even where the whole photo has shown a hand, to find every hand.
    """

    def __init__(self, threads: int = 1, *, thorough: bool = False) -> None:
        self._palms = PalmDetector(threads)
        self._reader = LandmarkReader(threads)
        self._thorough = thorough

    def detect(self, image: np.ndarray, *, max_hands: int | None = None) -> list[Detection]:
        """Find hands.

        Args:
            image: [H, W, 3] uint8 RGB.
            max_hands: keep only the most confident; None keeps all.

        Returns:
            hands in the photo's pixels, most confident first, without duplicates.

        Raises:
            ValueError: the array is no RGB picture.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f"expected an RGB picture [H, W, 3] uint8, got {image.dtype} {list(image.shape)}")
        if min(image.shape[:2]) < 8:
            return []
        picture, factor = _reduced(image)
        found: list[Landmarks] = []
        height, width = picture.shape[:2]
        whole = Window.around_picture(width, height, palms.SIZE)
        self._detect_hands(picture, whole, _FIRST_PALM, MINIMUM_PRESENCE, 0.0, found)
        if not found or self._thorough:
            for window in self._further_windows(width, height, whole, bool(found)):
                self._detect_hands(picture, window, _LATER_PALM, _LATER_PRESENCE, _LATER_CONFIDENCE, found)
                if found and not self._thorough:
                    break
        found = [hand for hand in found if np.ptp(hand.points, axis=0).max() * factor >= _SMALLEST]
        found.sort(key=lambda hand: -hand.presence * float(hand.confidence.mean()))
        return [_detection(hand, factor) for hand in found[:max_hands]]

    def _further_windows(self, width: int, height: int, whole: Window, found: bool) -> Iterator[Window]:
        """Square windows to try: the photo rotated and with a border (for hands that fill it), then overlapping
        tiles of a half and a third of its longer side (for small hands)."""
        if not found:
            yield whole
            yield whole.turned(0.0, enlarged=1.6)
            for angle in (np.pi / 2, -np.pi / 2, np.pi):
                yield whole.turned(angle)
                yield whole.turned(angle, enlarged=1.6)
        for part in (2, 3):
            side = max(width, height) / part
            if side < 64:
                break
            columns = _starts(width, side)
            for y in _starts(height, side):
                for x in columns:
                    yield Window.square(np.array([x, y]) + side / 2, side, palms.SIZE)

    def _detect_hands(
        self,
        picture: np.ndarray,
        window: Window,
        palm_score: float,
        presence: float,
        confidence: float,
        found: list[Landmarks],
    ) -> None:
        """Add a window's hands to ``found``: those above the thresholds; of duplicates the more confident stays."""
        for palm in self._palms(picture, window, palm_score):
            first = self._reader.read(picture, palm.region(landmarks.SIZE))
            if first.presence < 0.3:
                continue
            hand = self._reader.predict_with_tta(picture, first.points)
            if hand.presence < presence or hand.confidence.mean() < confidence or not _inside(hand, picture):
                continue
            twin = next((i for i, other in enumerate(found) if _same(hand, other)), None)
            if twin is None:
                found.append(hand)
            elif hand.presence * hand.confidence.mean() > found[twin].presence * found[twin].confidence.mean():
                found[twin] = hand


def _reduced(image: np.ndarray) -> tuple[np.ndarray, float]:
    """The picture at working size, and photo pixels per working pixel."""
    longer = max(image.shape[:2])
    if longer <= _WORKING_SIDE:
        return np.ascontiguousarray(image), 1.0
    factor = longer / _WORKING_SIDE
    size = (max(8, round(image.shape[1] / factor)), max(8, round(image.shape[0] / factor)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX)), factor


def _starts(length: int, side: float) -> np.ndarray:
    """Where tiles begin so that they overlap by about half and cover the length."""
    if length <= side:
        return np.array([(length - side) / 2])
    count = int(np.ceil((length - side) / (0.5 * side))) + 1
    return np.linspace(0, length - side, count)


def _inside(hand: Landmarks, picture: np.ndarray) -> bool:
    """Most of the hand lies in the picture."""
    limit = np.array([picture.shape[1], picture.shape[0]])
    return bool(((hand.points > 0) & (hand.points < limit)).all(1).mean() >= 0.6)


def _same(a: Landmarks, b: Landmarks) -> bool:
    """Whether two detections are one hand: their points lie close together or their boxes nearly coincide."""
    size = max(np.ptp(a.points, axis=0).max(), np.ptp(b.points, axis=0).max())
    near = np.linalg.norm(a.points - b.points, axis=1).mean() < _SAME_HAND * size
    boxes = [np.concatenate([hand.points.min(0), hand.points.max(0)]) for hand in (a, b)]
    return bool(near or iou(boxes[0], boxes[1][None])[0] > 0.6)


def _detection(hand: Landmarks, factor: float) -> Detection:
    keypoints = np.concatenate([hand.points * factor, hand.confidence[:, None]], 1)
    return Detection(
        hand="right" if hand.right >= 0.5 else "left",
        score=hand.presence,
        handedness=max(hand.right, 1 - hand.right),
        keypoints=keypoints,
        keypoint_set=KEYPOINT_SET,
        region=hand.region.corners * factor,
        world=np.concatenate([hand.world, hand.world_spread[:, None]], 1),
    )
