"""One skin for hands of several photos, from textures that each show a part of it in another light."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from handsss.hand.load import load_model
from handsss.hand.result import HandResult
from handsss.reconstruction.shared_skin import cells_of, share_skin, with_skin
from handsss.rendering.atlas import Texels, texels
from tests.conftest import MakeHand

SIZE = 64


@pytest.fixture(scope="module")
def atlas() -> Texels:
    model = load_model("open")
    assert model.uv is not None and model.uv_faces is not None
    return texels(model.uv, model.uv_faces, SIZE)


def skin(atlas: Texels) -> np.ndarray:
    """A true skin that changes over the hand."""
    rows, columns = np.indices((SIZE, SIZE)) / SIZE
    colour = np.array([0.62, 0.45, 0.36]) * (0.85 + 0.3 * rows[..., None]) + 0.05 * columns[..., None]
    return np.where(atlas.inside[..., None], colour, 0.4)


def views(make_hand: MakeHand, atlas: Texels, gains: np.ndarray) -> list[HandResult]:
    """Hands that each show two thirds of the skin, the rest wrongly filled."""
    true, hands = skin(atlas), []
    for number, gain in enumerate(gains):
        seen = (np.indices((SIZE, SIZE))[1] // 8 + number) % 3 > 0
        texture = np.where(seen[..., None], true * gain, 0.9)
        hand = make_hand("left" if number % 2 else "right", textured=False)
        hands.append(
            replace(
                hand,
                texture=np.round(np.clip(texture, 0, 1) * 255).astype(np.uint8),
                texture_observed=(255 * seen).astype(np.uint8),
            )
        )
    return hands


def together(hands: list[HandResult], atlas: Texels, trust: np.ndarray | None = None):  # type: ignore[no-untyped-def]
    model = load_model("open")
    assert model.uv is not None and model.uv_faces is not None
    cells = [cells_of(hand) for hand in hands]
    one = np.ones(len(hands)) if trust is None else trust
    return share_skin(cells, one, lambda: iter(hands), atlas, model.faces, model.uv, model.uv_faces)


GAINS = np.array([[1.0, 1.0, 1.0], [0.7, 0.72, 0.8], [1.2, 1.15, 1.0], [0.9, 0.95, 1.1]])


def test_gains_of_photos_are_told_from_the_skin(make_hand: MakeHand, atlas: Texels) -> None:
    hands = views(make_hand, atlas, GAINS)
    shared = together(hands, atlas)
    ratio = shared.gains / GAINS
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio.mean(0), ratio.shape), rtol=0.04)
    colour = shared.texture[atlas.inside] / 255 * ratio.mean(0)
    assert np.abs(colour - skin(atlas)[atlas.inside]).mean() < 0.02
    assert np.isfinite(shared.vertex_colours).all() and shared.vertex_colours.shape == (778, 3)


def test_a_hand_of_another_colour_does_not_stain_it(make_hand: MakeHand, atlas: Texels) -> None:
    hands = views(make_hand, atlas, np.concatenate([GAINS, GAINS]))
    assert hands[3].texture is not None
    hands[3].texture[20:30, 20:44] = (20, 200, 30)  # a glove's stripe
    colour = together(hands, atlas).texture[20:30, 20:44]
    inside = atlas.inside[20:30, 20:44]
    assert (colour[inside][:, 1].astype(int) - colour[inside][:, 0]).max() < 30
    lost = together(hands, atlas, np.array([1, 1, 1, 0.0, 1, 1, 1, 1])).texture
    assert (lost[atlas.inside][:, 0] > lost[atlas.inside][:, 1]).all()


def test_lit_by_its_own_light_each_hand_keeps_its_colour(make_hand: MakeHand, atlas: Texels) -> None:
    hands = views(make_hand, atlas, GAINS)
    shared = together(hands, atlas)
    for number, hand in enumerate(hands):
        before = hand.light.copy()
        with_skin(hand, shared, shared.gains[number])
        assert hand.texture is shared.texture
        np.testing.assert_allclose(
            hand.light[0] * hand.light[2:5], before[0] * before[2:5] * shared.gains[number], rtol=1e-9
        )
        np.testing.assert_allclose(hand.light[8:], before[8:])


def test_hands_without_texture_have_no_cells(make_hand: MakeHand) -> None:
    with pytest.raises(ValueError, match="without a texture"):
        cells_of(make_hand(textured=False))
