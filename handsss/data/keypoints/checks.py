"""The checks that every command makes on 2D keypoints."""

from __future__ import annotations

import numpy as np

from handsss.detect.types import MINIMUM_SPAN
from handsss.errors import InputError

_PERCENT = 100.0
_BESIDE = 0.1  # share of the picture that a point of a hand at its edge may lie outside


def checked_values(points: np.ndarray, where: str) -> np.ndarray:
    """Points [21, 3] with confidences in 0..1; a joint at exactly 0, 0 was not seen and gets confidence 0.

    Args:
        points: x, y, confidence.
        where: what messages call the hand.

    Raises:
        InputError: a number that is not finite, or a third column that cannot be confidences.
    """
    wrong = ~np.isfinite(points).all(1)
    if wrong.any():
        joint = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{where}: joint {joint} holds {points[joint].tolist()}; expected finite numbers. "
            "Write 0, 0, 0 for a joint that was not seen."
        )
    checked_confidences(points[:, 2], where)
    points = points.copy()
    points[:, 2] = np.minimum(points[:, 2], 1)
    points[(points[:, :2] == 0).all(1), 2] = 0
    return points


def checked_confidences(values: np.ndarray, where: str) -> None:
    """Refuse numbers that cannot be confidences.

    Raises:
        InputError: below 0 or above 1 (rounding aside); it says what they may be.
    """
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1 + 1e-4:
        return
    if low < 0:
        guess = "They may be depths (z): leave the column out, or give MediaPipe's landmarks as MediaPipe writes them."
    elif high == 2 and np.isin(values, (0, 1, 2)).all():
        guess = "They may be COCO's visibility flags: write 1 for every joint with a place, 0 for the others."
    elif high <= _PERCENT:
        guess = "They may be per cent (divide by 100) or depths (leave the column out)."
    else:
        guess = "Leave the column out if it holds no confidences."
    raise InputError(f"{where}: expected confidences from 0 to 1 as third number, got {low:g} to {high:g}. {guess}")


def check_in_picture(points: np.ndarray, size: tuple[int, int], where: str) -> None:
    """Refuse a hand that lies outside its picture, or is too small to be one.

    Args:
        points: [21, 3] px and confidence; those with confidence 0 do not count.
        size: width, height of the upright picture, px.
        where: what messages call the hand.

    Raises:
        InputError: none of the seen points lies in the picture, or they span less than 4 px.
    """
    visible = points[points[:, 2] > 0, :2]
    if not len(visible):
        return
    low, high = visible.min(0), visible.max(0)
    span = float((high - low).max())
    extent = f"x {low[0]:.5g} to {high[0]:.5g}, y {low[1]:.5g} to {high[1]:.5g}"
    hint = _hint(visible, low, high)
    if not ((visible >= 0) & (visible <= np.array(size))).all(1).any():
        raise InputError(
            f"{where} lies outside the {size[0]} x {size[1]} picture ({extent}). Expected pixels of the upright "
            f"picture{hint or ': were they found in a picture of another size or orientation?'}"
        )
    if span < MINIMUM_SPAN:
        raise InputError(
            f"{where} spans {span:.3g} px ({extent}). Expected at least {MINIMUM_SPAN:g} px, in pixels of the "
            f"{size[0]} x {size[1]} picture{hint or '.'}"
        )


def _hint(visible: np.ndarray, low: np.ndarray, high: np.ndarray) -> str:
    if len(visible) > 1 and low.min() >= -1.0 and high.max() <= 1.5 and (high - low).max() > 0:
        if low.min() < -_BESIDE and high.max() <= 1.0:
            return ", but these look normalised to -1..1: add 1, halve, and multiply by its width and height."
        return ", but these look normalised: multiply them by its width and height."
    return ""
