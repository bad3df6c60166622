"""Camera model: exposure, motion blur, defocus, noise, JPEG."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from handsss.data.synthetic.background import to_srgb


@dataclass(frozen=True)
class Degradation:
    """Image degradation."""

    exposure: float  # factor on linear light
    defocus: float  # px, standard deviation
    motion: float  # px, length of the streak
    direction: float  # radians of the streak
    noise: float  # of full scale at middle grey
    quality: int  # of the JPEG
    seed: int  # of the noise


def sample_degradation(rng: np.random.Generator) -> Degradation:
    """Sample a degradation; one picture in five has motion blur."""
    return Degradation(
        exposure=float(np.exp(rng.normal(0, 0.18))),
        defocus=float(rng.choice([0.35, rng.uniform(0.4, 1.2)])),
        motion=float(rng.uniform(2, 9)) if rng.random() < 0.2 else 0.0,
        direction=float(rng.uniform(0, np.pi)),
        noise=float(rng.uniform(0.0, 0.022)),
        quality=int(rng.integers(70, 97)),
        seed=int(rng.integers(2**31)),
    )


def is_clean(how: Degradation) -> bool:
    """Whether a picture is sharp and well exposed."""
    return how.motion == 0 and 0.7 < how.exposure < 1.4


def photograph(linear: np.ndarray, how: Degradation) -> np.ndarray:
    """Linear light [H, W, 3] to an image [H, W, 3] uint8 sRGB."""
    light = linear * how.exposure
    if how.motion > 0:
        light = _streak(light, how.motion, how.direction)
    light = ndimage.gaussian_filter(light, (how.defocus, how.defocus, 0))
    srgb = to_srgb(light)
    rng = np.random.default_rng(how.seed)
    grain = rng.normal(0, 1, srgb.shape) * how.noise * np.sqrt(0.25 + srgb)
    return np.round(np.clip(srgb + grain, 0, 1) * 255).astype(np.uint8)


def _streak(light: np.ndarray, length: float, direction: float) -> np.ndarray:
    side = int(np.ceil(length)) | 1
    kernel = np.zeros((side + 2, side + 2))
    centre = (side + 1) / 2
    for step in np.linspace(-length / 2, length / 2, 4 * side):
        x, y = centre + step * np.cos(direction), centre + step * np.sin(direction)
        x0, y0 = int(x), int(y)
        fx, fy = x - x0, y - y0
        for dx, dy, w in ((0, 0, (1 - fx) * (1 - fy)), (1, 0, fx * (1 - fy)), (0, 1, (1 - fx) * fy), (1, 1, fx * fy)):
            if 0 <= y0 + dy < side + 2 and 0 <= x0 + dx < side + 2:
                kernel[y0 + dy, x0 + dx] += w
    kernel /= kernel.sum()
    return np.stack([ndimage.convolve(light[..., c], kernel, mode="nearest") for c in range(3)], -1)


def jpeg(picture: np.ndarray, quality: int) -> bytes:
    """A picture [H, W, 3] or [H, W] uint8 as a JPEG file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
