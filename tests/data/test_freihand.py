"""FreiHAND's layout to a store: indices, roots, projections, masks, and what is wrong with broken copies."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handsss.data.keypoints.sources import TruthSource
from handsss.data.preprocess import PreprocessOptions, preprocess
from handsss.data.readers.annotations import read_number_lists
from handsss.data.readers.freihand import open_freihand, root_position
from handsss.data.store.reader import Store
from handsss.errors import BadPictureError, InputError, UserError
from tests.data.conftest import SAMPLES, freihand_joints


def make(root: Path, target: Path, split: str = "training", version: str = "all", **options: object) -> Store:
    reader = open_freihand(root, split, version)
    preprocess(reader, TruthSource("freihand"), target, PreprocessOptions(**options))  # type: ignore[arg-type]
    return Store(target)


def test_annotations_repeat_for_every_version(freihand: Path, tmp_path: Path) -> None:
    store = make(freihand, tmp_path / "all.h5")
    assert len(store) == 4 * SAMPLES
    assert store.file["index"][:].tolist() == list(range(4 * SAMPLES))
    for row in (0, 4, 7, 11):
        np.testing.assert_allclose(store.field("joints_3d", row), freihand_joints(row % SAMPLES), atol=1e-7)
    assert store.name(7) == "training/rgb/00000007.jpg"
    assert store.field("mano_pose", 5)[0] == pytest.approx(0.2)  # of sample 2
    assert store.file["scale"][:3].tolist() == pytest.approx([0.03, 0.04, 0.05])
    assert store.attributes["mean_bone_9_10"] == pytest.approx(0.04)


def test_projection_by_hand(freihand: Path, tmp_path: Path) -> None:
    store = make(freihand, tmp_path / "all.h5")
    # Joint 9: 112 + 480 * 0.01 / 0.6, 112 + 480 * 0.02 / 0.6. Joint 0: (-0.026, 0.047, 0.582).
    np.testing.assert_allclose(store.field("keypoints_2d", 1)[9], [120, 128], atol=1e-4)
    np.testing.assert_allclose(
        store.field("keypoints_2d", 1)[0], [112 - 480 * 0.026 / 0.582, 112 + 480 * 0.047 / 0.582], atol=1e-4
    )
    assert (store.file["confidence"][:] == 1).all()
    np.testing.assert_array_equal(store.field("crop_transform", 0), np.eye(2, 3))
    assert store.hand(0) == "right"


def test_root_from_pixel_and_scale(freihand: Path, tmp_path: Path) -> None:
    np.testing.assert_allclose(
        root_position(np.array([120.0, 128.0]), 800.0, np.array([[470.0, 0, 112], [0, 490.0, 112], [0, 0, 1]])),
        [0.01, 0.02, 0.6],  # the focal length is the mean of both
    )
    store = make(freihand, tmp_path / "all.h5")
    np.testing.assert_allclose(store.field("root_3d", 2), [0.01, 0.02, 0.6], atol=1e-7)
    assert store.attributes["root_joint"] == 9
    assert store.attributes["mano_flat_hand_mean"] == 0


def test_masks_of_the_first_version_only(freihand: Path, tmp_path: Path) -> None:
    store = make(freihand, tmp_path / "all.h5")
    assert store.file["has_mask"][:].tolist() == [1] * SAMPLES + [0] * 3 * SAMPLES
    mask = store.field("mask", 1)
    assert set(np.unique(mask)) == {0, 1}
    assert int(mask.sum()) == 100 * 101
    assert not store.field("mask", 4).any()


@pytest.mark.parametrize(("version", "first"), [("gs", 0), ("hom", 3), ("sample", 6), ("auto", 9)])
def test_one_version(freihand: Path, tmp_path: Path, version: str, first: int) -> None:
    store = make(freihand, tmp_path / "one.h5", version=version)
    assert store.file["index"][:].tolist() == [first, first + 1, first + 2]


def test_jpeg_files_are_kept_byte_by_byte(freihand: Path, tmp_path: Path) -> None:
    store = make(freihand, tmp_path / "all.h5")
    files = [(freihand / store.name(row)).read_bytes() for row in range(len(store))]
    assert store.file["crops_jpeg"][:].tobytes() == b"".join(files)
    with Image.open(freihand / store.name(3)) as picture:
        np.testing.assert_array_equal(store.crop(3), np.asarray(picture))


@pytest.mark.parametrize("encoding", ["raw", "lzf", "gzip"])
def test_other_encodings_hold_the_same_pixels(freihand: Path, tmp_path: Path, encoding: str) -> None:
    a, b = make(freihand, tmp_path / "a.h5"), make(freihand, tmp_path / "b.h5", encoding=encoding)
    assert b.file["crops"].shape == (12, 224, 224, 3)
    for row in range(12):
        np.testing.assert_array_equal(a.crop(row), b.crop(row))


def test_evaluation_without_truth(freihand: Path, tmp_path: Path) -> None:
    store = make(freihand, tmp_path / "e.h5", split="evaluation")
    assert len(store) == 2
    assert not (store.file["confidence"][:] > 0).any()
    assert store.attributes["counts"] == {"no true joints": 2}
    assert "joints_3d" not in store.file


def test_missing_files_are_named(freihand: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder. Expected FreiHAND's layout"):
        open_freihand(tmp_path / "nowhere")
    (freihand / "training_scale.json").unlink()
    with pytest.raises(InputError, match="training_scale.json.*Expected a list of bone lengths"):
        open_freihand(freihand)


def test_counts_that_do_not_match(freihand: Path) -> None:
    scale = freihand / "training_scale.json"
    scale.write_text("[0.03, 0.04]")
    with pytest.raises(InputError, match=r"training_scale.json: 2 entries, but .*training_K.json has 3"):
        open_freihand(freihand)
    scale.write_text("[0.03, 0.04, 0.05]")
    for number in range(6, 12):
        (freihand / f"training/rgb/{number:08d}.jpg").unlink()
    with pytest.raises(InputError, match="pictures up to number 5, but the annotations are 3"):
        open_freihand(freihand)
    for number in range(3, 6):
        (freihand / f"training/rgb/{number:08d}.jpg").unlink()
    assert len(open_freihand(freihand)) == 3  # one version: annotations index by their own length
    with pytest.raises(InputError, match="holds one version only"):
        open_freihand(freihand, version="hom")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not a JSON list"),
        ("{}", "expected a list of 21 joints, got dict"),
        ("[[[1, 2, 3]]]", r"expected 21 joints \(63 numbers each\), got 3"),
        ("[[1, 2], [3]]", "not a JSON list of 21 joints"),
    ],
)
def test_damaged_annotations(freihand: Path, content: str, message: str) -> None:
    (freihand / "training_xyz.json").write_text(content)
    with pytest.raises(InputError, match=f"training_xyz.json.*{message}"):
        open_freihand(freihand)


def test_infinite_annotation(freihand: Path) -> None:
    joints = [freihand_joints(0).tolist()] * 3
    joints[1] = [[float("nan")] * 3] * 21
    (freihand / "training_xyz.json").write_text(json.dumps(joints))
    with pytest.raises(InputError, match="entry 1 holds a number that is not finite"):
        open_freihand(freihand)


def test_large_files_are_parsed_alike(freihand: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = {"K": (3, 3), "scale": (), "xyz": (21, 3), "mano": (61,)}
    small = {name: read_number_lists(freihand / f"training_{name}.json", shape, "x") for name, shape in shapes.items()}
    monkeypatch.setattr("handsss.data.readers.annotations._LARGE", 0)
    for name, shape in shapes.items():
        path = freihand / f"training_{name}.json"
        np.testing.assert_array_equal(read_number_lists(path, shape, "x"), small[name])
    path.write_text("[[1, 2, oops], [3, 4, 5]]")
    with pytest.raises(InputError, match="not a JSON list of x"):
        read_number_lists(path, (3,), "x")


def test_one_bad_picture(freihand: Path, tmp_path: Path) -> None:
    bad = freihand / "training/rgb/00000004.jpg"
    bad.write_bytes(bad.read_bytes()[:900])
    with pytest.raises(BadPictureError, match=r"00000004.jpg.*damaged or cut off.*resume skip_bad goes on"):
        make(freihand, tmp_path / "a.h5")
    store = make(freihand, tmp_path / "b.h5", skip_bad=True)
    resumed = make(freihand, tmp_path / "a.h5", skip_bad=True, resume=True)
    assert resumed.attributes == store.attributes
    assert len(store) == 11
    assert 4 not in store.file["index"][:]
    ((name, message),) = store.attributes["bad"]
    assert name == "training/rgb/00000004.jpg"
    assert "damaged" in message


def test_an_existing_file_is_not_replaced(freihand: Path, tmp_path: Path) -> None:
    make(freihand, tmp_path / "a.h5").close()
    with pytest.raises(UserError, match="exists already.*overwrite"):
        make(freihand, tmp_path / "a.h5")
    make(freihand, tmp_path / "a.h5", resume=True).close()  # it is what was asked for
    with pytest.raises(UserError, match="file of other settings"):
        make(freihand, tmp_path / "a.h5", resume=True, limit=5)
    assert len(make(freihand, tmp_path / "a.h5", overwrite=True, limit=5)) == 5


def test_whole_numbers_beyond_all_floats(tmp_path: Path) -> None:
    path = tmp_path / "scale.json"
    path.write_text("[1" + "0" * 400 + "]")
    with pytest.raises(InputError, match="not a JSON list of lengths"):
        read_number_lists(path, (), "lengths")
