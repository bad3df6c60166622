"""One skin for the hands of one person in several photos.

A photo's exposure and white balance cannot be told from the skin's colour: each hand's texture is the common one times
a gain of its own (3 numbers), which goes into its light. Gains and the agreement of textures are estimated on a coarse
grid, the texture is then summed hand by hand: memory does not grow with its size times the photos.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from handsss.hand.result import HandResult
from handsss.reconstruction.appearance import fill_surface
from handsss.rendering.atlas import Texels, fill_between
from handsss.rendering.shading import MEAN_SKIN

_GRID = 32  # cells on a side
_LEAST = 0.05  # of a cell's texels that show the photo
_SPREAD = 0.15  # of logarithms of colours between photos of one skin
_ROUNDS = 4
_DARKEST = 0.02


class Cells(NamedTuple):
    """A hand's texture in coarse cells."""

    logs: np.ndarray  # [G, G, 3] logarithms of colours
    weight: np.ndarray  # [G, G] share that shows the photo


class SharedSkin(NamedTuple):
    """The skin of all hands."""

    texture: np.ndarray  # [h, w, 3] uint8 albedo
    vertex_colours: np.ndarray  # [V, 3] 0..1
    gains: np.ndarray  # [N, 3] of each hand's light


def cells_of(hand: HandResult) -> Cells:
    """The coarse cells of a hand's texture.

    Raises:
        ValueError: a hand without a texture.
    """
    if hand.texture is None or hand.texture_observed is None:
        raise ValueError("a hand without a texture")
    weight = hand.texture_observed.astype(np.float32) / 255
    height, width = weight.shape
    rows, columns = np.arange(height) * _GRID // height, np.arange(width) * _GRID // width
    index = (rows[:, None] * _GRID + columns).ravel()
    count = np.maximum(np.bincount(index, minlength=_GRID**2), 1)
    sums = [np.bincount(index, (weight * hand.texture[..., k]).ravel() / 255, _GRID**2) for k in range(3)]
    total = np.bincount(index, weight.ravel(), _GRID**2)
    colours = np.stack(sums, 1) / np.maximum(total, 1e-6)[:, None]
    share = total / count
    logs = np.log(np.maximum(colours, _DARKEST)).reshape(_GRID, _GRID, 3)
    return Cells(logs.astype(np.float32), np.where(share > _LEAST, share, 0).reshape(_GRID, _GRID).astype(np.float32))


def share_skin(
    cells: Sequence[Cells],
    trust: np.ndarray,
    hands: Callable[[], Iterator[HandResult]],
    atlas: Texels,
    faces: np.ndarray,
    uv: np.ndarray,
    uv_faces: np.ndarray,
) -> SharedSkin:
    """One texture for all hands, robustly: what differs from the others counts less.

    Args:
        cells: of each hand.
        trust: [N] 0..1, how far each hand agrees with the others in shape.
        hands: iterates over the hands with their textures, in the order of ``cells``.
        atlas: texels of the textures.
        faces: [F, 3] of a right hand.
        uv: [T, 2].
        uv_faces: [F, 3].
    """
    gains, agreement = _gains(cells, trust)
    size = atlas.inside.shape
    colours, total = np.zeros((*size, 3)), np.zeros(size)
    for number, hand in enumerate(hands()):
        assert hand.texture is not None and hand.texture_observed is not None
        fine = ndimage.zoom(
            agreement[number], (size[0] / _GRID, size[1] / _GRID), order=1, mode="nearest", grid_mode=True
        )
        weight = hand.texture_observed / 255 * np.clip(fine, 0, 1)
        colours += weight[..., None] * hand.texture / 255 / gains[number]
        total += weight
    colours /= np.maximum(total, 1e-6)[..., None]
    weight = np.clip(total, 0, 1)
    seen = weight > 0.05
    skin = np.median(colours[seen], axis=0) if seen.any() else np.array(MEAN_SKIN)
    at_vertices = _at_vertices(np.dstack([colours, weight]), faces, uv, uv_faces)
    vertex_colours = fill_surface(np.clip(at_vertices[:, :3], 0, 1), at_vertices[:, 3], faces, skin)
    pixels = np.zeros((*size, 3))
    base = atlas.blend(faces, len(vertex_colours)) @ vertex_colours
    known = weight[atlas.inside][:, None]
    pixels[atlas.inside] = known * colours[atlas.inside] + (1 - known) * base
    texture = np.round(np.clip(fill_between(pixels, atlas), 0, 1) * 255).astype(np.uint8)
    return SharedSkin(texture, vertex_colours, gains)


def with_skin(hand: HandResult, skin: SharedSkin, gain: np.ndarray) -> None:
    """Give a hand the common skin, in place; its gain [3] goes into its light."""
    hand.texture, hand.vertex_colours = skin.texture, skin.vertex_colours
    light = hand.light.copy()
    for strength, colour in ((0, slice(2, 5)), (1, slice(5, 8))):
        shone = light[strength] * light[colour] * gain
        mean = float(shone.mean())
        if mean > 0:
            light[strength], light[colour] = mean, shone / mean
    hand.light = light


def _gains(cells: Sequence[Cells], trust: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gains [N, 3], 1 in the mean of the trusted hands, and agreement [N, G, G] of each cell with the common skin."""
    logs, weights = np.stack([one.logs for one in cells]), np.stack([one.weight for one in cells])
    weights = weights * trust[:, None, None]
    agreement = np.ones_like(weights)
    shares = weights.sum((1, 2))

    def mean(values: np.ndarray, by: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        total = np.maximum(by.sum(axes), 1e-6)[..., None]
        result: np.ndarray = (values * by[..., None]).sum(axes) / total
        return result

    own = mean(logs, weights, (1, 2))  # the first guess: each hand's mean colour
    for _ in range(_ROUNDS):
        own = own - np.average(own, axis=0, weights=shares + 1e-9)
        levelled = logs - own[:, None, None]
        together = mean(levelled, weights * agreement, (0,))
        apart = levelled - together
        agreement = 1 / (1 + (np.linalg.norm(apart, axis=-1) / _SPREAD) ** 2)
        # A hand that shares no cells with the others differs by nothing: it keeps its gain.
        own = own + mean(apart, weights * agreement, (1, 2))
    own = own - np.average(own, axis=0, weights=shares + 1e-9)
    return np.exp(own), agreement * trust[:, None, None]


def _at_vertices(values: np.ndarray, faces: np.ndarray, uv: np.ndarray, uv_faces: np.ndarray) -> np.ndarray:
    """Values [V, C] of a texture [h, w, C] at vertices, where charts meet at one of their corners."""
    height, width = values.shape[:2]
    corners = np.zeros(faces.max() + 1, dtype=np.int64)
    corners[faces.ravel()] = uv_faces.ravel()
    points = uv[corners]
    rows = np.clip((1 - points[:, 1]) * height, 0, height - 1).astype(int)
    columns = np.clip(points[:, 0] * width, 0, width - 1).astype(int)
    result: np.ndarray = values[rows, columns]
    return result
