"""Reconstructed hands over their photo, at the photo's own size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from handsss.hand.result import HandResult
from handsss.rendering.pipeline import render
from handsss.visualize.mesh import CLAY, CLAY_LIGHT, projected, surface_of, to_bytes
from handsss.visualize.skeleton import skeleton_layer

_SUPERSAMPLING = 2  # of skeletons: Pillow does not antialias lines
_NEAREST = 0.01  # metres: hands with vertices closer to the camera's plane than this cannot be drawn


class _Box(NamedTuple):
    """A part of the photo, px; the upper borders are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def around(cls, points: np.ndarray, size: tuple[int, int], margin: float) -> _Box | None:
        """The box of points [N, 2] and a margin, px, as far as it lies in the photo (width, height)."""
        low = np.clip(np.floor(points.min(0) - margin), 0, size).astype(int)
        high = np.clip(np.ceil(points.max(0) + margin), 0, size).astype(int)
        return cls(*low.tolist(), *high.tolist()) if (high > low).all() else None

    @property
    def rows(self) -> slice:
        return slice(self.top, self.bottom)

    @property
    def columns(self) -> slice:
        return slice(self.left, self.right)

    @property
    def size(self) -> tuple[int, int]:
        return self.right - self.left, self.bottom - self.top


def overlay(
    image: np.ndarray,
    hands: Sequence[HandResult],
    *,
    textured: bool = False,
    skeleton: bool = False,
    opacity: float = 0.82,
) -> np.ndarray:
    """Draw meshes over the photo that they were reconstructed from; near hands cover far ones.

    Args:
        image: [H, W, 3] uint8, the photo.
        hands: any number; parts outside the photo are not drawn.
        textured: draw them with their own texture and light; otherwise in one colour.
        skeleton: draw the 21 joints and the bones too, joints in the colours of their expected errors where those are
            known (:func:`handsss.visualize.skeleton.error_colours`).
        opacity: of the meshes, 0..1.

    Returns:
        [H, W, 3] uint8.

    Raises:
        ValueError: not an RGB image, or an opacity out of range.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"expected an RGB image [H, W, 3] uint8, got {image.dtype} {list(image.shape)}")
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity: expected 0 to 1, got {opacity}")
    picture = np.array(image)
    far_to_near = sorted(hands, key=lambda hand: -float(np.median(hand.vertices[:, 2])))
    for hand in far_to_near:
        _draw_mesh(picture, hand, textured=textured, opacity=opacity)
    if skeleton:
        for hand in far_to_near:
            _draw_skeleton(picture, hand)
    return picture


def _draw_mesh(picture: np.ndarray, hand: HandResult, *, textured: bool, opacity: float) -> None:
    if float(hand.vertices[:, 2].min()) < _NEAREST:
        return
    box = _Box.around(projected(hand), (picture.shape[1], picture.shape[0]), 2)
    if box is None:
        return
    photo = torch.as_tensor(picture[box.rows, box.columns].astype(np.float32) / 255)
    intrinsics = np.array(hand.intrinsics, dtype=np.float64)
    intrinsics[:2, 2] -= box.left, box.top
    light = torch.as_tensor(hand.light).float() if textured else torch.tensor(CLAY_LIGHT)
    surface = surface_of(hand) if textured else {"colours": torch.tensor(CLAY).expand(len(hand.vertices), 3)}
    rendered = render(
        torch.as_tensor(hand.vertices, dtype=torch.float32)[None],
        torch.as_tensor(hand.faces.astype(np.int64)),
        **surface,  # type: ignore[arg-type]
        light=light,
        intrinsics=torch.as_tensor(intrinsics, dtype=torch.float32),
        size=(box.size[1], box.size[0]),
        background=photo,
    )
    picture[box.rows, box.columns] = to_bytes(opacity * rendered.colour[0] + (1 - opacity) * photo)


def _draw_skeleton(picture: np.ndarray, hand: HandResult) -> None:
    points = hand.joints_2d[np.isfinite(hand.joints_2d).all(1)]
    if not len(points):
        return
    unit = max(float(np.ptp(points, axis=0).max()) / 75, 0.7)
    box = _Box.around(points, (picture.shape[1], picture.shape[0]), 4 * unit)
    if box is None:
        return
    size = box.size[0] * _SUPERSAMPLING, box.size[1] * _SUPERSAMPLING
    inside, errors = (hand.joints_2d - box[:2]) * _SUPERSAMPLING, hand.expected_joint_errors
    layer = skeleton_layer(size, inside, unit * _SUPERSAMPLING, errors=errors)
    # Premultiplied colours, so that transparent pixels do not darken the lines' edges.
    reduced = layer.convert("RGBa").resize(box.size, Image.Resampling.BOX).convert("RGBA")
    photo = Image.fromarray(np.ascontiguousarray(picture[box.rows, box.columns])).convert("RGBA")
    picture[box.rows, box.columns] = np.asarray(Image.alpha_composite(photo, reduced).convert("RGB"))
