"""Hand detection in photos of any size: palms, then keypoints; turns, tiles and a sweep where the first pass fails."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from PIL import Image

from handsss.detect import landmarks, palms, windows
from handsss.detect.landmarks import LandmarkReader, Landmarks
from handsss.detect.palms import PalmDetector, iou
from handsss.detect.sweep import BOX, CROP, WHOLE, certainty, sweep
from handsss.detect.types import KEYPOINT_SET, Detection
from handsss.geometry.window import Window

_SAME_HAND = 0.35  # mean keypoint distance over the hand's size below which two detections are one hand
_SMALLEST = 16.0  # px of the photo; smaller detections are noise
_WORKING_SIDE = 2048  # px: larger photos are reduced before palm detection


class _Limits(NamedTuple):
    """What a hand needs to count as one: one of the pairs of presence and mean confidence, both at least."""

    palm: float  # least score of the palm
    pairs: tuple[tuple[float, float], ...]

    def passed(self, hand: Landmarks) -> bool:
        confidence = float(hand.confidence.mean())
        return any(hand.presence >= presence and confidence >= least for presence, least in self.pairs)


_FIRST = _Limits(0.5, ((0.5, 0.4), (0.8, 0.0)))
# Later passes are many, and each may find a false positive: they need more certainty (docs/lab/detector.md).
_LATER = _Limits(0.35, ((0.7, 0.4), (0.85, 0.25)))
_FINE = _Limits(0.5, ((0.9, 0.35),))  # hundreds of tiles
_SWEPT = _Limits(0.0, ((0.9, 0.25),))
_EXPECTED = _Limits(0.5, ((0.5, 0.0),))  # where the picture or box is known to show a hand


class HandDetector:
    """MediaPipe's networks with rotations, tiles, sweeps, and a confidence for each keypoint.

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
        return _detections(self.find(image))[:max_hands]

    def find(self, image: np.ndarray, *, max_hands: int | None = None) -> list[Landmarks]:
        """The hands of :meth:`detect` as the landmark network reads them, most confident first."""
        if not _checked(image):
            return []
        picture, factor = _reduced(image)
        height, width = picture.shape[:2]
        whole = Window.around_picture(width, height, palms.SIZE)
        found: list[Landmarks] = []
        self._look(picture, [whole], _FIRST, found)
        if not found:
            self._look(picture, windows.turned(whole), _LATER, found)
        if not found or self._thorough:
            self._look(picture, windows.tiles(width, height), _LATER, found)
        if not found and (swept := self._sweep(picture, WHOLE)) is not None and _SWEPT.passed(swept):
            found.append(swept)
        found = [_enlarged(hand, factor) for hand in found]
        if factor > 1 and (not found or self._thorough):
            self._look(image, windows.fine_tiles(image.shape[1], image.shape[0]), _FINE, found)
        return _large(found)[:max_hands]

    def detect_one(self, image: np.ndarray, box: np.ndarray | None = None) -> list[Detection]:
        """Find the hand of a picture, or of a box in it, that is known to show one: doubtful ones count.

        Args:
            image: [H, W, 3] uint8 RGB.
            box: [4] x0, y0, x1, y1 px around the hand: no palm is looked for. None: the whole picture.

        Returns:
            The hand; where palms show several in a picture without a box, all of them, most confident first. Empty if
            nothing like a hand is there.

        Raises:
            ValueError: the array is no RGB picture.
        """
        if not _checked(image):
            return []
        found: list[Landmarks] = []
        if box is not None:
            hand = sweep(self._reader, image, np.asarray(box, dtype=np.float64), BOX)
            return _detections([hand] if hand is not None and _EXPECTED.passed(hand) else [])
        picture, factor = _reduced(image)
        height, width = picture.shape[:2]
        whole = Window.around_picture(width, height, palms.SIZE)
        self._look(picture, [whole], _EXPECTED, found)
        if not found:
            swept = self._sweep(picture, CROP)
            if swept is not None and _SWEPT.passed(swept):
                found = [swept]
            else:
                self._look(picture, [*windows.turned(whole), *windows.tiles(width, height)], _LATER, found)
                found = found or ([swept] if swept is not None and _EXPECTED.passed(swept) else [])
        return _detections([_enlarged(hand, factor) for hand in found])

    def _look(self, picture: np.ndarray, places: Iterable[Window], limits: _Limits, found: list[Landmarks]) -> None:
        """Look for palms in windows, until one shows a hand, or in all if the search is thorough."""
        for window in places:
            self._detect_hands(picture, window, limits, found)
            if found and not self._thorough:
                return

    def _sweep(self, picture: np.ndarray, sides: tuple[float, ...]) -> Landmarks | None:
        """The surest hand of a whole picture."""
        hand = sweep(self._reader, picture, np.array([0.0, 0.0, picture.shape[1], picture.shape[0]]), sides)
        return hand if hand is not None and inside_picture(hand, picture) else None

    def _detect_hands(self, picture: np.ndarray, window: Window, limits: _Limits, found: list[Landmarks]) -> None:
        """Add a window's hands to ``found``: those within the limits; of duplicates the more confident stays."""
        for palm in self._palms(picture, window, limits.palm):
            first = self._reader.read(picture, palm.region(landmarks.SIZE))
            if first.presence < 0.3:
                continue
            hand = self._reader.predict_with_tta(picture, first.points)
            if not limits.passed(hand) or not inside_picture(hand, picture):
                continue
            twin = next((i for i, other in enumerate(found) if same_hand(hand, other)), None)
            if twin is None:
                found.append(hand)
            elif certainty(hand) > certainty(found[twin]):
                found[twin] = hand


def _checked(image: np.ndarray) -> bool:
    """Whether a picture is large enough to show a hand.

    Raises:
        ValueError: the array is no RGB picture.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"expected an RGB picture [H, W, 3] uint8, got {image.dtype} {list(image.shape)}")
    return min(image.shape[:2]) >= 8


def _reduced(image: np.ndarray) -> tuple[np.ndarray, float]:
    """The picture at working size, and photo pixels per working pixel."""
    longer = max(image.shape[:2])
    if longer <= _WORKING_SIDE:
        return np.ascontiguousarray(image), 1.0
    factor = longer / _WORKING_SIDE
    size = (max(8, round(image.shape[1] / factor)), max(8, round(image.shape[0] / factor)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX)), factor


def _enlarged(hand: Landmarks, factor: float) -> Landmarks:
    """A hand of the reduced picture in the photo's pixels."""
    region = replace(hand.region, affine=hand.region.affine * np.array([1 / factor, 1 / factor, 1.0]))
    return hand._replace(points=hand.points * factor, region=region)


def inside_picture(hand: Landmarks, picture: np.ndarray) -> bool:
    """Most of the hand lies in the picture."""
    limit = np.array([picture.shape[1], picture.shape[0]])
    return bool(((hand.points > 0) & (hand.points < limit)).all(1).mean() >= 0.6)


def same_hand(a: Landmarks, b: Landmarks) -> bool:
    """Whether two detections are one hand: their points lie close together or their boxes nearly coincide."""
    size = max(np.ptp(a.points, axis=0).max(), np.ptp(b.points, axis=0).max())
    near = np.linalg.norm(a.points - b.points, axis=1).mean() < _SAME_HAND * size
    boxes = [np.concatenate([hand.points.min(0), hand.points.max(0)]) for hand in (a, b)]
    return bool(near or iou(boxes[0], boxes[1][None])[0] > 0.6)


def _large(hands: list[Landmarks]) -> list[Landmarks]:
    """Hands that are large enough, most confident first."""
    kept = [hand for hand in hands if np.ptp(hand.points, axis=0).max() >= _SMALLEST]
    return sorted(kept, key=lambda hand: -certainty(hand))


def _detections(hands: list[Landmarks]) -> list[Detection]:
    """Hands of a photo that are large enough, most confident first."""
    return [detection_of(hand) for hand in _large(hands)]


def detection_of(hand: Landmarks) -> Detection:
    """A hand that the landmark network read, as detection; its side is the likelier one."""
    return Detection(
        hand="right" if hand.right >= 0.5 else "left",
        score=hand.presence,
        handedness=max(hand.right, 1 - hand.right),
        keypoints=np.concatenate([hand.points, hand.confidence[:, None]], 1),
        keypoint_set=KEYPOINT_SET,
        region=hand.region.corners,
        world=np.concatenate([hand.world, hand.world_spread[:, None]], 1),
    )
