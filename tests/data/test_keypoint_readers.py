"""Each source of keypoint files, recognised by content, gives the same hand; what fits none says which keys came."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handsss.data.keypoints.files import KeypointReading, PictureKeypoints, keypoints_of
from handsss.errors import InputError
from handsss.hand.joints import reorder_indices

SIZE = (480, 640)
XY = np.array([[100.0 + 7 * j, 150.0 + (13 * j) % 40 + 9 * j] for j in range(21)])
SCORES = np.array([0.4 + 0.02 * j for j in range(21)])
XYC = np.concatenate([XY, SCORES[:, None]], 1)
SHARES = XY / SIZE
DEPTH = np.array([0.0] + [(-1) ** j * 0.004 * j for j in range(1, 21)])


def openpose(key: str = "hand_left_keypoints_2d", points: np.ndarray = XYC, **more: Any) -> dict[str, Any]:
    return {"people": [{"pose_keypoints_2d": [], key: points.ravel().tolist()}], **more}


def whole_body(count: int, first: int) -> np.ndarray:
    body = np.zeros((count, 3))
    body[first : first + 21] = XYC
    return body


def landmarks(points: np.ndarray = SHARES) -> list[dict[str, float]]:
    return [{"x": x, "y": y, "z": z, "visibility": 0.0} for (x, y), z in zip(points, DEPTH, strict=True)]


def read(tmp_path: Path, content: Any, **options: Any) -> KeypointReading:
    path = tmp_path / "k.json"
    path.write_text(json.dumps(content))
    return keypoints_of(path, tmp_path / "a.jpg").read(SIZE, **options)


SCORED = {
    "openpose 1.0": ("OpenPose", openpose("hand_left_keypoints")),
    "openpose 1.3": ("OpenPose", openpose()),
    "openpose rows": ("OpenPose", {"people": [{"hand_left_keypoints_2d": XYC.tolist()}]}),
    "list of one": ("OpenPose", [openpose()]),
    "comfyui": ("ComfyUI's OpenPose", [openpose(canvas_width=480, canvas_height=640, animals=[])]),
    "comfyui shares": (
        "ComfyUI's OpenPose",
        [openpose(points=np.concatenate([SHARES, SCORES[:, None]], 1), canvas_width=480, canvas_height=640)],
    ),
    "comfyui half": (
        "ComfyUI's OpenPose",
        openpose(points=XYC * [0.5, 0.5, 1], canvas_width=240, canvas_height=320),
    ),
    "mmpose": (
        "MMPose",
        {"meta_info": {}, "instance_info": [{"keypoints": XY.tolist(), "keypoint_scores": SCORES.tolist()}]},
    ),
    "mmpose list": ("MMPose", [{"keypoints": XY.tolist(), "keypoint_scores": SCORES.tolist(), "bbox": [[0, 0, 1, 1]]}]),
    "mmpose body": (
        "MMPose",
        [{"keypoints": whole_body(133, 91)[:, :2].tolist(), "keypoint_scores": whole_body(133, 91)[:, 2].tolist()}],
    ),
    "mmpose tips first": (
        "MMPose",
        {
            "meta_info": {"dataset_name": "interhand2d"},
            "instance_info": [
                {
                    "keypoints": XY[reorder_indices("openpose", "interhand")].tolist(),
                    "keypoint_scores": SCORES[reorder_indices("openpose", "interhand")].tolist(),
                }
            ],
        },
    ),
    "wholebody": (
        "COCO-WholeBody",
        {
            "images": [{"id": 7, "file_name": "a.jpg", "width": 480, "height": 640}],
            "annotations": [
                {
                    "image_id": 7,
                    "lefthand_kpts": XYC.ravel().tolist(),
                    "righthand_kpts": [0] * 63,
                    "lefthand_valid": True,
                }
            ],
        },
    ),
    "wholebody results": (
        "COCO-WholeBody",
        [{"image_id": "a.jpg", "lefthand_kpts": XYC.ravel().tolist(), "righthand_kpts": [0] * 63}],
    ),
    "halpe results": ("COCO", [{"image_id": "a.jpg", "keypoints": whole_body(136, 94).ravel().tolist(), "score": 1}]),
    "s2hand": ("S2HAND's list", [[XY.tolist()], [SCORES[:, None].tolist()], [["a.jpg"]]]),
    "s2hand nameless": ("S2HAND's list", [[XY.tolist()], [SCORES.tolist()]]),
    "points": ("plain JSON", XYC.tolist()),
    "flat": ("plain JSON", {"hand": "left", "keypoints": XYC.ravel().tolist()}),
    "by picture": ("points by picture", {"b.jpg": XY.tolist(), "a.jpg": {"hand": "left", "keypoints": XYC.tolist()}}),
    "own result": (
        "handsss's result",
        {
            "image_size": [480, 640],
            "hands": [{"hand": "left", "keypoints_2d": XYC.tolist()}],
        },
    ),
}


@pytest.mark.parametrize("kind", SCORED)
def test_sources_with_confidences(tmp_path: Path, kind: str) -> None:
    source, content = SCORED[kind]
    reading = read(tmp_path, content, hand="left")
    assert (reading.source, reading.keypoint_set, len(reading.hands)) == (source, "openpose", 1)
    assert reading.hands[0].hand == "left"
    np.testing.assert_allclose(reading.hands[0].keypoints, XYC, atol=1e-9)


CERTAIN = {
    "panoptic": ("Panoptic's hand labels", {"hand_pts": np.c_[XY, np.ones(21)].tolist(), "is_left": 1}),
    "panoptic set": (
        "Panoptic's hand labels",
        {
            "root": [
                {"img_paths": "x/b.jpg", "joint_self": [[5, 5, 1]] * 21},
                {"img_paths": "x/a.jpg", "joint_self": np.c_[XY, np.ones(21)].tolist()},
            ]
        },
    ),
    "coco flags": (
        "COCO",
        {
            "images": [{"id": 1, "file_name": "a.jpg"}],
            "annotations": [{"image_id": 1, "keypoints": np.c_[XY, np.tile([1, 2, 2], 7)].ravel().tolist()}],
        },
    ),
    "pairs": ("plain JSON", XY.tolist()),
}


@pytest.mark.parametrize("kind", CERTAIN)
def test_sources_without_confidences(tmp_path: Path, kind: str) -> None:
    source, content = CERTAIN[kind]
    reading = read(tmp_path, content, hand="left")
    assert reading.source == source
    np.testing.assert_allclose(reading.hands[0].keypoints, np.c_[XY, np.ones(21)])


MEDIAPIPE = {
    "tasks": {"hand_landmarks": [landmarks()], "handedness": [[{"category_name": "Left", "score": 0.9}]]},
    "javascript": {"landmarks": [landmarks()], "handednesses": [[{"categoryName": "Left"}]], "worldLandmarks": [[]]},
    "solutions": {
        "multi_hand_landmarks": [{"landmark": landmarks()}],
        "multi_handedness": [{"classification": [{"label": "Left", "score": 0.9}]}],
    },
    "tensorflow.js": [{"keypoints": [{"x": x, "y": y, "name": "?"} for x, y in XY], "handedness": "Left"}],
    "bare": landmarks(),
    "one": {"landmark": landmarks(), "image_width": 480, "image_height": 640, "hand": "left"},
    "normalised rows": {"hand": "left", "keypoints": np.c_[SHARES, DEPTH].tolist()},
    "pixel rows": {"hand": "left", "keypoints": np.c_[XY, 480 * DEPTH].tolist()},
}


@pytest.mark.parametrize("kind", MEDIAPIPE)
def test_mediapipe_landmarks_have_depths_not_confidences(tmp_path: Path, kind: str) -> None:
    reading = read(tmp_path, MEDIAPIPE[kind], hand="left")
    assert reading.source.startswith("MediaPipe's landmarks")
    assert reading.keypoint_set == "mediapipe"
    np.testing.assert_allclose(reading.hands[0].keypoints, np.c_[XY, np.ones(21)])


@pytest.mark.parametrize(
    ("third", "message"),
    [
        (100 * SCORES, "got 40 to 80. They may be per cent"),
        (np.linspace(3, 900, 21), "Leave the column out"),
        (np.tile([0, 1, 2], 7), "COCO's visibility flags"),
        (-SCORES, "got -0.8 to -0.4. They may be depths"),
        (1.2 * SCORES + 0.1, "expected confidences from 0 to 1"),
    ],
)
def test_numbers_that_cannot_be_confidences(tmp_path: Path, third: np.ndarray, message: str) -> None:
    for content in (
        {"hand": "left", "keypoints": np.c_[XY, third].tolist()},
        openpose(points=np.c_[XY, third]),
        [[XY.tolist()], [third.tolist()], ["a.jpg"]],
    ):
        with pytest.raises(InputError, match=message):
            read(tmp_path, content, hand="left")


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (SHARES, "spans 0.312 px .*look normalised"),
        (2 * SHARES - 1, "look normalised to -1..1: add 1, halve"),
        (SHARES - [SHARES[:, 0].min() + 0.05, 0.0], "look normalised: multiply"),
        (XY + [500, 0], "lies outside the 480 x 640 picture"),
        (XY - [0, 900], "lies outside the 480 x 640 picture"),
        (XY[:1] + 0.01 * XY, r"spans 2 px"),
    ],
)
def test_hands_that_cannot_be_in_the_picture(tmp_path: Path, points: np.ndarray, message: str) -> None:
    for content in (openpose(points=np.c_[points, SCORES]), points.tolist()):
        with pytest.raises(InputError, match=message):
            read(tmp_path, content, hand="left")


def test_a_picture_of_other_proportions_is_another_picture(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the file is of a 640 x 480 picture, this one has 480 x 640"):
        read(tmp_path, [openpose(canvas_width=640, canvas_height=480)])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"poses": [1], "score": 2}, "of no known source, got the keys 'poses', 'score'. Known are OpenPose: 'people'"),
        ([{"joints": []}], "got a list of 1 of objects with the keys 'joints'"),
        ({"instance_info": [{"keypoints": [[1, 2]] * 17}]}, "instance 0: 17 keypoints. Expected 21"),
        ({"images": [], "annotations": [{"image_id": 1, "keypoints": [1] * 51}]}, "no annotation has a key for hands"),
        ({"multi_hand_landmarks": [{"landmark": landmarks()[:20]}]}, r"expected 21 landmarks x, y, z, got \[20, 2\]"),
        ([[[[1, 2]] * 21], [[1] * 21], [{"a": 1}]], "names should be text or whole numbers"),
    ],
)
def test_what_fits_no_source_says_what_came(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, content)


def test_files_of_many_pictures_are_looked_up_by_name(tmp_path: Path) -> None:
    path = tmp_path / "k.json"
    path.write_text(json.dumps([[XY.tolist(), (XY + 9).tolist()], [SCORES.tolist()] * 2, ["a.jpg", "b.jpg"]]))
    (hand,) = keypoints_of(path, Path("b.jpg")).read(SIZE, hand="right").hands
    np.testing.assert_allclose(hand.keypoints[:, :2], XY + 9)
    with pytest.raises(InputError, match="none of its 2 names fits c.jpg: the first are 'a.jpg' there"):
        keypoints_of(path, Path("c.jpg"))
    with pytest.raises(InputError, match="keypoints of 2 pictures. Expected those of one"):
        PictureKeypoints(path).read(SIZE)


def test_byte_order_marks_and_utf_16(tmp_path: Path) -> None:
    for encoding in ("utf-8-sig", "utf-16"):
        path = tmp_path / f"{encoding}.json"
        path.write_text(json.dumps(XY.tolist()), encoding=encoding)
        assert len(PictureKeypoints(path).read(SIZE, hand="left").hands) == 1


@pytest.mark.parametrize("size", [["a", 3], [None, 1], [{}, []], [float("inf"), 3], [0, 0], 7, "640x480"])
def test_sizes_that_are_none(tmp_path: Path, size: Any) -> None:
    """Where the file's own keys say a size, a wrong one is an error; other tools' are as if they were left out."""
    result = {"hands": [{"hand": "left", "keypoints_2d": XYC.tolist()}], "image_size": size}
    with pytest.raises(InputError, match=r"'image_size' should be \[width, height\] in pixels, got"):
        read(tmp_path, result)
    other = {"landmarks": [landmarks()], "handedness": ["Left"], "image_size": size}
    assert len(read(tmp_path, other).hands) == 1


@pytest.mark.parametrize("frame", [{"a": 1}, [1], 1.5, None])
def test_frames_numbered_by_something_else(tmp_path: Path, frame: Any) -> None:
    video = [{"frame_id": frame, "instances": [{"keypoints": XY.tolist(), "keypoint_scores": SCORES.tolist()}]}] * 2
    with pytest.raises(InputError, match="2 entries without names"):
        read(tmp_path, video, hand="left")


@pytest.mark.parametrize("people", [1, 3])
@pytest.mark.parametrize("age", ["_2d", ""])
def test_bodies_without_hands_say_what_is_missing(tmp_path: Path, people: int, age: str) -> None:
    body = {f"pose_keypoints{age}": [1.0] * 75, f"hand_left_keypoints{age}": [], f"hand_right_keypoints{age}": []}
    reading = read(tmp_path, {"people": [body] * people})
    assert reading.hands == []
    assert reading.note == "it has body keypoints and none of hands: run OpenPose with hands switched on"


@pytest.mark.parametrize("hand", [[0.0] * 63, XYC.ravel().tolist()])
def test_hands_that_were_looked_for_are_no_mistake(tmp_path: Path, hand: list[float]) -> None:
    body = {"pose_keypoints_2d": [1.0] * 75, "hand_left_keypoints_2d": hand, "hand_right_keypoints_2d": []}
    assert read(tmp_path, {"people": [body]}).note == ""
    assert read(tmp_path, {"people": []}).note == ""


@pytest.mark.parametrize("content", [{"images": [], "annotations": []}, {"images": [3], "annotations": []}])
def test_files_of_no_pictures(tmp_path: Path, content: Any) -> None:
    with pytest.raises(InputError, match="holds no pictures"):
        read(tmp_path, content)
