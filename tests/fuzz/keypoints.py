"""Keypoint files of all sources, with values, keys and lengths changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from handsss.data.annotated_image import AnnotatedImage
from handsss.data.keypoints.files import hands_of, keypoints_of
from handsss.data.keypoints.names import Picture
from handsss.data.keypoints.read import read_json
from handsss.data.keypoints.sources import KeypointFiles
from handsss.detect.types import Detection
from tests.fuzz.mutate import json_bytes, mutated_tree
from tests.fuzz.target import Check, Draw, Target

_SIZE = 640, 480


def seeds() -> list[Any]:
    """A right file of every source."""
    rng = np.random.default_rng(0)
    flat = np.round(rng.uniform(100, 300, (21, 2)), 1).tolist()
    sure = np.round(rng.uniform(0.3, 1, 21), 2).tolist()
    three = [[*point, c] for point, c in zip(flat, sure, strict=True)]
    numbers = [value for row in three for value in row]
    shares = [{"x": x / 640, "y": y / 480, "z": -0.01 * k} for k, (x, y) in enumerate(flat)]
    body = [[float(k), float(k), 0.5] for k in range(133)]
    person = {"hand_left_keypoints_2d": numbers, "hand_right_keypoints_2d": numbers[::-1]}
    whole = {"lefthand_kpts": numbers, "righthand_kpts": numbers, "lefthand_valid": True}
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 640, "height": 480} for n in range(3)]
    classes = [{"classification": [{"label": "Left", "score": 0.9}]}]
    names = [f"{n}.jpg" for n in range(3)]
    return [
        {"people": [person]},
        {"people": [{"hand_left_keypoints": numbers}]},
        [{"people": [person], "image": name, "canvas_width": 640, "canvas_height": 480} for name in names],
        [[flat] * 3, [sure] * 3, names],
        [[flat] * 3, [[[c] for c in sure]] * 3, [[n] for n in range(3)]],
        [[flat] * 3, [sure] * 3],
        {"meta_info": {"dataset_name": "hand"}, "instance_info": [{"keypoints": flat, "keypoint_scores": sure}]},
        {"meta_info": {"keypoint_id2name": {"0": "thumb4"}}, "instance_info": [{"keypoints": flat * 2}]},
        [{"keypoints": body, "keypoint_scores": [0.5] * 133}],
        [{"frame_id": n, "instances": [{"keypoints": flat, "keypoint_scores": sure}]} for n in range(3)],
        {"images": images, "annotations": [{"image_id": n, **whole} for n in range(3)]},
        {"images": images, "annotations": [{"image_id": 1, "keypoints": numbers, "hand": "right"}]},
        [{"image_id": name, "keypoints": [v for row in body for v in row], "score": 1.0} for name in names],
        {"hand_pts": three, "is_left": 0, "img_width": 640, "img_height": 480},
        {"root": [{"img_paths": name, "joint_self": three, "is_left": 1} for name in names]},
        {"landmarks": [shares], "handedness": classes, "image_size": [640, 480]},
        {"multi_hand_landmarks": [{"landmark": shares}], "multi_handedness": classes, "width": 640, "height": 480},
        shares,
        {"hand": "left", "keypoints": three, "keypoint_set": "openpose"},
        {"hands": [{"hand": "left", "keypoints_2d": three}], "image_size": [640, 480]},
        {name: {"hand": "right", "keypoints": three} for name in names},
        three,
        flat,
    ]


def prepare(folder: Path) -> Draw:
    kinds = seeds()
    path = folder / "0_keypoints.json"
    photos = [Picture(folder / f"{n}.jpg", f"{n}.jpg", n, n) for n in range(3)]
    blank = np.zeros((_SIZE[1], _SIZE[0], 3), np.uint8)

    def one(hand: str, side: str | None) -> None:
        for detection in keypoints_of(path, photos[0].path).read(_SIZE, hand=hand, side=side).hands:
            _sound(detection)

    def many() -> None:
        source = KeypointFiles(path).bound(photos)
        source.describe()
        json.dumps(source.settings())
        for photo in photos:
            item = AnnotatedImage(photo.path, photo.name, photo.index, side="right", sample=photo.sample)
            for hand in source.find(item, blank, np.eye(3))[0]:
                assert hand.keypoints.shape == (21, 3) and np.isfinite(hand.keypoints).all()

    def passed(hand: str) -> None:
        for detection in hands_of(read_json(path), _SIZE, hand=hand):
            _sound(detection)

    def draw(rng: Generator) -> Check:
        content = kinds[int(rng.integers(len(kinds)))]
        path.write_bytes(json_bytes(mutated_tree(content, rng), rng))
        hand, side = str(rng.choice(["auto", "left", "right"])), rng.choice(["left", ""])
        way = int(rng.integers(4))
        if way == 0:
            return many
        return (lambda: passed(hand)) if way == 1 else (lambda: one(hand, side or None))

    return draw


def _sound(detection: Detection) -> None:
    points = detection.keypoints
    assert points.shape == (21, 3) and np.isfinite(points).all() and np.isfinite(detection.region).all()
    assert ((points[:, 2] >= 0) & (points[:, 2] <= 1)).all() and detection.hand in ("left", "right")


TARGET = Target(prepare, count=5000)
