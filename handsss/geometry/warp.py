"""Bilinear resampling of pictures under affine maps (numba)."""

from __future__ import annotations

from typing import Any

import numpy as np

from handsss.geometry.jit import is_cached, njit


@njit(cache=True, nogil=True)
def _warp(picture: Any, matrix: Any, samples: int, repeat: bool, out: Any) -> None:
    height, width = picture.shape[0], picture.shape[1]
    step = 1.0 / samples
    weight = 1.0 / (255.0 * samples * samples)
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
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
def _warp_small(picture: Any, matrix: Any, samples: int, repeat: bool, out: Any) -> None:
    """As :func:`_warp`, twice as fast: the picture is copied to float32 with four channels, so that a pixel is one
    vector, and gets a black border."""
    border = 0 if repeat else 1
    height, width = picture.shape[0] + 2 * border, picture.shape[1] + 2 * border
    padded = np.zeros(height * width * 4, dtype=np.float32)
    for row in range(picture.shape[0]):
        for column in range(picture.shape[1]):
            start = 4 * ((row + border) * width + column + border)
            for channel in range(3):
                padded[start + channel] = picture[row, column, channel]
    step = 1.0 / samples
    weight = np.float32(1.0 / (255.0 * samples * samples))
    one, line = np.float32(1), 4 * width
    count = out.shape[1] * samples
    corners = np.empty(count, dtype=np.int64)
    right, down = np.empty(count, dtype=np.float32), np.empty(count, dtype=np.float32)
    sums = np.empty((out.shape[1], 4), dtype=np.float32)
    for row in range(out.shape[0]):
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
            for column in range(out.shape[1]):
                for m in range(samples):
                    i = column * samples + m
                    fx, fy = right[i], down[i]
                    above, below = np.uintp(corners[i]), np.uintp(corners[i] + line)
                    a, b, c, d = (one - fy) * (one - fx), (one - fy) * fx, fy * (one - fx), fy * fx
                    for channel in range(4):
                        near, far = np.uintp(channel), np.uintp(channel + 4)
                        upper = a * padded[above + near] + b * padded[above + far]
                        sums[column, channel] += upper + c * padded[below + near] + d * padded[below + far]
        for column in range(out.shape[1]):
            for channel in range(3):
                out[row, column, channel] = sums[column, channel] * weight


def samples_per_pixel(matrix: np.ndarray, least: int = 1) -> int:
    """Samples along a pixel's side that a map [2, 3] of result pixels to picture pixels needs against aliasing: one per
    picture pixel, between ``least`` and 6."""
    shrink = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    return int(np.clip(np.ceil(shrink), least, 6))


def warp(
    picture: np.ndarray, matrix: np.ndarray, size: int | tuple[int, int], *, repeat: bool, samples: int = 1
) -> np.ndarray:
    """Resample a picture bilinearly; shrinking averages several samples per pixel.

    Args:
        picture: [H, W, 3] uint8.
        matrix: [2, 3], result pixels to picture pixels (centres at +0.5).
        size: width and height of the result, px, or one number for a square.
        repeat: continue the picture's edges outwards; otherwise black.
        samples: at least this many per pixel, along either side.

    Returns:
        [height, width, 3] float32 0..1.
    """
    width_out, height_out = (size, size) if isinstance(size, int) else size
    out = np.empty((height_out, width_out, 3), dtype=np.float32)
    samples = samples_per_pixel(matrix, samples)
    height, width = picture.shape[:2]
    # Copying the picture into four channels pays only where most of it is looked at.
    small = min(height, width) > 1 and height * width <= 4 * width_out * height_out * samples**2
    (_warp_small if small else _warp)(picture, matrix.astype(np.float64), samples, repeat, out)
    return out


def compile_warps() -> None:
    """Compile both kernels, for pictures that may be written and for those that may not."""
    fixed = np.zeros((2, 2, 3), dtype=np.uint8)
    fixed.flags.writeable = False
    for picture in (np.zeros((2, 2, 3), dtype=np.uint8), fixed):
        for kernel in (_warp, _warp_small):
            kernel(picture, np.eye(2, 3), 1, True, np.empty((2, 2, 3), dtype=np.float32))


def warps_are_compiled() -> bool:
    """Whether the machine code of both kernels is there."""
    return is_cached(_warp) and is_cached(_warp_small)
