"""OpenPose folders, S2HAND's list, the detector, OpenPose's own program."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import handsss
from handsss.data.annotated_image import AnnotatedImage
from handsss.data.keypoints.openpose_run import run_openpose
from handsss.data.keypoints.sources import DetectorSource, KeypointFiles, KeypointSource
from handsss.data.preprocess import PreprocessOptions, preprocess
from handsss.data.readers.freihand import open_freihand
from handsss.data.readers.photos import Photos, open_photos
from handsss.data.store.reader import Store
from handsss.errors import BadPictureError, InputError, UserError
from handsss.io.image import read_image

SAMPLE = Path(handsss.__file__).parent / "samples/nocurl.jpg"


def hand(offset: float, confidence: float = 0.8) -> list[float]:
    return [value for j in range(21) for value in (offset + j, 2.0 * j + 5, confidence)]


def people(*each: dict[str, Any]) -> str:
    return json.dumps({"people": list(each)})


def make(freihand: Path, source: KeypointSource, tmp_path: Path, **options: object) -> Store:
    target = tmp_path / "k.h5"
    preprocess(open_freihand(freihand, version="gs"), source, target, PreprocessOptions(overwrite=True, **options))  # type: ignore[arg-type]
    return Store(target)


def test_openpose_folder(freihand: Path, tmp_path: Path) -> None:
    folder = tmp_path / "json"
    folder.mkdir()
    surer = {"hand_right_keypoints_2d": hand(40, 0.9), "hand_left_keypoints_2d": []}
    (folder / "00000000_keypoints.json").write_text(people({"hand_right_keypoints_2d": hand(10, 0.5)}, surer))
    (folder / "00000001_keypoints.json").write_text(people())
    store = make(freihand, KeypointFiles(folder), tmp_path)  # 00000002 has no file
    np.testing.assert_allclose(store.field("keypoints_2d", 0)[:, 0], 40 + np.arange(21))
    assert store.field("confidence", 0).tolist() == pytest.approx([0.9] * 21)
    assert not store.file["confidence"][1:].any()
    assert store.attributes["counts"] == {
        "keypoint file missing": 1,
        "keypoints found": 1,
        "no hand found": 1,
        "several hands, surest taken": 1,
    }
    assert store.attributes["keypoint_set"] == "openpose"
    assert "world_3d" not in store.file  # files have no depth


def test_openpose_oddities(freihand: Path, tmp_path: Path) -> None:
    folder = tmp_path / "json"
    folder.mkdir()
    (folder / "00000000_keypoints.json").write_text(people({"hand_right_keypoints_2d": [0.0] * 63}))
    (folder / "00000001.json").write_text(people({"hand_left_keypoints_2d": hand(3)}))
    partly = hand(30)
    partly[3:6] = [0, 0, 0]
    (folder / "00000002.json").write_text(people({"hand_right_keypoints_2d": partly}))
    store = make(freihand, KeypointFiles(folder), tmp_path)
    assert store.attributes["counts"] == {
        "keypoints found": 1,
        "no hand found": 1,
        "only the other side's hand": 1,
    }
    assert store.field("confidence", 2)[1] == 0
    assert (store.field("keypoints_2d", 2)[1] == 0).all()
    assert (store.field("confidence", 2)[2:] > 0).all()


def test_a_damaged_keypoint_file_is_a_bad_picture(freihand: Path, tmp_path: Path) -> None:
    folder = tmp_path / "json"
    folder.mkdir()
    (folder / "00000001.json").write_text(people({"hand_right_keypoints_2d": [1.0] * 60}))
    with pytest.raises(BadPictureError, match=r"00000001.json.*expected 63 numbers.*20 joints"):
        make(freihand, KeypointFiles(folder), tmp_path)
    store = make(freihand, KeypointFiles(folder), tmp_path, skip_bad=True)
    assert len(store) == 2


def _list(tmp_path: Path, count: int, names: list[Any] | None = None) -> Path:
    points = [[[n + j, n - j + 50.0] for j in range(21)] for n in range(count)]
    confidence = [[0.5 + 0.01 * n] * 21 for n in range(count)]
    path = tmp_path / "list.json"
    path.write_text(
        json.dumps([points, confidence, [f"{n:08d}.jpg" for n in range(count)] if names is None else names])
    )
    return path


def test_list_by_name(freihand: Path, tmp_path: Path) -> None:
    path = _list(tmp_path, 3, ["00000002", "00000000", "00000001"])
    store = make(freihand, KeypointFiles(path), tmp_path)
    np.testing.assert_allclose(store.file["confidence"][:, 0], [0.51, 0.52, 0.50])


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["00000000.jpg", "00000001.jpg", "00000002.jpg"],
        [["00000000.jpg"], ["00000001.jpg"], ["00000002.jpg"]],
        [0, 1, 2],
        [f"D:\\\\FreiHAND\\\\training\\\\rgb\\\\{n:08d}.jpg" for n in range(3)],
        [f"training\\\\rgb\\\\{n:08d}.png" for n in range(3)],
        [f"/data/elsewhere/{n}.jpg" for n in range(3)],
    ],
)
def test_list_of_samples_serves_all_versions(freihand: Path, tmp_path: Path, names: list[Any]) -> None:
    path = _list(tmp_path, 3, names)
    preprocess(open_freihand(freihand), KeypointFiles(path), tmp_path / "k.h5", PreprocessOptions())
    with_all = Store(tmp_path / "k.h5")
    np.testing.assert_allclose(with_all.file["confidence"][:, 0], [0.5, 0.51, 0.52] * 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "holds no keypoints"),
        ("[[], []", "not JSON"),
        (json.dumps([[[[1, 2]] * 20], [[1] * 20]]), r"got \[1, 20, 2\] and \[1, 20\]"),
        (json.dumps([[[[1, 2]] * 21], [[1] * 21], ["a", "b"]]), "1 entries but 2 names"),
        (json.dumps([[[[1, float("nan")]] * 21] * 3, [[1] * 21] * 3]), "expected finite numbers"),
    ],
)
def test_damaged_lists(freihand: Path, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "list.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        make(freihand, KeypointFiles(path), tmp_path)


def test_detector_on_a_photo_of_a_left_hand(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/one.jpg").write_bytes(SAMPLE.read_bytes())
    preprocess(open_photos(tmp_path / "photos"), DetectorSource(), tmp_path / "p.h5", PreprocessOptions(encoding="raw"))
    store = Store(tmp_path / "p.h5")
    assert len(store) == 1
    assert store.hand(0) == "left"
    # The crop is mirrored: the transform takes the detector's points in the photo to the stored ones.
    photo = read_image(SAMPLE).array
    (found, _) = DetectorSource().find(AnnotatedImage(SAMPLE, "one.jpg", 0, side="auto"), photo, np.eye(3))
    side, points, world = found[0]
    transform = store.field("crop_transform", 0)
    assert side == "left"
    assert np.linalg.det(transform[:, :2]) < 0
    np.testing.assert_allclose(
        store.field("keypoints_2d", 0), points[:, :2] @ transform[:, :2].T + transform[:, 2], atol=1e-3
    )
    # A margin of a quarter: the box's longer side fills two thirds of the crop.
    assert np.ptp(store.field("keypoints_2d", 0), axis=0).max() == pytest.approx(224 / 1.5, abs=0.01)
    K = store.field("K", 0)
    assert K[0, 0] == pytest.approx(K[1, 1])
    assert K[0, 0] > 0
    # So are the detector's 3D points; what they spread stays.
    assert world is not None
    np.testing.assert_allclose(store.field("world_3d", 0), world * [-1, 1, 1, 1], atol=1e-7)
    assert 0 < world[:, 3].mean() < 0.02
    assert store.file["world_3d"].attrs["unit"].startswith("m, ")


def test_no_hand_in_a_photo(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "photos").mkdir()
    Image.new("RGB", (120, 90), (90, 120, 160)).save(tmp_path / "photos/sky.png")
    summary = preprocess(open_photos(tmp_path / "photos"), DetectorSource(), tmp_path / "p.h5", PreprocessOptions())
    assert (summary.rows, summary.counts) == (0, {"no hand found": 1})
    assert len(Store(tmp_path / "p.h5")) == 0


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are text there")
def test_photos_whose_names_are_not_utf8(tmp_path: Path) -> None:
    name = os.fsdecode(b"h\xff.jpg")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / name).write_bytes(SAMPLE.read_bytes())
    preprocess(open_photos(tmp_path / "photos"), DetectorSource(), tmp_path / "p.h5", PreprocessOptions())
    assert Store(tmp_path / "p.h5").name(0) == name


def test_openpose_program_is_run(freihand: Path, tmp_path: Path) -> None:
    program = tmp_path / "openpose.bin"
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, pathlib, sys\n"
        "a = sys.argv\n"
        "pictures, out = pathlib.Path(a[a.index('--image_dir') + 1]), pathlib.Path(a[a.index('--write_json') + 1])\n"
        "assert '--hand' in a\n"
        "for n, p in enumerate(sorted(pictures.iterdir())):\n"
        "    hand = [v for j in range(21) for v in (n + j, j, 0.7)]\n"
        "    people = {'people': [{'hand_right_keypoints_2d': hand}]}\n"
        "    (out / (p.stem + '_keypoints.json')).write_text(json.dumps(people))\n"
    )
    program.chmod(0o755)
    out = run_openpose(program, [freihand / "training/rgb"], tmp_path / "out")
    store = make(freihand, KeypointFiles(out, ran_here=True), tmp_path)
    assert store.attributes["counts"] == {"keypoints found": 3}
    assert store.field("keypoints_2d", 2)[5, 0] == pytest.approx(7)
    program.write_text("#!/bin/sh\necho no models >&2; exit 3\n")
    assert run_openpose(program, [freihand / "training/rgb"], tmp_path / "out")  # done already: not run again
    with pytest.raises(UserError, match="ended with code 3.*\n.*no models"):
        run_openpose(program, [freihand / "evaluation/rgb"], tmp_path / "out")
    with pytest.raises(UserError, match="no such file"):
        run_openpose(tmp_path / "absent", [], tmp_path / "out")


def test_boxes_and_sides_of_photos(tmp_path: Path) -> None:
    """A box for each hand, a side that is imposed, a side that is kept."""
    from PIL import Image

    photo = read_image(SAMPLE).array
    both = np.concatenate([photo, photo[:, ::-1]], 1)
    (tmp_path / "photos").mkdir()
    Image.fromarray(both).save(tmp_path / "photos/both.png")
    boxes = {"both.png": [np.array([190.0, 100, 390, 580]), np.array([570.0, 100, 770, 580])]}

    def hands(name: str, reader: Photos) -> tuple[list[str], dict[str, int]]:
        summary = preprocess(reader, DetectorSource(), tmp_path / f"{name}.h5", PreprocessOptions())
        return [Store(summary.path).hand(row) for row in range(summary.rows)], summary.counts

    folder = tmp_path / "photos"
    assert hands("boxes", open_photos(folder, boxes=boxes)) == (["left", "right"], {"keypoints found": 2})
    kept, counts = hands("kept", open_photos(folder, boxes=boxes, hand="right"))
    assert (kept, counts["hands of the other side left out"]) == (["right"], 1)
    imposed, _ = hands("imposed", open_photos(folder, "right", boxes={"both.png": boxes["both.png"][:1]}))
    assert imposed == ["right"]
    with pytest.raises(InputError, match=r"other\.png is no picture of .*Expected names such as both\.png"):
        open_photos(folder, boxes={"other.png": boxes["both.png"]})
    outside = open_photos(folder, boxes={"both.png": [np.array([2000.0, 0, 2100, 90])]})
    with pytest.raises(BadPictureError, match="lies outside the 960 x 640 picture"):
        preprocess(outside, DetectorSource(), tmp_path / "o.h5", PreprocessOptions())
