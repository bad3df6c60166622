"""Keypoint files as OpenPose and people write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handsss.data.keypoints.files import PictureKeypoints
from handsss.detect.types import Detection
from handsss.errors import InputError


def points(count: int = 21, confidence: float = 0.8) -> list[float]:
    return [value for i in range(count) for value in (10.0 + i, 20.0 + 2 * i, confidence)]


def write(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "keypoints.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def read_keypoints(path: Path, **options: Any) -> list[Detection]:
    return PictureKeypoints(path).read((200, 300), **options).hands


def openpose(left: list[float], right: list[float]) -> dict[str, Any]:
    person = {"pose_keypoints_2d": [], "hand_left_keypoints_2d": left, "hand_right_keypoints_2d": right}
    return {"version": 1.3, "people": [person]}


def test_openpose_hands_surest_first(tmp_path: Path) -> None:
    found = read_keypoints(write(tmp_path, openpose(points(confidence=0.3), points(confidence=0.9))))
    assert [hand.hand for hand in found] == ["right", "left"]
    assert found[0].keypoint_set == "openpose"
    np.testing.assert_allclose(found[0].keypoints[4], [14, 28, 0.9])
    assert found[0].region.tolist() == [[10, 20], [30, 20], [30, 60], [10, 60]]


def test_joints_at_zero_were_not_seen(tmp_path: Path) -> None:
    values = points()
    values[9:12] = [0, 0, 0]
    (hand,) = read_keypoints(write(tmp_path, openpose(values, [])))
    assert hand.keypoints[3, 2] == 0
    assert (hand.keypoints[:, 2] > 0).sum() == 20


@pytest.mark.parametrize("content", [{"people": []}, openpose([], []), openpose([0.0] * 63, [])])
def test_no_hand_is_no_error(tmp_path: Path, content: Any) -> None:
    assert read_keypoints(write(tmp_path, content)) == []


def test_side_filter_and_definition(tmp_path: Path) -> None:
    path = write(tmp_path, openpose(points(), points()))
    (hand,) = read_keypoints(path, hand="left", keypoint_set="mediapipe")
    assert (hand.hand, hand.keypoint_set) == ("left", "mediapipe")


def test_plain_lists_of_points(tmp_path: Path) -> None:
    pairs = [[float(i), 2.0 * i + 1] for i in range(21)]
    (hand,) = read_keypoints(write(tmp_path, pairs), hand="right")
    assert hand.keypoints[5].tolist() == [5, 11, 1]
    entry = {"hand": "left", "keypoints": points(), "keypoint_set": "freihand"}
    (hand,) = read_keypoints(write(tmp_path, [entry]))
    assert (hand.hand, hand.keypoint_set) == ("left", "freihand")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("{", "not JSON"),
        ("[]", "holds no keypoints"),
        ("3", "holds no keypoints"),
        (openpose(points(20), []), r"left hand: expected 63 numbers.*got 60 \(20 joints\)"),
        ([[1.0, 2.0, 1.0]] * 20, "expected 21 joints.*got 20 joints"),
        (openpose(["a"] * 63, []), "not numbers"),
        ({"people": 3}, "'people' should be a list"),
        ({"people": [4]}, "person 0 should be an object"),
        ({"people": [{"hand_left_keypoints_2d": 7}]}, "left hand: expected a list of 63 numbers, got int"),
        ({"people": [{"hand_right_keypoints_2d": {"a": 1}}]}, "right hand: expected a list of 63 numbers, got dict"),
        ([[1.0, 2.0]] * 21, "which hand is it"),
        ({"hand": "left"}, "no known source, got the keys 'hand'. Known are OpenPose: 'people'"),
        ({"people": [{"hand_links": []}]}, "no person has a key for hands.*got 'hand_links'"),
        ({"keypoints": [[1.0, 2.0, 0.0]] * 21}, "all third numbers are 0"),
        ([openpose(points(), [])] * 2, "keypoints of 2 pictures"),
    ],
)
def test_unusable_files_say_what_was_expected(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_keypoints(write(tmp_path, content))


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_values_that_are_not_finite_are_named(tmp_path: Path, value: str) -> None:
    text = json.dumps(openpose(points(), [])).replace("13.0", value)
    with pytest.raises(InputError, match=r"left hand: joint 3 holds \[-?(nan|inf).*expected finite numbers"):
        read_keypoints(write(tmp_path, text))


def test_mark_at_the_start_of_the_file(tmp_path: Path) -> None:
    """Windows programs write one in front of UTF-8 text."""
    path = tmp_path / "k.json"
    path.write_text(json.dumps(openpose(points(), [])), encoding="utf-8-sig")
    assert len(read_keypoints(path)) == 1


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_keypoints(tmp_path / "no.json")
