"""Turns an annotated image into store rows, one for each hand: keypoints, crop, transformed annotations."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from handsss.data.annotated_image import AnnotatedImage
from handsss.data.keypoints.sources import LEFT_OUT, KeypointSource, SourceHand, Tags
from handsss.data.store.crop_jpeg import decode_crop
from handsss.data.store.schema import Row
from handsss.errors import InputError
from handsss.geometry.framing import CROP, bounding_box
from handsss.geometry.window import Window
from handsss.io.camera import choose_camera
from handsss.io.colour import DARK
from handsss.io.image import DECODING_ERRORS, FRAMES, read_image


class ImageRows(NamedTuple):
    """Store rows of one image, and tags to count."""

    rows: list[Row]
    tags: Tags


def make_rows(
    item: AnnotatedImage, source: KeypointSource, margin: float, box_margin: float, *, keep_file: bool
) -> ImageRows:
    """Read an image, get its keypoints, and crop each hand.

    Args:
        item: the picture.
        source: of keypoints.
        margin: around the box of keypoints, as a share of its longer side, on every side.
        box_margin: the same around a box that the dataset gives.
        keep_file: a JPEG that is the crop already is kept byte by byte.

    Raises:
        InputError: the picture or its keypoint file cannot be used.
    """
    photo = read_image(item.path)
    picture = photo.array
    height, width = picture.shape[:2]
    intrinsics = item.intrinsics
    if intrinsics is None:
        intrinsics = choose_camera((width, height), photo.exif, item.name).intrinsics
    hands, tags = source.find(item, picture, intrinsics)
    tags += [remark for remark in (FRAMES, DARK) if any(remark in note for note in photo.notes)]
    if item.keep != "auto":
        kept = [hand for hand in hands if hand.side == item.keep]
        tags, hands = tags + [LEFT_OUT] * (len(hands) - len(kept)), kept
    rows = []
    for hand in hands:
        mirrored = hand.side == "left"
        window = crop_window(item, hand.keypoints, (width, height), margin, box_margin, mirrored=mirrored)
        content: np.ndarray | bytes
        if item.whole and not window.mirrored and (height, width) == (CROP, CROP):
            content = picture
            if keep_file and item.path.suffix.lower() in (".jpg", ".jpeg"):
                content = _jpeg_of(item.path, picture)
        else:
            content = window.sample(picture, repeat=False, dtype=np.uint8)
        rows.append(_row(item, hand, window, intrinsics, content))
    return ImageRows(rows, tags)


def _jpeg_of(path: Path, picture: np.ndarray) -> np.ndarray | bytes:
    data = path.read_bytes()
    # A file of another format under this name, or one that other readers see differently, is encoded anew.
    if data[:2] != b"\xff\xd8" or not np.array_equal(decode_crop(data), picture):
        return picture
    return data


def crop_window(
    item: AnnotatedImage,
    keypoints: np.ndarray,
    size: tuple[int, int],
    margin: float,
    box_margin: float,
    *,
    mirrored: bool,
) -> Window:
    """The window of a picture that becomes a hand's crop.

    Args:
        item: the picture; it may be the crop already, or have a box.
        keypoints: [21, 3] px and confidence, used where there is no box.
        size: width and height of the picture, px.
        margin, box_margin: see :func:`make_rows`.
        mirrored: for left hands.
    """
    width, height = size
    if item.whole:
        window = Window.around_picture(width, height, CROP)
    elif item.box is not None:
        window = Window.around_box(item.box, box_margin, CROP)
    else:
        box = bounding_box(keypoints)
        if not np.isfinite(box).all():
            return Window.around_picture(width, height, CROP)
        window = Window.around_box(box, margin, CROP)
    return window.flipped() if mirrored else window


def _row(
    item: AnnotatedImage,
    hand: SourceHand,
    window: Window,
    intrinsics: np.ndarray,
    content: np.ndarray | bytes,
) -> Row:
    keypoints = hand.keypoints
    visible = keypoints[:, 2] > 0
    points = np.where(visible[:, None], window.to_window(keypoints[:, :2]), 0.0)
    extra = dict(item.truth)
    for name in ("root_3d", "vertices"):
        if extra.get(name) is not None:
            extra[name] = window.rotate(np.asarray(extra[name]))
    if item.joints_3d is not None:
        extra["joints_3d"] = window.rotate(item.joints_3d)
        if "scale" not in extra:
            extra["scale"] = float(np.linalg.norm(item.joints_3d[9] - item.joints_3d[10]))
    if hand.world is not None:
        extra["world_3d"] = np.concatenate([window.rotate(hand.world[:, :3]), hand.world[:, 3:]], 1)
    if item.mask is not None:
        extra["mask"] = _mask(item.mask, window)
        extra["has_mask"] = 1
    return Row(
        crop=content,
        keypoints_2d=points,
        confidence=np.where(visible, keypoints[:, 2], 0.0),
        K=window.intrinsics(intrinsics),
        crop_transform=window.affine,
        hand=hand.side,
        name=item.name,
        index=item.index,
        extra=extra,
    )


def _mask(path: Path, window: Window) -> np.ndarray:
    """[224, 224] 0 or 1: masks come as JPEG, so values lie around 0 and 255."""
    try:
        with Image.open(path) as picture:
            grey = np.asarray(picture.convert("L"))
    except DECODING_ERRORS as error:
        raise InputError(f"{path}: the mask cannot be read ({error}). Expected a grey JPEG or PNG.") from error
    if grey.shape == (CROP, CROP) and np.allclose(window.affine, np.eye(2, 3)):
        return (grey > 127).astype(np.uint8)
    return (window.sample(grey, repeat=False, dtype=np.uint8) > 127).astype(np.uint8)
