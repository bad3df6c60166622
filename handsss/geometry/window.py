"""Cutting turned and scaled squares out of pictures."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit


class Square(NamedTuple):
    """A turned square region of a picture."""

    centre: np.ndarray  # [2] px
    side: float  # px
    angle: float  # radians: by how much the region's up is turned clockwise from the picture's

    def axes(self) -> np.ndarray:
        """[2, 2] columns: the region's right and down, unit length."""
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        return np.array([[cosine, -sine], [sine, cosine]])

    def to_picture(self, size: int, mirrored: bool = False) -> np.ndarray:
        """[2, 3] map from the region's pixels (``size`` a side) to the picture's."""
        linear = self.axes() * (self.side / size)
        if mirrored:
            linear = linear * np.array([-1.0, 1.0])
        return np.concatenate([linear, (self.centre - linear @ np.full(2, size / 2))[:, None]], 1)

    def corners(self) -> np.ndarray:
        """[4, 2] px: upper left, upper right, lower right, lower left."""
        half = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]) * self.side
        corners: np.ndarray = half @ self.axes().T + self.centre
        return corners


@njit(cache=True, nogil=True)
def _warp(picture: Any, matrix: Any, size: int, samples: int, repeat: bool, out: Any) -> None:
    height, width = picture.shape[0], picture.shape[1]
    step = 1.0 / samples
    weight = 1.0 / (255.0 * samples * samples)
    for row in range(size):
        for column in range(size):
            red, green, blue = 0.0, 0.0, 0.0
            for k in range(samples):
                v = row + (k + 0.5) * step
                for m in range(samples):
                    u = column + (m + 0.5) * step
                    x = matrix[0, 0] * u + matrix[0, 1] * v + matrix[0, 2] - 0.5
                    y = matrix[1, 0] * u + matrix[1, 1] * v + matrix[1, 2] - 0.5
                    if repeat:
                        x = min(max(x, 0.0), width - 1.0)
                        y = min(max(y, 0.0), height - 1.0)
                    elif not (x > -1.0 and y > -1.0 and x < width and y < height):
                        continue
                    x0, y0 = int(np.floor(x)), int(np.floor(y))
                    fx, fy = x - x0, y - y0
                    for dy in range(2):
                        yy = y0 + dy
                        if yy < 0 or yy >= height:
                            continue
                        wy = fy if dy else 1.0 - fy
                        for dx in range(2):
                            xx = x0 + dx
                            if xx < 0 or xx >= width:
                                continue
                            w = wy * (fx if dx else 1.0 - fx)
                            red += w * picture[yy, xx, 0]
                            green += w * picture[yy, xx, 1]
                            blue += w * picture[yy, xx, 2]
            out[row, column, 0] = red * weight
            out[row, column, 1] = green * weight
            out[row, column, 2] = blue * weight


@njit(cache=True, nogil=True, fastmath={"contract"})
def _warp_small(picture: Any, matrix: Any, size: int, samples: int, repeat: bool, out: Any) -> None:
    """As :func:`_warp`, twice as fast: the picture as float32 with four channels, so that a pixel is one vector; black
    is a border around it."""
    border = 0 if repeat else 1
    height, width = picture.shape[0] + 2 * border, picture.shape[1] + 2 * border
    padded = np.zeros(height * width * 4, dtype=np.float32)
    for row in range(picture.shape[0]):
        for column in range(picture.shape[1]):
            place = 4 * ((row + border) * width + column + border)
            for channel in range(3):
                padded[place + channel] = picture[row, column, channel]
    step = 1.0 / samples
    weight = np.float32(1.0 / (255.0 * samples * samples))
    one, line = np.float32(1), 4 * width
    count = size * samples
    corners = np.empty(count, dtype=np.int64)
    right, down = np.empty(count, dtype=np.float32), np.empty(count, dtype=np.float32)
    sums = np.empty((size, 4), dtype=np.float32)
    for row in range(size):
        sums[:] = 0
        for k in range(samples):
            v = row + (k + 0.5) * step
            start_x = matrix[0, 1] * v + matrix[0, 2] - 0.5 + border
            start_y = matrix[1, 1] * v + matrix[1, 2] - 0.5 + border
            for i in range(count):
                u = (i + 0.5) * step
                x = min(max(matrix[0, 0] * u + start_x, 0.0), width - 1.0)
                y = min(max(matrix[1, 0] * u + start_y, 0.0), height - 1.0)
                x0, y0 = min(int(x), width - 2), min(int(y), height - 2)
                corners[i] = 4 * (y0 * width + x0)
                right[i], down[i] = x - x0, y - y0
            for column in range(size):
                for m in range(samples):
                    i = column * samples + m
                    fx, fy = right[i], down[i]
                    above, below = np.uintp(corners[i]), np.uintp(corners[i] + line)
                    a, b, c, d = (one - fy) * (one - fx), (one - fy) * fx, fy * (one - fx), fy * fx
                    for channel in range(4):
                        near, far = np.uintp(channel), np.uintp(channel + 4)
                        upper = a * padded[above + near] + b * padded[above + far]
                        sums[column, channel] += upper + c * padded[below + near] + d * padded[below + far]
        for column in range(size):
            for channel in range(3):
                out[row, column, channel] = sums[column, channel] * weight


def samples_of(matrix: np.ndarray, least: int = 1) -> int:
    """How many samples along a pixel's side a map [2, 3] of result pixels to picture pixels needs: one a pixel of the
    picture that is shrunk."""
    shrink = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    return int(np.clip(np.ceil(shrink), least, 6))


def warp(picture: np.ndarray, matrix: np.ndarray, size: int, *, repeat: bool, samples: int = 1) -> np.ndarray:
    """Resample a picture bilinearly; shrinking averages over several samples a pixel.

    Args:
        picture: [H, W, 3] uint8.
        matrix: [2, 3], result pixels to picture pixels (centres at +0.5).
        size: of the square result.
        repeat: continue the picture's edges outwards; otherwise black.
        samples: at least so many a pixel, along either side.

    Returns:
        [size, size, 3] float32 0..1.
    """
    out = np.empty((size, size, 3), dtype=np.float32)
    samples = samples_of(matrix, samples)
    height, width = picture.shape[:2]
    small = min(height, width) > 1 and height * width <= 4 * (size * samples) ** 2  # else most of it is not looked at
    (_warp_small if small else _warp)(picture, matrix.astype(np.float64), size, samples, repeat, out)
    return out
