"""The landmark network as a detector: it reads squares of several sizes at several turns.

The palm network misses hands that fill the picture, hold things or are cut. The landmark network reads them once it is
shown about the right square, and its presence tells hands from what is none.
"""

from __future__ import annotations

import numpy as np

from handsss.detect import landmarks
from handsss.detect.landmarks import LandmarkReader, Landmarks, Reading
from handsss.geometry.window import Window

WHOLE = (0.75, 1.0, 1.35)  # sides of the squares, of a picture's longer side
CROP = (0.5, *WHOLE)  # the same, of a dataset's crop around a hand
BOX = (1.0, 1.35, 1.75)  # the same, of a box around the hand: the network wants some room
_TURNS = 8
_READ_CAREFULLY = 3  # squares, the surest
_HOPELESS = 0.1  # presence below which a square is not read carefully


def sweep(
    reader: LandmarkReader, picture: np.ndarray, box: np.ndarray, sides: tuple[float, ...] = WHOLE
) -> Landmarks | None:
    """The surest hand in squares around the middle of a box.

    Every square is read once; the three surest are read carefully (:meth:`LandmarkReader.predict_with_tta`), from the
    region of their points, and the best of them once more, from the region of the careful points.

    Args:
        reader: of landmarks.
        picture: [H, W, 3] uint8.
        box: [4] x0, y0, x1, y1 px; a whole picture's is 0, 0, W, H.
        sides: of the squares, as shares of the box's longer side.

    Returns:
        The hand with the largest presence times mean confidence, whatever that is; None where no square showed one.
    """
    centre, longer = (box[:2] + box[2:]) / 2, max(float((box[2:] - box[:2]).max()), 1.0)
    readings: list[Reading] = []
    for share in sides:
        for turn in range(_TURNS):
            window = Window.square(centre, share * longer, landmarks.SIZE, roll=turn * 2 * np.pi / _TURNS)
            readings.append(reader.read(picture, window))
    readings.sort(key=lambda reading: -reading.presence)
    hands = [
        reader.predict_with_tta(picture, reading.points)
        for reading in readings[:_READ_CAREFULLY]
        if reading.presence >= _HOPELESS
    ]
    if not hands:
        return None
    best = max(hands, key=certainty)
    return max(best, reader.predict_with_tta(picture, best.points), key=certainty)


def certainty(hand: Landmarks) -> float:
    """Presence times mean confidence, 0..1: what orders hands."""
    return hand.presence * float(hand.confidence.mean())
