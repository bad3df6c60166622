"""Affine windows of pictures: crops, rotated squares and mirrored hands, each with its camera."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from PIL import Image

from handsss.geometry.warp import warp


@dataclass(frozen=True, eq=False)
class Window:
    """An affine window of a picture: pixels ``p`` of the picture are the window's ``affine @ (p, 1)``.

    Pixel centres lie at +0.5 in both. The map scales, rotates, shifts and mirrors, but does not shear, so the window
    has a pinhole camera of its own: :meth:`intrinsics`, whose frame :meth:`rotate` reaches.
    """

    affine: np.ndarray  # [2, 3] picture px -> window px
    size: tuple[int, int]  # width, height px

    @staticmethod
    def square(centre: np.ndarray | tuple[float, float], side: float, size: int, *, roll: float = 0.0) -> Window:
        """A square region of a picture.

        Args:
            centre: [2] px of the picture.
            side: px of the picture.
            size: px of the window.
            roll: radians by which the window's up is turned clockwise from the picture's.
        """
        factor, cosine, sine = size / side, np.cos(roll), np.sin(roll)
        linear = factor * np.array([[cosine, sine], [-sine, cosine]])
        shift = size / 2 - linear @ np.asarray(centre, dtype=np.float64)
        return Window(np.concatenate([linear, shift[:, None]], 1), (size, size))

    @staticmethod
    def around_box(box: np.ndarray, margin: float, size: int) -> Window:
        """The square around a box.

        Args:
            box: [4] x0, y0, x1, y1 px; boxes below one pixel count as one.
            margin: added on every side, as a share of the box's longer side.
            size: px of the window.
        """
        side = max(float((box[2:] - box[:2]).max()), 1.0) * (1 + 2 * margin)
        return Window.square((box[:2] + box[2:]) / 2, side, size)

    @staticmethod
    def around_points(points: np.ndarray, size: int, *, fill: float, smallest: float, roll: float = 0.0) -> Window:
        """The rolled square in which the box of some points lies in the middle.

        Args:
            points: [N, 2] px, finite, at least one.
            size: px of the window.
            fill: share of the window's side that the box's longer side takes.
            smallest: px of the picture; smaller boxes count as this large.
            roll: radians, see :meth:`square`; the box is taken along the window's axes.
        """
        axes = Window.square((0.0, 0.0), 1.0, 1, roll=roll).affine[:, :2]
        rolled = points @ axes.T
        low, high = rolled.min(0), rolled.max(0)
        side = max(float((high - low).max()), smallest) / fill
        return Window.square(axes.T @ ((low + high) / 2), side, size, roll=roll)

    @staticmethod
    def around_picture(width: int, height: int, size: int) -> Window:
        """The square around a whole picture, whose longer side fills it."""
        return Window.around_box(np.array([0.0, 0.0, width, height]), 0.0, size)

    @cached_property
    def inverse(self) -> np.ndarray:
        """[2, 3] window px -> picture px."""
        back = np.linalg.inv(self.affine[:, :2])
        return np.concatenate([back, -back @ self.affine[:, 2:]], 1)

    @property
    def mirrored(self) -> bool:
        """Whether left and right are exchanged."""
        return float(np.linalg.det(self.affine[:, :2])) < 0

    @property
    def scale(self) -> float:
        """Window px per picture px."""
        return float(np.sqrt(abs(np.linalg.det(self.affine[:, :2]))))

    @property
    def roll(self) -> float:
        """Radians by which the window's up is turned clockwise from the picture's; of an unmirrored window."""
        return float(np.arctan2(-self.affine[1, 0], self.affine[0, 0]))

    @property
    def centre(self) -> np.ndarray:
        """[2] px of the picture."""
        return self.to_picture(np.array(self.size) / 2)

    @property
    def corners(self) -> np.ndarray:
        """[4, 2] px of the picture: upper left, upper right, lower right, lower left of the window."""
        width, height = self.size
        return self.to_picture(np.array([[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]]))

    @property
    def rotation(self) -> np.ndarray:
        """[3, 3] orthogonal: points of the picture's camera frame to the window's. A roll turns about the optical axis;
        mirroring negates x."""
        x, y = self.affine[:, 0] / np.linalg.norm(self.affine[:, 0])
        sign = -1.0 if self.mirrored else 1.0
        return np.array([[x, -sign * y, 0.0], [y, sign * x, 0.0], [0.0, 0.0, 1.0]])

    def to_window(self, points: np.ndarray) -> np.ndarray:
        """Picture points [..., 2] px in the window."""
        moved: np.ndarray = points @ self.affine[:, :2].T + self.affine[:, 2]
        return moved

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """Window points [..., 2] px in the picture."""
        moved: np.ndarray = points @ self.inverse[:, :2].T + self.inverse[:, 2]
        return moved

    def rotate(self, points: np.ndarray) -> np.ndarray:
        """Camera-frame points [..., 3] of the picture in the window's camera frame."""
        moved: np.ndarray = points @ self.rotation.T
        return moved

    def rotate_back(self, points: np.ndarray) -> np.ndarray:
        """Camera-frame points [..., 3] of the window in the picture's camera frame."""
        moved: np.ndarray = points @ self.rotation
        return moved

    def intrinsics(self, K: np.ndarray) -> np.ndarray:
        """The window's camera [3, 3], ``A K R^T``: rotated points fall on the window's pixels.

        Args:
            K: [3, 3] px of the picture.
        """
        full = np.eye(3)
        full[:2] = self.affine
        camera: np.ndarray = full @ K @ self.rotation.T
        return camera

    def then(self, affine: np.ndarray, size: tuple[int, int]) -> Window:
        """This window followed by another map.

        Args:
            affine: [2, 3] of this window's pixels to the new one's.
            size: of the new one, px.
        """
        return Window(affine @ np.vstack([self.affine, [0.0, 0.0, 1.0]]), size)

    def flipped(self) -> Window:
        """Left and right exchanged: x -> width - x."""
        return self.then(np.array([[-1.0, 0.0, self.size[0]], [0.0, 1.0, 0.0]]), self.size)

    def resized(self, size: int) -> Window:
        """The same region of the picture at another width, px."""
        factor = size / self.size[0]
        height = round(self.size[1] * factor)
        return self.then(np.array([[factor, 0.0, 0.0], [0.0, factor, 0.0]]), (size, height))

    def turned(self, angle: float, *, enlarged: float = 1.0) -> Window:
        """A square window's region rolled clockwise by ``angle`` radians and grown ``enlarged`` times about its
        centre."""
        size = self.size[0]
        return Window.square(self.centre, enlarged * size / self.scale, size, roll=self.roll + angle)

    def sample(
        self,
        picture: np.ndarray,
        *,
        repeat: bool,
        samples: int = 1,
        dtype: type[np.float32] | type[np.uint8] = np.float32,
    ) -> np.ndarray:
        """What the window shows, bilinearly sampled.

        Args:
            picture: [H, W, 3] uint8, or [H, W] grey.
            repeat: continue the picture's edges outwards; otherwise black.
            samples: along a pixel's side, at least; more are taken where the window shrinks the picture.
            dtype: of the result.

        Returns:
            [h, w, 3] (or [h, w]): float32 0..1, or uint8, rounded.
        """
        grey = picture.ndim == 2
        shown = np.repeat(picture[:, :, None], 3, 2) if grey else picture
        values = warp(shown, self.inverse, self.size, repeat=repeat, samples=samples)
        values = values[:, :, 0] if grey else values
        return np.round(values * 255).astype(np.uint8) if dtype is np.uint8 else values


class Crop(NamedTuple):
    """A part of a photo at working resolution, with its camera."""

    image: np.ndarray  # [h, w, 3] float32 0..1
    window: Window
    intrinsics: np.ndarray  # [3, 3] of the crop

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, px."""
        return self.image.shape[0], self.image.shape[1]


def crop_around(
    image: np.ndarray, intrinsics: np.ndarray, points: np.ndarray, *, margin: float, longer_side: int
) -> Crop | None:
    """Cut out the box of some points, widened, clipped to the photo and resized (Pillow's antialiased bilinear).

    Args:
        image: [H, W, 3] uint8.
        intrinsics: [3, 3] of the photo.
        points: [N, 2] px, all finite.
        margin: added on each side, as a share of the box's longer side.
        longer_side: of the result, px. Small hands are enlarged to it as well, so that widths in pixels keep
            their meaning.

    Returns:
        None if the box misses the photo.
    """
    height, width = image.shape[:2]
    low, high = points.min(0), points.max(0)
    pad = margin * max(float((high - low).max()), 4.0)
    x0, y0 = np.floor(np.maximum(low - pad, 0)).astype(int)
    x1, y1 = np.ceil(np.minimum(high + pad, [width, height])).astype(int)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return None
    factor = longer_side / max(x1 - x0, y1 - y0)
    size = max(2, round((x1 - x0) * factor)), max(2, round((y1 - y0) * factor))
    part = Image.fromarray(np.ascontiguousarray(image[y0:y1, x0:x1])).resize(size, Image.Resampling.BILINEAR)
    sx, sy = size[0] / (x1 - x0), size[1] / (y1 - y0)
    window = Window(np.array([[sx, 0.0, -sx * x0], [0.0, sy, -sy * y0]]), size)
    return Crop(np.asarray(part, dtype=np.float32) / 255, window, window.intrinsics(intrinsics))
