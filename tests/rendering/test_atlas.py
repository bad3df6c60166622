"""The space between a texture's charts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from handsss.hand.load import load_model
from handsss.rendering.atlas import Texels, fill_between, texels


@pytest.mark.parametrize("size", [(64, 64), (61, 97), (16, 40)])
def test_charts_stay_and_the_space_between_is_smooth(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    inside = np.zeros(size, dtype=bool)
    inside[3:9, 4:14] = True
    inside[-6:-2, -9:-3] = True
    nearest = ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
    atlas = Texels(inside, np.zeros(0, int), np.zeros((0, 3)), nearest)
    pixels = np.where(inside[..., None], rng.uniform(0.3, 0.7, (*size, 3)), np.nan)
    filled = fill_between(pixels, atlas)
    np.testing.assert_allclose(filled[inside], pixels[inside])
    assert np.isfinite(filled).all()
    assert filled.min() > 0.299 and filled.max() < 0.701
    np.testing.assert_allclose(filled[9, 6], pixels[8, 6])  # beside a chart, for texture filters
    far = ndimage.distance_transform_edt(~inside) > 8
    steps = np.abs(np.diff(filled, axis=0)).max(-1)[far[1:] & far[:-1]]
    streaks = np.abs(np.diff(pixels[nearest[0], nearest[1]], axis=0)).max(-1)[far[1:] & far[:-1]]
    assert steps.size and steps.max() < 0.15 and steps.max() < streaks.max()


def test_one_colour_stays_one_colour() -> None:
    model = load_model("open")
    assert model.uv is not None and model.uv_faces is not None
    atlas = texels(model.uv, model.uv_faces, 48)
    pixels = np.where(atlas.inside[..., None], np.array([0.7, 0.5, 0.4]), 0)
    np.testing.assert_allclose(fill_between(pixels, atlas), np.broadcast_to([0.7, 0.5, 0.4], (48, 48, 3)), atol=1e-9)
