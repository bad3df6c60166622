"""The focal length of photos whose camera nobody knows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from handsss.detect.types import Detection
from handsss.geometry.cameras import intrinsics_from_fov
from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model
from handsss.reconstruction.likely_camera import likely_intrinsics, pixels_per_metre

MODEL = load_model("open")
SIZE = 640, 480


def detection(distance: float, focal: float, *, world: bool = True) -> Detection:
    """A flat open hand that faces a camera at so many metres."""
    layer = HandLayer(MODEL, flat_hand_mean=True, dtype=torch.float64)
    output = layer(axis_angle=torch.zeros(1, 15, 3, dtype=torch.float64))
    points = layer.keypoints(output, MODEL.keypoint_set("openpose"))[0].numpy()
    points = points - points.mean(0)
    flat = points[:, np.argsort(-points.std(0))]  # the widest axes lie in the picture
    pixels = focal * flat[:, :2] / distance + np.array(SIZE) / 2
    keypoints = np.concatenate([pixels, np.ones((21, 1))], 1)
    metric = np.concatenate([flat, np.full((21, 1), 0.003)], 1) if world else None
    return Detection("right", 1.0, 1.0, keypoints, "openpose", np.zeros((4, 2)), metric)


@pytest.mark.parametrize("world", [True, False])
def test_size_in_the_picture(world: bool) -> None:
    """Exact by metric points; by the model's bones within what its flat hand is bent out of the plane."""
    one = detection(0.4, 800.0, world=world)
    assert pixels_per_metre(one, MODEL) == pytest.approx(2000, rel=1e-9 if world else 0.05)
    unseen = one.keypoints.copy()
    unseen[5:9] = [np.nan, 9e9, 0]
    assert pixels_per_metre(replace(one, keypoints=unseen), MODEL) == pytest.approx(2000, rel=1e-6 if world else 0.05)


def test_a_hand_too_near_lengthens_the_lens() -> None:
    """At 60 degrees the hand is 12.5 cm away: of log(0.5 / 0.125) the lens takes the share 0.36 / (0.36 + 0.2025)."""
    assumed = intrinsics_from_fov(*SIZE)
    one = detection(0.125, assumed[0, 0])
    K = likely_intrinsics(assumed, [one], MODEL)
    factor = 4 ** (0.36 / (0.36 + 0.2025))
    np.testing.assert_allclose(K[[0, 1], [0, 1]], factor * assumed[0, 0])
    np.testing.assert_array_equal(K[:, 2], assumed[:, 2])
    assert K[0, 1] == K[1, 0] == 0


def test_far_hands_and_no_hands_leave_it() -> None:
    assumed = intrinsics_from_fov(*SIZE)
    np.testing.assert_array_equal(likely_intrinsics(assumed, [detection(2.0, assumed[0, 0])], MODEL), assumed)
    np.testing.assert_array_equal(likely_intrinsics(assumed, [], MODEL), assumed)
    nothing = replace(detection(0.1, assumed[0, 0]), keypoints=np.zeros((21, 3)))
    np.testing.assert_array_equal(likely_intrinsics(assumed, [nothing], MODEL), assumed)


def test_one_camera_for_all_hands_of_a_photo() -> None:
    """The median hand decides, whichever is first."""
    assumed = intrinsics_from_fov(*SIZE)
    hands = [detection(metres, assumed[0, 0]) for metres in (0.1, 0.2, 0.9)]
    alone = likely_intrinsics(assumed, hands[1:2], MODEL)
    for order in (hands, hands[::-1]):
        np.testing.assert_allclose(likely_intrinsics(assumed, order, MODEL), alone)


def test_the_picture_size_does_not_matter() -> None:
    """A photo made half as large has half the focal length."""
    assumed = intrinsics_from_fov(*SIZE)
    one = detection(0.2, assumed[0, 0])
    half = assumed * np.array([[0.5, 1, 0.5], [1, 0.5, 0.5], [1, 1, 1]])
    small = replace(one, keypoints=one.keypoints * np.array([0.5, 0.5, 1]))
    big, little = likely_intrinsics(assumed, [one], MODEL), likely_intrinsics(half, [small], MODEL)
    np.testing.assert_allclose(little[:2], 0.5 * big[:2], rtol=1e-12)
