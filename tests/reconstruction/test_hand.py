"""A hand as its user holds it: what its JSON says of the photo."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from handsss.io.camera import choose_camera
from handsss.reconstruction.hand import Hand
from tests.conftest import MakeHand


def test_json_of_a_hand_tells_how_its_photo_was_read(tmp_path: Path, make_hand: MakeHand) -> None:
    photo, notes = np.zeros((480, 640, 3), np.uint8), ("16 bits scaled to 8",)
    hand = Hand.of(make_hand("left"), photo, choose_camera((640, 480)), "a.png", notes)
    assert hand.save(tmp_path / "hand.json") == [tmp_path / "hand.json"]
    content = json.loads((tmp_path / "hand.json").read_text())
    assert [entry["object"] for entry in content["hands"]] == ["left_0"]
    assert [content[key] for key in ("image", "image_size", "image_notes", "mesh")] == [
        "a.png",
        [640, 480],
        [*notes],
        None,
    ]


def test_json_of_a_hand_from_an_array_names_no_photo(make_hand: MakeHand) -> None:
    hand = Hand.of(make_hand("right"), np.zeros((480, 640, 3), np.uint8), choose_camera((640, 480)))
    assert (hand.to_document()["image"], hand.to_document()["image_notes"]) == (None, [])
