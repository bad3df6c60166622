"""Which pixels under a fitted mesh show skin. Where the mesh lies beyond the hand's outline (at the wrist, most often),
the photo shows what is behind: its colour is unlike the rest of the hand's, and goes on beyond the mesh."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

_OUTLIER = 3.5  # standard deviations of the skin's chromaticity
_LEAST_SPREAD = 0.06  # of chromaticity: noise of dark pixels and JPEG
_DEEP = 0.06  # of the square root of the hand's area: pixels so far from the outline show the hand
_RING = 3  # px beyond the mesh that are compared with


def chromaticity(image: np.ndarray) -> np.ndarray:
    """Logarithms [..., 2] of red over green and of blue over green: what light of another strength leaves as it is.

    Args:
        image: [..., 3] 0..1.
    """
    logs = np.log(np.asarray(image, dtype=np.float64) + 0.04)  # dark pixels have no reliable hue
    return np.stack([logs[..., 0] - logs[..., 1], logs[..., 2] - logs[..., 1]], -1)


def without_background(image: np.ndarray, inside: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """Weights of the mesh's pixels as skin, 0 where they show the background.

    Regions of a colour that is not the skin's count as background if they reach the mesh's outline and are nearer in
    colour to what lies beyond it there than to the skin: nails, rings and shadows remain.

    Args:
        image: [h, w, 3] 0..1.
        inside: [h, w] bool: pixels that the mesh covers.
        skin: [h, w] 0..1 weights.

    Returns:
        [h, w] 0..1.
    """
    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    deep = (depth > _DEEP * np.sqrt(max(inside.sum(), 1))) & (skin > 0.5)
    if deep.sum() < 100:
        return skin
    colour = ndimage.gaussian_filter(chromaticity(image), (1, 1, 0))
    centre = np.median(colour[deep], axis=0)
    spread = np.maximum(1.4826 * np.median(np.abs(colour[deep] - centre), axis=0), _LEAST_SPREAD)
    away = (colour - centre) / spread
    unlike = inside & (np.linalg.norm(away, axis=-1) > _OUTLIER)
    regions, count = ndimage.label(unlike)
    beyond = ~inside
    background = np.zeros_like(inside)
    for number, box in enumerate(ndimage.find_objects(regions), 1):
        window = tuple(slice(max(side.start - _RING - 1, 0), side.stop + _RING + 1) for side in box)
        region = regions[window] == number
        ring = ndimage.binary_dilation(region, iterations=_RING) & beyond[window]
        if not ring.any():
            continue  # an island in the hand
        own, behind = np.median(away[window][region], axis=0), np.median(away[window][ring], axis=0)
        if np.linalg.norm(own - behind) < np.linalg.norm(own):
            background[window] |= region
    if not count or not background.any():
        return skin
    # Pixels at the border of the hand mix both colours.
    clear = np.clip(ndimage.distance_transform_edt(~background) / 3.0, 0, 1)
    weights: np.ndarray = skin * np.where(background, 0.0, clear)
    return weights
