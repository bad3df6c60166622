"""The overview picture of a reconstruction: photo, keypoints, joints, mesh, texture, and rotated views."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from handsss.hand.result import HandResult
from handsss.visualize.mesh import (
    PhotoPanel,
    box_of,
    overlay_clay,
    overlay_textured,
    panel_around,
    turned_views,
)
from handsss.visualize.panels import SUPERSAMPLING, reduced
from handsss.visualize.sheet import GAP, Line, sheet
from handsss.visualize.skeleton import draw_inset, draw_offsets, draw_skeleton

_WIDTH = 1680  # px of the panels: five across the first row, seven across the second
_SMALL_HAND = 0.45  # part of the photo's shorter side below which an inset shows where the hand is

Panel = tuple[str, np.ndarray]


def picture(image: np.ndarray, hands: Sequence[HandResult]) -> np.ndarray:
    """The overview picture.

    Each hand has two rows: the photo around it, detected keypoints (hollow where unsure), fitted joints with white
    lines to the keypoints, the mesh over the photo, the textured and lit mesh; then the textured mesh alone from seven
    sides. A hand that is small in the photo comes with an inset of the whole.

    Args:
        image: [H, W, 3] uint8.
        hands: any number; none gives the photo with a remark.

    Returns:
        [h, w, 3] uint8, RGB.
    """
    if not hands:
        return _without_hands(image)
    blocks = [_block(image, hand, index, len(hands)) for index, hand in enumerate(hands)]
    width = max(block.shape[1] for block in blocks)
    padded = [np.pad(block, ((0, 0), (0, width - block.shape[1]), (0, 0)), constant_values=255) for block in blocks]
    return np.concatenate(padded)


def _block(image: np.ndarray, hand: HandResult, index: int, count: int) -> np.ndarray:
    first = (_WIDTH - 4 * GAP) // 5
    second = (_WIDTH - 6 * GAP) // 7
    shown = panel_around(image, hand, first * SUPERSAMPLING)
    rows = [_photo_panels(image, hand, shown), turned_views(hand, second * SUPERSAMPLING)]
    lines = [
        Line([reduced(panel) for _, panel in panels], captions=[caption for caption, _ in panels]) for panels in rows
    ]
    name = f"{hand.hand} hand" + (f" {index + 1} of {count}" if count > 1 else "")
    return np.asarray(sheet(lines, title=name, subtitle=_figures(hand)))


def _photo_panels(image: np.ndarray, hand: HandResult, shown: PhotoPanel) -> list[Panel]:
    detected, fitted = shown.window.to_window(hand.keypoints_2d[:, :2]), shown.window.to_window(hand.joints_2d)
    confidence = np.nan_to_num(hand.keypoints_2d[:, 2])
    photo, box = shown.image, box_of(shown.window)
    part = (box[2] - box[0]) / max(1, min(image.shape[:2]))
    errors = hand.expected_joint_errors
    plain = draw_inset(photo, image, box) if part < _SMALL_HAND else photo
    return [
        ("photo", plain),
        (f"detected keypoints ({hand.keypoint_set})", draw_skeleton(photo, detected, confidence)),
        (
            "joints of the fitted hand" + ("" if errors is None else ", green 5 to red 20 mm"),
            draw_offsets(draw_skeleton(photo, fitted, errors=errors), detected, fitted, confidence),
        ),
        ("mesh", overlay_clay(hand, shown)),
        ("texture and light", overlay_textured(hand, shown)),
    ]


def _figures(hand: HandResult) -> str:
    parts = [f"score {hand.score:.2f}"]
    if "reprojection_of_box" in hand.fit:
        parts.append(f"joints {100 * hand.fit['reprojection_of_box']:.1f} % of the hand's box from the keypoints")
    if "silhouette_iou" in hand.fit:
        parts.append(f"silhouette overlap {100 * hand.fit['silhouette_iou']:.0f} %")
    if hand.expected_error is not None:
        parts.append(f"expected error {hand.expected_error:.0f} mm")
    distance = float(np.median(hand.vertices[:, 2]))
    parts.append(f"{100 * distance:.0f} cm from the camera")
    return "   ".join(parts)


def _without_hands(image: np.ndarray) -> np.ndarray:
    shown = Image.fromarray(np.ascontiguousarray(image))
    shown.thumbnail((_WIDTH // 2, _WIDTH // 2))
    return np.asarray(sheet([Line([np.asarray(shown)])], title="no hand found"))
