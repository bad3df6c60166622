"""Which side a hand is: selected, imposed, or fitted both ways."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import handsss
from handsss.detect.types import Detection, mirror
from handsss.geometry.cameras import intrinsics_from_fov
from handsss.io.image import read_image
from handsss.reconstruction.pipeline import HandPipeline
from handsss.reconstruction.settings import PipelineSettings
from handsss.reconstruction.side import CERTAIN, as_other_side, asked_for, doubtful, fits_better, left_out_note

SAMPLE = Path(handsss.__file__).parent / "samples/nocurl.jpg"


@pytest.fixture(scope="module")
def pipeline() -> HandPipeline:
    return HandPipeline("open", PipelineSettings(appearance=False))


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return read_image(SAMPLE).array


@pytest.fixture(scope="module")
def camera(photo: np.ndarray) -> np.ndarray:
    return intrinsics_from_fov(photo.shape[1], photo.shape[0])


@pytest.fixture(scope="module")
def left(pipeline: HandPipeline, photo: np.ndarray) -> Detection:
    (detection,) = pipeline.detect_hands(photo)
    assert detection.hand == "left"
    return detection


def test_selecting_and_imposing(left: Detection) -> None:
    hands = [left, mirror(left, 480), mirror(left, 480)]
    kept, left_out = asked_for(hands, "left", "auto")
    assert [hand.hand for hand in kept] == ["left"]
    assert left_out == ["right", "right"]
    kept, left_out = asked_for(hands, "auto", "right")
    assert ([hand.hand for hand in kept], left_out) == (["right"] * 3, [])
    assert {hand.side_from for hand in kept} == {"option"}


def test_what_is_said_of_hands_left_out() -> None:
    assert left_out_note([]) is None
    note = left_out_note(["left"])
    assert note is not None
    assert note.text("--{}".format) == "one left hand was found and left out: --side right imposes the side"
    assert str(left_out_note(["right", "right"])).startswith("2 right hands were found")


def test_the_detector_and_the_fit_decide_together() -> None:
    assert not fits_better(100.0, 100.0, 0.6)
    assert fits_better(100.0, 20.0, 0.6)
    assert not fits_better(100.0, 20.0, 0.9999)  # the detector was sure
    assert not fits_better(20.0, 100.0, 0.5)


def test_a_hand_as_the_other_side_and_back(
    pipeline: HandPipeline, photo: np.ndarray, camera: np.ndarray, left: Detection
) -> None:
    (one,) = pipeline.find_hands(photo, camera, [left]).inputs
    other = as_other_side(one)
    back = as_other_side(other)
    assert (one.left, other.left, back.left) == (True, False, True)
    assert other.detection.handedness == pytest.approx(1 - left.handedness)
    np.testing.assert_array_equal(other.image, photo)
    np.testing.assert_allclose(other.detection.keypoints, left.keypoints)
    np.testing.assert_allclose(back.detection.keypoints, one.detection.keypoints)
    np.testing.assert_allclose(back.intrinsics, one.intrinsics)


@pytest.mark.parametrize("called", ["left", "right"])
def test_of_a_doubtful_hand_both_sides_are_fitted(
    pipeline: HandPipeline, photo: np.ndarray, camera: np.ndarray, left: Detection, called: str
) -> None:
    doubted = replace(left, hand=called, handedness=0.55)
    found = pipeline.find_hands(photo, camera, [doubted])
    assert doubtful(found.inputs) == [0]
    (hand,) = pipeline.reconstruct(found.inputs)
    assert (hand.hand, hand.side_from) == ("left", "fit")
    assert hand.handedness == pytest.approx(0.55 if called == "left" else 0.45)
    assert np.linalg.norm(hand.joints_2d - left.keypoints[:, :2], axis=1).mean() < 14
    assert hand.to_json()["side_from"] == "fit"


def test_sure_given_and_imposed_sides_are_not_doubted(
    pipeline: HandPipeline, photo: np.ndarray, camera: np.ndarray, left: Detection
) -> None:
    sure = replace(left, handedness=CERTAIN)
    given = replace(left, side_from="keypoints", handedness=0.5)
    imposed = replace(left, side_from="option", handedness=0.1)
    everything = HandPipeline.find_hands(pipeline, photo, camera, [sure]).inputs
    for detection in (given, imposed):
        everything += pipeline.find_hands(photo, camera, [detection]).inputs
    assert doubtful(everything) == []
