"""HO-3D's layout to a store: cameras, orders, boxes, frames without annotation."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from handsss.data.keypoints.sources import TruthSource
from handsss.data.preprocess import PreprocessOptions, preprocess
from handsss.data.readers.ho3d import open_ho3d
from handsss.data.store.reader import Store
from handsss.errors import InputError


def make(root: Path, target: Path, split: str, version: str, **options: object) -> Store:
    reader = open_ho3d(root, split, version)
    preprocess(reader, TruthSource("ho3d"), target, PreprocessOptions(**options))  # type: ignore[arg-type]
    return Store(target)


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_training_values_by_hand(ho3d: Callable[[str], Path], tmp_path: Path, version: str) -> None:
    store = make(ho3d(version), tmp_path / "t.h5", "training", version, margin=0.25)
    joints = store.field("joints_3d", 0)
    # OpenPose 0 is HO-3D 0, 1 is 13, 4 is 16, 9 is 4, 20 is 20; y and z change sign.
    np.testing.assert_allclose(joints[[0, 1, 4, 9, 20], 0], [-0.10, 0.03, 0.06, -0.06, 0.10], atol=1e-7)
    np.testing.assert_allclose(joints[:, 1:], np.tile([-0.02, 0.5], (21, 1)), atol=1e-7)
    # Pixels of the picture: x from 320 - 120 to 320 + 120, y all at 240 - 610 * 0.02 / 0.5 = 215.6.
    # The box is 240 px wide; with a margin of a quarter on each side the crop is 360 px around (320, 215.6).
    factor = 224 / 360
    np.testing.assert_allclose(
        store.field("crop_transform", 0),
        [[factor, 0, 112 - factor * 320], [0, factor, 112 - factor * 215.6]],
        atol=1e-9,
    )
    np.testing.assert_allclose(store.field("keypoints_2d", 0)[0], [112 - 120 * factor, 112], atol=1e-4)
    np.testing.assert_allclose(
        store.field("K", 0), [[600 * factor, 0, 112], [0, 610 * factor, 112 + factor * 24.4], [0, 0, 1]], atol=1e-9
    )
    np.testing.assert_allclose(store.field("root_3d", 0), [-0.10, -0.02, 0.5], atol=1e-7)
    assert store.field("mano_pose", 0)[47] == 1
    assert store.attributes["mano_flat_hand_mean"] == 1
    assert store.attributes["joints_3d_set"] == "ho3d"


def test_a_frame_without_annotation_keeps_its_row(ho3d: Callable[[str], Path], tmp_path: Path) -> None:
    store = make(ho3d("v2"), tmp_path / "t.h5", "training", "v2")
    assert len(store) == 2
    assert not store.field("confidence", 1).any()
    assert np.isnan(store.field("joints_3d", 1)).all()
    # Nothing is known of where the hand is: the whole 640 x 480 picture is the crop.
    np.testing.assert_allclose(store.field("crop_transform", 1), [[0.35, 0, 0], [0, 0.35, 28]], atol=1e-12)
    assert store.attributes["counts"] == {"keypoints found": 1, "no true joints": 1}
    assert store.attributes["mean_bone_9_10"] == pytest.approx(0.01)


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_evaluation_box(ho3d: Callable[[str], Path], tmp_path: Path, version: str) -> None:
    root = ho3d(version)
    store = make(root, tmp_path / "e.h5", "evaluation", version, box_margin=0.1)
    (around,) = open_ho3d(root, "evaluation", version).item(0).hand_boxes  # where the detector looks
    np.testing.assert_array_equal(around, [200, 150, 300, 250])
    # Box 200..300, 150..250: 100 px, with a tenth on each side 120 px around (250, 200).
    factor = 224 / 120
    np.testing.assert_allclose(store.field("K", 0)[0], [600 * factor, 0, 112 + factor * 70], atol=1e-9)
    np.testing.assert_allclose(store.field("root_3d", 0), [0.05, -0.02, 0.5], atol=1e-7)
    assert store.name(0).startswith("evaluation/SM1/rgb/0007")
    assert "joints_3d" not in store.file


def test_lists_decide(ho3d: Callable[[str], Path]) -> None:
    root = ho3d("v2")
    assert len(open_ho3d(root, "training", "v2")) == 2
    (root / "train.txt").write_text("ABF10/0000\nnonsense\n")
    with pytest.raises(InputError, match="line 2 is 'nonsense'; expected SEQ/ID"):
        open_ho3d(root, "training", "v2")
    (root / "train.txt").write_text("../../etc\n")
    with pytest.raises(InputError, match="line 1"):
        open_ho3d(root, "training", "v2")
    (root / "train.txt").unlink()
    with pytest.raises(InputError, match="train.txt: cannot be read.*HO-3D's list of frames"):
        open_ho3d(root, "training", "v2")
    with pytest.raises(InputError, match="no such folder. Expected HO-3D's layout"):
        open_ho3d(root / "nowhere", "training", "v2")


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch /tmp/handsss-ran",)


def test_hostile_pickle_runs_nothing(ho3d: Callable[[str], Path]) -> None:
    root = ho3d("v3")
    path = root / "train/ABF10/meta/0000.pkl"
    path.write_bytes(pickle.dumps({"camMat": _Bomb()}))
    with pytest.raises(InputError, match=r"0000.pkl: refused.*(posix|nt).system.*HO-3D"):
        open_ho3d(root, "training", "v3").item(0)
    assert not Path("/tmp/handsss-ran").exists()


def test_wrong_shapes_are_named(ho3d: Callable[[str], Path]) -> None:
    root = ho3d("v3")
    path = root / "train/ABF10/meta/0000.pkl"
    path.write_bytes(pickle.dumps({"camMat": np.eye(3), "handJoints3D": np.zeros((20, 3))}))
    with pytest.raises(InputError, match=r"handJoints3D should have the shape \[21, 3\], got \[20, 3\]"):
        open_ho3d(root, "training", "v3").item(0)
    path.unlink()
    with pytest.raises(InputError, match="0000.pkl: cannot be read.*HO-3D's pickle"):
        open_ho3d(root, "training", "v3").item(0)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_list_that_an_editor_saved_with_a_byte_order_mark(
    ho3d: Callable[[str], Path], tmp_path: Path, encoding: str
) -> None:
    root = ho3d("v2")
    (root / "train.txt").write_text("ABF10/0000\r\nABF10/0001\r\n", encoding=encoding, newline="")
    store = make(root, tmp_path / "a.h5", "training", "v2")
    assert [store.name(row) for row in range(len(store))] == ["train/ABF10/rgb/0000.png", "train/ABF10/rgb/0001.png"]
