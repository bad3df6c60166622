"""Hands in other poses: the same parameters give the same hand, others move it, and appearance stays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from handsss.geometry.rotations import axis_angle_to_matrix
from handsss.hand.load import load_model
from handsss.hand.result import HandResult
from handsss.reconstruction.repose import repose
from tests.conftest import MakeHand


@pytest.fixture(params=["right", "left"])
def hand(request: pytest.FixtureRequest, make_hand: MakeHand) -> HandResult:
    return make_hand(request.param)


def test_its_own_parameters_give_the_same_hand(hand: HandResult) -> None:
    again = repose(hand, load_model("open"))
    for name in ("vertices", "joints_3d", "kinematic_joints_3d"):
        np.testing.assert_allclose(getattr(again, name), getattr(hand, name), atol=1e-9)
    np.testing.assert_allclose(again.joints_2d, hand.joints_2d, atol=1e-6)
    assert again is not hand
    assert again.hand == hand.hand
    # A model of the hand's own side is the same hand.
    np.testing.assert_allclose(repose(hand, load_model("open", hand.hand)).vertices, hand.vertices, atol=1e-9)  # type: ignore[arg-type]


def test_placement_moves_the_whole_hand(hand: HandResult) -> None:
    rotation = np.array([0.0, 0.4, 0.0])
    moved = repose(hand, load_model("open"), rotation=rotation, translation=np.array([0.1, -0.05, 0.8]))
    before, after = (
        axis_angle_to_matrix(torch.tensor(np.asarray(one.rotation), dtype=torch.float64)[None])[0].numpy()
        for one in (hand, moved)
    )
    expected = (hand.vertices - hand.translation) @ before @ after.T + moved.translation
    np.testing.assert_allclose(moved.vertices, expected, atol=1e-9)
    as_matrix = repose(hand, load_model("open"), rotation=after, translation=moved.translation)
    np.testing.assert_allclose(as_matrix.vertices, moved.vertices, atol=1e-9)
    np.testing.assert_allclose(as_matrix.rotation, rotation, atol=1e-9)


def test_a_finger_bends_alone_and_appearance_stays(hand: HandResult) -> None:
    flat = repose(hand, load_model("open"), pose=np.zeros((15, 3)))
    pose = np.zeros((15, 3))
    pose[0] = [0.0, 0.0, 0.6]  # the index finger's first joint, about the axis across the palm
    bent = repose(hand, load_model("open"), pose=pose)
    moved = np.linalg.norm(bent.kinematic_joints_3d - flat.kinematic_joints_3d, axis=1)
    assert moved[8] > 0.03  # its tip
    np.testing.assert_allclose(np.delete(moved, [6, 7, 8]), 0, atol=1e-9)
    assert bent.pose.shape == (45,)
    for name in ("texture", "vertex_colours", "light", "faces", "uv_faces", "keypoints_2d"):
        assert getattr(bent, name) is getattr(hand, name)
    assert bent.fit == {}
    assert hand.fit != {}


def test_shape_changes_the_hand_and_only_its_own(hand: HandResult) -> None:
    before = hand.vertices.copy()
    larger = repose(hand, load_model("open"), shape=np.array([2.0, *[0.0] * 9]))
    assert np.linalg.norm(larger.vertices - before, axis=1).max() > 1e-3
    np.testing.assert_array_equal(hand.vertices, before)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"pose": np.zeros(44)}, r"pose: expected \[45\] or \[15, 3\], got \[44\]"),
        ({"shape": np.zeros(3)}, r"shape: expected \[10\], got \[3\]"),
        ({"translation": np.array([0, 0, np.nan])}, "translation: expected finite numbers"),
    ],
)
def test_wrong_parameters_are_refused(make_hand: MakeHand, given: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        repose(make_hand("right"), load_model("open"), **given)


def test_another_model_is_refused(make_hand: MakeHand) -> None:
    hand = replace(make_hand("right"), vertices=np.zeros((5, 3)))
    with pytest.raises(ValueError, match="expected the hand model 'open' with 5 vertices, got 'open' with 778"):
        repose(hand, load_model("open"))
