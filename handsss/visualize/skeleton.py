"""Lines, dots and labels on panels. Panels are drawn at twice their size and reduced, which antialiases Pillow."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from handsss.hand.joints import BONES

# Wrist, then thumb to little finger: hues far apart, and bright enough for dark photos.
WRIST = (245, 245, 245)
FINGER_COLOURS = ((255, 82, 82), (255, 190, 40), (70, 214, 90), (64, 156, 255), (208, 104, 255))
PAPER, INK, FAINT = (255, 255, 255), (38, 40, 44), (120, 124, 130)
BONE = (205, 208, 214)
ERROR_STOPS = (5.0, 10.0, 20.0)  # mm
ERROR_COLOURS = ((40, 200, 80), (255, 214, 40), (235, 40, 40))
SEEN = 0.35  # confidence below which a keypoint is drawn hollow


def joint_colour(joint: int) -> tuple[int, int, int]:
    """Colour of a keypoint, OpenPose order."""
    return WRIST if joint == 0 else FINGER_COLOURS[(joint - 1) // 4]


def error_colours(errors: np.ndarray) -> list[tuple[int, int, int]]:
    """Colours of joints by their expected error: green up to 5 mm, over yellow, to red from 20 mm.

    Args:
        errors: [21] mm.
    """
    rows = [np.interp(errors, ERROR_STOPS, [colour[channel] for colour in ERROR_COLOURS]) for channel in range(3)]
    return [(int(r), int(g), int(b)) for r, g, b in np.stack(rows, 1).round()]


@lru_cache(maxsize=16)
def font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """Pillow's own font, so that none has to be installed."""
    return ImageFont.load_default(size)


def draw_skeleton(
    image: np.ndarray, points: np.ndarray, confidence: np.ndarray | None = None, errors: np.ndarray | None = None
) -> np.ndarray:
    """Bones and joints on a panel.

    Args:
        image: [S, S, 3] uint8.
        points: [21, 2] panel pixels.
        confidence: [21] 0..1: faint bones and hollow joints where it is low; joints at 0 are left out.
        errors: [21] mm: joints get the colours of their expected errors, see :func:`error_colours`.

    Returns:
        [S, S, 3] uint8.
    """
    layer = skeleton_layer((image.shape[1], image.shape[0]), points, image.shape[0] / 100, confidence, errors)
    return np.asarray(Image.alpha_composite(Image.fromarray(image).convert("RGBA"), layer).convert("RGB"))


def skeleton_layer(
    size: tuple[int, int],
    points: np.ndarray,
    unit: float,
    confidence: np.ndarray | None = None,
    errors: np.ndarray | None = None,
) -> Image.Image:
    """Bones and joints on a transparent RGBA image.

    Args:
        size: width, height, px.
        points: [21, 2] px; joints that are not finite are left out.
        unit: px; bones are about one unit wide.
        confidence, errors: as for :func:`draw_skeleton`.
    """
    sure = np.ones(21) if confidence is None else np.clip(np.nan_to_num(confidence), 0, 1)
    sure = np.where(np.isfinite(points).all(1), sure, 0)
    points = np.nan_to_num(points)
    layer = Image.new("RGBA", size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    for width, shade in ((1.9 * unit, True), (1.15 * unit, False)):
        for parent, child in BONES:
            strength = min(sure[parent], sure[child])
            if strength > 0:
                alpha = int(130 + 125 * strength)
                own = joint_colour(child) if errors is None else BONE  # fingers' hues would be read as errors
                colour = (20, 20, 24, alpha // 2) if shade else (*own, alpha)
                ends = [tuple(points[parent]), tuple(points[child])]
                draw.line(ends, fill=colour, width=max(1, round(width)))
    colours = [joint_colour(joint) for joint in range(21)] if errors is None else error_colours(errors)
    for joint, (x, y) in enumerate(points):
        if sure[joint] > 0:
            radius = unit * (0.9 + 0.75 * sure[joint])
            box = (x - radius, y - radius, x + radius, y + radius)
            hollow = sure[joint] < SEEN
            edge = (*colours[joint], 255) if hollow else (20, 20, 24, 230)
            fill = (20, 20, 24, 90) if hollow else (*colours[joint], 255)
            draw.ellipse(box, fill=fill, outline=edge, width=max(1, round(0.35 * unit)))
    return layer


def draw_offsets(image: np.ndarray, detected: np.ndarray, fitted: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Thin white lines from fitted joints to the keypoints that they should meet, [21, 2] panel pixels each."""
    unit = image.shape[0] / 100
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    for point, joint, sure in zip(detected, fitted, confidence, strict=True):
        if sure > 0 and np.isfinite(point).all() and np.isfinite(joint).all():
            draw.line([tuple(joint), tuple(point)], fill=(255, 255, 255), width=max(1, round(0.4 * unit)))
            radius = 0.45 * unit
            draw.ellipse((point[0] - radius, point[1] - radius, point[0] + radius, point[1] + radius), fill=PAPER)
    return np.asarray(picture)


def draw_inset(panel: np.ndarray, photo: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """The whole photo, small, in the panel's corner, with the panel's part of it framed."""
    side = panel.shape[0]
    height, width = photo.shape[:2]
    factor = 0.32 * side / max(width, height)
    size = max(2, round(width * factor)), max(2, round(height * factor))
    step = max(1, int(0.5 / factor))  # enough for a thumbnail, and a large photo is not copied for it
    small = Image.fromarray(np.ascontiguousarray(photo[::step, ::step])).resize(size, Image.Resampling.BOX)
    draw = ImageDraw.Draw(small)
    line = max(2, round(side / 200))
    low = (np.clip(np.array(box[:2]) * factor, 0, np.array(size) - line - 2)).round().astype(int)
    high = np.maximum((np.clip(np.array(box[2:]) * factor, 0, np.array(size) - 1)).round().astype(int), low + line + 1)
    draw.rectangle((*low.tolist(), *high.tolist()), outline=(255, 82, 82), width=line)
    framed = Image.new("RGB", (size[0] + 2 * line, size[1] + 2 * line), PAPER)
    framed.paste(small, (line, line))
    result = Image.fromarray(panel)
    result.paste(framed, (side - framed.width, side - framed.height))
    return np.asarray(result)
