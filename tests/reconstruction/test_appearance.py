"""Skin and outline from a rendered photo, where the truth is known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.cluster.vq import kmeans2
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from handsss.fitting.segmentation import _mixture as fit_mixture
from handsss.fitting.segmentation import _nearest_means, _split, forearm_zone, segment
from handsss.geometry.rotations import axis_angle_to_matrix
from handsss.geometry.window import Crop, crop_around
from handsss.hand.load import load_model
from handsss.hand.model import HandModel
from handsss.reconstruction.texture import Appearance, bake
from handsss.rendering.atlas import texels
from handsss.rendering.pipeline import render

CAMERA = np.array([[300.0, 0, 128], [0, 300, 128], [0, 0, 1]])
SKIN = np.array([0.78, 0.55, 0.45])


class Scene(NamedTuple):
    model: HandModel
    vertices: np.ndarray
    photo: np.ndarray
    inside: np.ndarray
    crop: Crop


def draw(
    model: HandModel, vertices: np.ndarray, colours: np.ndarray, light: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    output = render(
        torch.as_tensor(vertices, dtype=torch.float32)[None],
        torch.as_tensor(model.faces.astype(np.int64)),
        colours=torch.as_tensor(colours).float(),
        light=torch.as_tensor(light).float(),
        intrinsics=torch.as_tensor(CAMERA).float(),
        size=(256, 256),
        background=torch.tensor([0.2, 0.35, 0.5]),
    )
    return output.colour[0].numpy(), output.silhouette[0].numpy()


@pytest.fixture(scope="module")
def scene() -> Scene:
    model = load_model("open")
    turn = axis_angle_to_matrix(torch.tensor([[0.2, 1.3, 0.4]], dtype=torch.float64))[0].numpy()
    vertices = model.v_template @ turn.T
    vertices = vertices - vertices.mean(0) + np.array([0, 0, 0.4])
    light = np.array([0.6, 0.5, 1, 1, 1, 1, 1, 1, 0.5, -0.6, -0.6])
    colour, silhouette = draw(model, vertices, np.tile(SKIN, (model.vertex_count, 1)), light)
    noise = np.random.default_rng(0).normal(0, 0.01, colour.shape)
    photo = (np.clip(colour + noise, 0, 1) * 255).round().astype(np.uint8)
    pixels = vertices @ CAMERA.T
    crop = crop_around(photo, CAMERA, pixels[:, :2] / pixels[:, 2:], margin=0.2, longer_side=192)
    assert crop is not None
    return Scene(model, vertices, photo, silhouette > 0.5, crop)


@pytest.fixture(scope="module")
def baked(scene: Scene) -> Appearance:
    assert scene.model.uv is not None
    assert scene.model.uv_faces is not None
    atlas = texels(scene.model.uv, scene.model.uv_faces, 128)
    return bake(
        scene.vertices, scene.model, scene.crop, None, uv=scene.model.uv, uv_faces=scene.model.uv_faces, atlas=atlas
    )


def test_rendering_the_result_repeats_the_photo(scene: Scene, baked: Appearance) -> None:
    colour, _ = draw(scene.model, scene.vertices, baked.vertex_colours, baked.light)
    error = np.abs(colour - scene.photo / 255)[scene.inside].mean()
    assert error < 0.03
    flat = scene.photo[scene.inside] / 255
    assert error < 0.6 * np.abs(flat - flat.mean(0)).mean()


def test_skin_is_even_where_the_skin_was_even(scene: Scene, baked: Appearance) -> None:
    """Light is told from skin: the shading of the photo does not stay in the colours."""
    ratio = baked.vertex_colours / baked.vertex_colours.mean(0)
    assert np.abs(ratio - 1).mean() < 0.08
    hue = baked.vertex_colours.mean(0) / baked.vertex_colours.mean()
    np.testing.assert_allclose(hue, SKIN / SKIN.mean(), atol=0.05)
    texture = baked.texture.astype(float)
    assert texture.shape == (128, 128, 3)
    assert np.isfinite(baked.light).all()


def test_segmentation_finds_the_hand_from_a_rough_guess(scene: Scene) -> None:
    moved = scene.vertices + np.array([0.008, -0.006, 0])  # a fit that is 6 px off
    _, guess = draw(scene.model, moved, np.tile(SKIN, (scene.model.vertex_count, 1)), np.r_[1, np.zeros(10)])
    nothing = np.zeros((256, 256), dtype=bool)
    result = segment(scene.photo.astype(np.float32) / 255, guess, nothing)
    assert result is not None
    found = result.probability > 0.5

    def overlap(mask: np.ndarray) -> float:
        return float((mask & scene.inside).sum() / (mask | scene.inside).sum())

    assert overlap(found) > 0.93
    assert overlap(found) > overlap(guess > 0.5) + 0.05
    assert result.quality > 0.55


def test_what_the_mesh_misses_of_the_hand_is_no_background(scene: Scene) -> None:
    """A broad strip of the hand and a forearm beside the fit: their skin must not teach the background."""
    rows, columns = np.indices(scene.inside.shape)
    height = rows[scene.inside].max() - rows[scene.inside].min()
    photo = scene.photo.copy()
    forearm = ~scene.inside & (rows > rows[scene.inside].max() - 0.35 * height) & (abs(columns - 128) < 28)
    photo[forearm] = photo[scene.inside][np.random.default_rng(0).integers(0, scene.inside.sum(), forearm.sum())]
    shift = int(0.3 * np.sqrt(scene.inside.sum()))
    fitted = scene.inside & np.roll(scene.inside, shift, axis=1)
    result = segment(photo.astype(np.float32) / 255, fitted.astype(float), np.zeros_like(fitted))
    assert result is not None
    missed = scene.inside & ~fitted
    assert (result.probability[missed] > 0.5).mean() > 0.9
    assert (result.probability[~scene.inside & ~forearm] > 0.5).mean() < 0.05


def test_an_arm_outside_the_cone_does_not_count(scene: Scene) -> None:
    """A bent arm, larger than the hand and of its colour, joins the hand where no forearm is expected."""
    rows, columns = np.indices(scene.inside.shape)
    bottom = rows[scene.inside].max()
    middle = columns[scene.inside & (rows > bottom - 4)].mean()
    photo = scene.photo.copy()
    arm = ~scene.inside & (rows > bottom - 6) & (rows < bottom + 40) & (columns > middle - 12)
    photo[arm] = photo[scene.inside][np.random.default_rng(0).integers(0, scene.inside.sum(), arm.sum())]
    result = segment(photo.astype(np.float32) / 255, scene.inside.astype(float), np.zeros_like(scene.inside))
    assert result is not None
    reach = 0.3 * np.sqrt(scene.inside.sum())
    far = arm & (ndimage.distance_transform_edt(~scene.inside) > reach)
    assert far.sum() > 500 and (result.valid[far]).mean() < 0.05
    assert result.valid[scene.inside].all()
    outline = ~scene.inside & ~arm & (ndimage.distance_transform_edt(~scene.inside) < 5)
    assert result.valid[outline].mean() > 0.95


def test_forearm_zone_lies_behind_the_wrist() -> None:
    camera = np.array([[100.0, 0, 50], [0, 100, 50], [0, 0, 1]])
    zone = forearm_zone(
        (100, 100),
        np.array([0, 0, 0.5]),
        np.array([0.0, 1, 0]),
        camera,
    )
    assert zone[80, 50]
    assert not zone[20, 50]
    assert zone[60].sum() < zone[90].sum()  # a cone


def test_densities_of_colours_are_those_of_the_mixture() -> None:
    rng = np.random.default_rng(0)
    two = [rng.normal(mean, spread, (400, 3)) for mean, spread in ((0.2, (0.01, 0.05, 0.1)), (0.7, (0.1, 0.02, 0.05)))]
    flat, everywhere = np.concatenate(two).astype(np.float32), np.ones(800, dtype=bool)
    mixture = fit_mixture(flat, everywhere, np.arange(800), 4)
    assert len(mixture.weights) > 1
    colours = rng.uniform(-0.5, 1.2, (300, 3)).astype(np.float32)
    expected = logsumexp(
        [
            np.log(weight) + multivariate_normal(mean, np.linalg.inv(inverse.astype(float))).logpdf(colours)
            for weight, mean, inverse in zip(mixture.weights, mixture.means, mixture.inverse, strict=True)
        ],
        axis=0,
    )
    expected += 1.5 * np.log(2 * np.pi)  # a constant of every component, which comparing two mixtures does not need
    np.testing.assert_allclose(mixture.log_density(colours), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("count", [1, 4, 6])
def test_colours_are_parted_as_scipy_parts_them(count: int) -> None:
    rng = np.random.default_rng(count)
    colours = np.concatenate([rng.normal(mean, 0.08, (200, 3)) for mean in (0.2, 0.5, 0.7)]).astype(np.float32)
    starts = _split(colours, count)
    assert starts.shape == (count, 3)
    _, expected = kmeans2(colours, starts, minit="matrix", iter=8)
    np.testing.assert_array_equal(_nearest_means(colours, starts), expected)


def test_one_colour_is_one_part() -> None:
    colours = np.full((500, 3), 0.25, dtype=np.float32)
    np.testing.assert_allclose(_split(colours, 4), [[0.25, 0.25, 0.25]])
    # A mean far from every colour stays without any; nothing is divided by zero.
    assert set(_nearest_means(colours, np.array([[0.25, 0.25, 0.25], [9, 9, 9]])).tolist()) == {0}
