"""The built-in detector: its parts by hand, and the whole on the sample photo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from handsss.detect.detector import HandDetector
from handsss.detect.networks import Network
from handsss.detect.palms import anchors, iou, weighted_nms
from handsss.detect.types import Detection, mirror
from handsss.errors import UserError
from handsss.geometry.framing import bounding_box
from handsss.geometry.window import Window


@pytest.fixture(scope="module")
def found(detector: HandDetector, photo: np.ndarray) -> list[Detection]:
    return detector.detect(photo)


def test_anchor_grid() -> None:
    grid = anchors()
    assert grid.shape == (2016, 2)
    assert grid[0].tolist() == grid[1].tolist() == [0.5 / 24, 0.5 / 24]
    assert grid[2].tolist() == [1.5 / 24, 0.5 / 24]
    assert grid[1152].tolist() == grid[1157].tolist() == [0.5 / 12, 0.5 / 12]
    assert grid[-1].tolist() == [11.5 / 12, 11.5 / 12]


def test_iou_by_hand() -> None:
    boxes = np.array([[0.0, 0, 2, 2], [1, 1, 3, 3], [5, 5, 6, 6]])
    np.testing.assert_allclose(iou(boxes[0], boxes), [1, 1 / 7, 0])


def test_weighted_nms_by_hand() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]])
    groups = weighted_nms(boxes, np.array([0.6, 0.9, 0.8]), boxes[:, :1])
    assert [score for score, _ in groups] == [0.9, 0.8]
    assert groups[0][1][0] == pytest.approx((0.6 * 0 + 0.9 * 1) / 1.5)
    assert groups[1][1][0] == pytest.approx(50)


def test_a_window_shows_its_square() -> None:
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[10:20, 30:40] = (255, 0, 51)
    cut = Window.square((35.0, 15.0), 10.0, 20).sample(picture, repeat=False)
    assert cut.shape == (20, 20, 3)
    np.testing.assert_allclose(cut[2:-2, 2:-2], np.broadcast_to([1, 0, 0.2], (16, 16, 3)), atol=1e-3)
    # A quarter turn: the corner of the cut at 0, 0 comes from the square's upper right corner.
    matrix = Window.square((35.0, 15.0), 10.0, 20, roll=np.pi / 2).inverse
    np.testing.assert_allclose(matrix[:, 2], [40, 10], atol=1e-9)


def test_sample_photo(found: list[Detection]) -> None:
    assert len(found) == 1
    hand = found[0]
    assert hand.hand == "left"
    assert hand.score > 0.9
    assert hand.keypoint_set == "mediapipe"
    x0, y0, x1, y1 = bounding_box(hand.keypoints)
    assert 80 < x0 < x1 < 460
    assert 60 < y0 < y1 < 640
    # The index finger is up: its tip is the highest point.
    assert int(hand.keypoints[:, 1].argmin()) == 8
    assert ((hand.keypoints[:, 2] > 0) & (hand.keypoints[:, 2] <= 1)).all()


def test_mirrored_photo_gives_the_mirrored_hand(
    detector: HandDetector, photo: np.ndarray, found: list[Detection]
) -> None:
    (other,) = detector.detect(np.ascontiguousarray(photo[:, ::-1]))
    expected = mirror(found[0], photo.shape[1])
    assert other.hand == "right"
    x0, y0, x1, y1 = bounding_box(expected.keypoints)
    miss = np.linalg.norm(other.keypoints[:, :2] - expected.keypoints[:, :2], axis=1)
    assert miss.mean() < 0.02 * max(x1 - x0, y1 - y0)


def test_finding_is_repeatable(detector: HandDetector, photo: np.ndarray, found: list[Detection]) -> None:
    np.testing.assert_array_equal(detector.detect(photo)[0].keypoints, found[0].keypoints)


def test_small_hand_in_a_large_photo_is_found_by_tiles(
    detector: HandDetector, photo: np.ndarray, found: list[Detection]
) -> None:
    large = np.full((1600, 1600, 3), 205, np.uint8)
    small = photo[::3, ::3]
    large[1100 : 1100 + small.shape[0], 1200 : 1200 + small.shape[1]] = small
    hands = detector.detect(large)
    assert hands
    expected = found[0].keypoints[:, :2] / 3 + [1200, 1100]
    assert np.linalg.norm(hands[0].keypoints[:, :2] - expected, axis=1).mean() < 0.06 * np.ptp(expected, axis=0).max()


def test_pictures_without_hands(detector: HandDetector) -> None:
    rng = np.random.default_rng(0)
    assert detector.detect(np.zeros((64, 64, 3), np.uint8)) == []
    assert detector.detect(rng.integers(0, 255, (200, 300, 3), dtype=np.uint8)) == []
    assert detector.detect(np.zeros((4, 900, 3), np.uint8)) == []


@pytest.mark.parametrize("shape", [(64, 64), (64, 64, 4)])
def test_other_arrays_are_refused(detector: HandDetector, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected an RGB picture"):
        detector.detect(np.zeros(shape, np.uint8))


def test_damaged_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "palm_detection_full.tflite").write_bytes(b"nonsense")
    with pytest.raises(UserError, match=r"damaged: expected sha256 1b14.*Reinstall"):
        Network("palm_detection_full.tflite", folder=tmp_path)
    with pytest.raises(UserError, match="cannot be read"):
        Network("hand_landmark_full.tflite", folder=tmp_path)
