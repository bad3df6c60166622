"""The auxiliary heads, the camera of close pictures, and reduced networks."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from handsss.geometry.cameras import project
from handsss.hand.load import load_model
from handsss.losses.auxiliary import SIGMA, e_heatmap, e_simcc
from handsss.network.auxiliary import BINS, KEYPOINT_FEATURES, keypoint_features
from handsss.network.own_camera import in_camera
from handsss.network.s2hand import NetworkSettings, S2Hand

SMALL = NetworkSettings(encoder="efficientnet-b0", stacks=1, features=32, modules=1, auxiliary=True)
K = torch.tensor([[[480.0, 0, 112], [0, 480, 112], [0, 0, 1]], [[900.0, 0, 150], [0, 880, 80], [0, 0, 1]]])


@pytest.mark.parametrize("reduction", [1, 2, 4])
def test_shapes(reduction: int) -> None:
    network = S2Hand(load_model("open"), replace(SMALL, input_downsample=reduction, focal=600.0)).eval()
    image = torch.rand(2, 3, 224, 224)
    with torch.no_grad():
        made = network(image, K, auxiliary=True)
        alone = network.auxiliary_only(image)
        small = torch.nn.functional.avg_pool2d(image, reduction)
        torch.testing.assert_close(network.auxiliary_only(small).maps, alone.maps)
    side = 56 // reduction
    assert made.auxiliary is not None
    assert made.auxiliary.maps.shape == (2, 21, side, side)
    assert made.auxiliary.simcc is not None and made.auxiliary.simcc.shape == (2, 21, 2, BINS)
    torch.testing.assert_close(alone.maps, made.auxiliary.maps)
    assert made.texture is not None and made.texture.shape == (2, 778, 3)  # of reduced networks too
    with torch.no_grad():
        assert network(image, K).auxiliary is None
    with pytest.raises(ValueError, match="no auxiliary heads"):
        S2Hand(load_model("open"), replace(SMALL, auxiliary=False)).auxiliary_only(image)
    with pytest.raises(ValueError, match="input_downsample 3: expected 1, 2 or 4"):
        replace(SMALL, input_downsample=3)


def test_what_heat_maps_say_by_hand() -> None:
    maps = torch.full((1, 21, 2, 4), -1e4)
    maps[0, :, 0, 0] = 0.0  # all in the first cell: its middle lies at -3/4 and -1/2 of 8
    maps[0, 3, 1, 3] = math.log(3.0)  # a quarter there, three quarters in the last cell
    maps[0, 5] = 0.0  # nowhere
    seen = keypoint_features(maps.requires_grad_())
    assert seen.shape == (1, KEYPOINT_FEATURES)
    x, y, sure = seen.detach()[0].split(21)
    assert (x[0], y[0], sure[0]) == pytest.approx((-6, -4, 1.0))
    assert (x[3], y[3], sure[3]) == pytest.approx((3, 2, 0.75))
    assert (x[5], y[5], sure[5]) == pytest.approx((0.0, 0.0, 1 / 8), abs=1e-6)
    generator = torch.Generator().manual_seed(0)
    some = torch.randn(1, 21, 3, 5, generator=generator, dtype=torch.float64)
    # It computes in single precision, whatever comes.
    assert torch.autograd.gradcheck(
        lambda value: keypoint_features(value).double(), some.requires_grad_(), eps=1e-2, atol=1e-3, rtol=1e-2
    )


def test_guided_networks_hear_of_their_heat_maps() -> None:
    torch.manual_seed(0)
    guided = replace(SMALL, keypoint_features=True, auxiliary=False, stacks=0)
    network = S2Hand(load_model("open"), guided).eval()
    assert network.regressor.base[0].in_features == 1280 + KEYPOINT_FEATURES
    assert network.auxiliary is not None and network.auxiliary.simcc is None
    image = torch.rand(2, 3, 224, 224)
    with torch.no_grad():
        before = network(image, K)
        assert before.auxiliary is None
        asked = network(image, K, auxiliary=True)
        assert asked.auxiliary is not None and asked.auxiliary.simcc is None
        torch.testing.assert_close(asked.vertices, before.vertices)
        network.auxiliary.maps.weight[4].mul_(30)  # of one keypoint
        assert not torch.allclose(network(image, K).hand.pose, before.hand.pose, atol=1e-7)
    prediction = network(image, K)
    prediction.hand.pose.square().sum().backward()
    gradient = network.auxiliary.maps.weight.grad
    assert gradient is not None and bool(gradient.abs().sum() > 0)  # the hand has a say in where keypoints are seen
    assert network.settings.training_only == "auxiliary.simcc."
    assert SMALL.training_only == "auxiliary."


def test_a_place_in_another_camera_is_the_same_pixel_at_the_same_size() -> None:
    translation = torch.tensor([[0.02, -0.03, 0.65], [0.1, 0.05, 0.5]], dtype=torch.float64)
    own = torch.tensor([[600.0, 0, 112], [0, 600, 112], [0, 0, 1]], dtype=torch.float64).expand(2, 3, 3)
    moved = in_camera(translation, K, 600.0)
    torch.testing.assert_close(
        project(moved[:, None], K.double()), project(translation[:, None], own), rtol=1e-9, atol=1e-9
    )
    means = torch.tensor([480.0, 890.0], dtype=torch.float64)
    torch.testing.assert_close(moved[:, 2], translation[:, 2] * means / 600)
    torch.testing.assert_close(in_camera(translation, own, 600.0), translation)
    assert torch.isfinite(in_camera(torch.zeros(2, 3, dtype=torch.float64), K, 600.0)).all()
    values = translation.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda t: in_camera(t, K.double(), 600.0), values)


def test_simcc_by_hand() -> None:
    """Flat logits cost log 64, whatever is wanted; the wanted distribution itself costs its entropy."""
    keypoints = torch.full((1, 21, 2), 112.0, dtype=torch.float64)
    sure = torch.ones(1, 21, dtype=torch.float64)
    flat = torch.zeros(1, 21, 2, 64, dtype=torch.float64)
    assert float(e_simcc(flat, keypoints, sure, 224)) == pytest.approx(math.log(64))
    cells = torch.arange(64, dtype=torch.float64) + 0.5
    wanted = torch.exp(-0.5 * ((cells - 32) / SIGMA) ** 2)
    wanted = wanted / wanted.sum()
    entropy = float(-(wanted * wanted.log()).nan_to_num().sum())
    assert float(e_simcc(wanted.clamp_min(1e-300).log().expand_as(flat), keypoints, sure, 224)) == pytest.approx(
        entropy
    )
    assert float(e_simcc(flat, keypoints, 0 * sure, 224)) == 0
    assert float(e_simcc(flat, keypoints + 500, sure, 224)) == 0  # outside of the picture
    half = sure.clone()
    half[0, 3:] = 0
    sharp = flat.clone()
    sharp[:, 3:, :, 0] = 50  # wrong, but unseen
    assert float(e_simcc(sharp, keypoints, half, 224)) == pytest.approx(math.log(64))


def test_heatmap_by_hand() -> None:
    keypoints = torch.full((1, 21, 2), 100.0, dtype=torch.float64)
    sure = torch.ones(1, 21, dtype=torch.float64)
    flat = torch.zeros(1, 21, 28, 28, dtype=torch.float64)
    assert float(e_heatmap(flat, keypoints, sure, 224)) == pytest.approx(math.log(784))
    assert float(e_heatmap(flat, keypoints - 400, sure, 224)) == 0
    # x is a column and y a row: a peak at the place costs less than one at the mirrored place.
    away = torch.tensor([60.0, 140.0], dtype=torch.float64).expand(1, 21, 2)
    right, wrong = flat.clone(), flat.clone()
    right[:, :, 17, 7], wrong[:, :, 7, 17] = 5, 5  # 140 / 8 = 17.5, 60 / 8 = 7.5: the middle of cell 7
    assert float(e_heatmap(right, away, sure, 224)) < math.log(784) - 0.5 < float(e_heatmap(wrong, away, sure, 224))


def test_gradients_of_the_auxiliary_losses() -> None:
    generator = torch.Generator().manual_seed(0)
    keypoints = 200 * torch.rand(2, 21, 2, generator=generator, dtype=torch.float64)
    sure = torch.rand(2, 21, generator=generator, dtype=torch.float64)
    maps = torch.randn(2, 21, 4, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    simcc = torch.randn(2, 21, 2, 8, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda m: e_heatmap(m, keypoints, sure, 224), maps)
    assert torch.autograd.gradcheck(lambda p: e_simcc(p, keypoints, sure, 224), simcc)
