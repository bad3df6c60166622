"""``handsss reconstruct`` as a user calls it: results, exit codes and what it says about bad input."""

from __future__ import annotations

import json
import os
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image

import handsss
from handsss.cli.main import run
from tests.gltf_file import GltfFile

SAMPLE = Path(handsss.__file__).parent / "samples/nocurl.jpg"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a command line in an empty folder: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return int(end.value.code or 0), out, err

    return call


def plain_picture(path: Path, size: tuple[int, int] = (64, 64)) -> Path:
    Image.new("RGB", size, (90, 120, 90)).save(path)
    return path


def test_one_photo_to_obj(command: Run, tmp_path: Path) -> None:
    code, out, err = command("reconstruct", SAMPLE, "-o", "out/hand.obj", "--vertices")
    assert code == 0, err
    assert "chosen by the size of the hand" in out
    assert "left hand" in out and "score 0.9" in out
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["hand.json", "hand.mtl", "hand.obj", "hand.png", "hand_texture.png"]
    document = json.loads((tmp_path / "out/hand.json").read_text())
    assert document["format_version"] == 1
    (hand,) = document["hands"]
    assert set(hand) >= {
        *("hand", "score", "model", "intrinsics", "keypoints_2d", "keypoint_set", "joints_3d", "joints_2d"),
        *("kinematic_joints_3d", "vertices", "pose", "shape", "rotation", "scale", "translation", "light", "seconds"),
    }
    assert set(hand["seconds"]) == {"detect", "predict", "fit", "texture", "export"}
    shapes = {"keypoints_2d": (21, 3), "joints_3d": (21, 3), "joints_2d": (21, 2), "vertices": (778, 3), "pose": (45,)}
    for name, shape in shapes.items():
        assert np.array(hand[name]).shape == shape, name
    joints, camera = np.array(hand["joints_3d"]), np.array(hand["intrinsics"])
    projected = joints @ camera.T
    np.testing.assert_allclose(projected[:, :2] / projected[:, 2:], hand["joints_2d"], atol=0.02)
    miss = np.linalg.norm(np.array(hand["joints_2d"]) - np.array(hand["keypoints_2d"])[:, :2], axis=1)
    box = np.ptp(np.array(hand["keypoints_2d"])[:, :2], axis=0).max()
    assert miss.mean() < 0.05 * box
    assert hand["fit"]["silhouette_iou"] > 0.75
    mesh = trimesh.load(tmp_path / "out/hand.obj", process=False)
    # OBJ is for viewers: y up, z towards the viewer.
    np.testing.assert_allclose(np.sort(mesh.vertices[:, 0]).mean(), np.array(hand["vertices"])[:, 0].mean(), atol=2e-3)
    assert mesh.vertices[:, 2].max() < 0
    with Image.open(tmp_path / "out/hand.png") as overview:
        assert overview.width > 1000
    with Image.open(tmp_path / "out/hand_texture.png") as texture:
        assert texture.size == (512, 512)
        assert np.asarray(texture).std() > 3


@pytest.mark.parametrize("suffix", ["ply", "glb", "npz", pytest.param("bvh", marks=pytest.mark.slow)])
def test_other_formats(command: Run, tmp_path: Path, suffix: str) -> None:
    code, out, err = command("reconstruct", SAMPLE, "-o", f"hand.{suffix}")
    assert code == 0, err
    path = tmp_path / f"hand.{suffix}"
    rigged = suffix in ("glb", "bvh")
    assert ("rig: 16 joints, at most 4 a vertex; pose correctives of this pose" in out) == rigged
    (entry,) = json.loads((tmp_path / "hand.json").read_text())["hands"]
    assert ("rig" in entry) == rigged
    if rigged:
        assert 0 < entry["rig"]["correctives_mean_mm"] < entry["rig"]["correctives_max_mm"] < 10
    if suffix == "bvh":
        assert path.read_text().startswith("HIERARCHY\nROOT wrist\n")
        return
    if suffix == "npz":
        with np.load(path, allow_pickle=False) as arrays:
            assert any(arrays[name].shape[-2:] == (778, 3) for name in arrays.files)
        return
    mesh = trimesh.load(path, process=False, force="mesh")
    assert len(mesh.faces) == 1538
    assert 0.1 < np.ptp(mesh.vertices, axis=0).max() < 0.3


def test_static_is_refused_without_glb(command: Run, tmp_path: Path) -> None:
    code, _, err = command("reconstruct", SAMPLE, "-o", "hand.ply", "--static")
    assert code == 2, err
    assert "--static leaves the skeleton out of .glb, but the file is .ply" in err
    assert not list(tmp_path.glob("hand*"))


@pytest.mark.slow
def test_static_glb_holds_no_skin(command: Run, tmp_path: Path) -> None:
    code, out, err = command("reconstruct", SAMPLE, "-o", "hand.glb", "--static", "--no-picture")
    assert code == 0, err
    assert "rig:" not in out and "rig" not in json.loads((tmp_path / "hand.json").read_text())["hands"][0]
    tree = GltfFile.of((tmp_path / "hand.glb").read_bytes()).tree
    assert "skins" not in tree and "targets" not in tree["meshes"][0]["primitives"][0]


def test_folder_with_a_bad_photo_goes_on(command: Run, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "good.jpg").write_bytes(SAMPLE.read_bytes())
    (photos / "bad.jpg").write_bytes(b"")
    plain_picture(photos / "none.png")
    code, out, err = command("reconstruct", photos, "-o", "results", "--format", "ply")
    assert code == 1
    assert "bad.jpg: the file is empty" in err
    assert "1 done" in out
    summary = json.loads((tmp_path / "results/summary.json").read_text())
    assert {Path(entry["image"]).name: entry["status"] for entry in summary} == {
        "bad.jpg": "failed",
        "good.jpg": "done",
        "none.png": "no hand",
    }
    assert (tmp_path / "results/good.ply").exists()
    assert not (tmp_path / "results/bad.json").exists()


def test_no_hand_exits_with_3(command: Run, tmp_path: Path) -> None:
    code, _, err = command("reconstruct", plain_picture(tmp_path / "wall.png"), "-o", "bare.obj")
    assert code == 3
    assert "no hand found" in err
    assert not (tmp_path / "bare.obj").exists()
    assert json.loads((tmp_path / "bare.json").read_text())["hands"] == []
    (tmp_path / "bare.obj").write_text("# a mesh")  # stays, and is named: it could be the user's own
    code, _, err = command("reconstruct", tmp_path / "wall.png", "-o", "bare.obj")
    assert code == 3
    assert "bare.obj there is of an earlier run" in err


def test_doubtful_hands_are_written_and_exit_with_4(command: Run, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "good.jpg").write_bytes(SAMPLE.read_bytes())
    code, out, err = command("reconstruct", photos, "-o", "results", "--max-error", "0.6", "--no-picture")
    assert code == 4, err
    assert "1 doubtful" in out
    (entry,) = json.loads((tmp_path / "results/summary.json").read_text())
    assert entry["status"] == "doubtful"
    (hand,) = json.loads((tmp_path / "results/good.json").read_text())["hands"]
    joints = hand["expected_joint_errors_mm"]
    assert len(joints) == 21
    assert (
        hand["expected_error_mm"] == entry["hands"][0]["expected_error_mm"] == pytest.approx(sum(joints) / 21, abs=0.02)
    )
    code, out, _ = command("reconstruct", photos, "-o", "results", "--max-error", "100", "--no-picture")
    assert code == 0
    assert "1 done" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--max-error", "0"), "--max-error 0: expected millimetres"),
        (("--max-error", "9", "--no-refine"), "--no-refine"),
    ],
)
def test_limits_of_error_that_make_no_sense(command: Run, options: tuple[str, ...], message: str) -> None:
    code, _, err = command("reconstruct", SAMPLE, *options)
    assert code == 2
    assert message in err


def test_without_the_picture(command: Run, tmp_path: Path) -> None:
    code, out, err = command("reconstruct", SAMPLE, "-o", "hand.ply", "--no-picture")
    assert code == 0, err
    assert {path.name for path in tmp_path.iterdir()} == {"hand.ply", "hand.json"}
    assert "hand.png" not in out


def png_header(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def bad_files() -> dict[str, tuple[str, Callable[[Path], object], str]]:
    sample = SAMPLE.read_bytes()
    return {
        "zero bytes": ("a.jpg", lambda p: p.write_bytes(b""), r"a\.jpg: the file is empty \(0 bytes\)"),
        "text": ("b.jpg", lambda p: p.write_text("hello\n" * 9), r"not an image .* got a text file"),
        "truncated": ("c.jpg", lambda p: p.write_bytes(sample[: len(sample) // 2]), "damaged or cut off"),
        "one pixel": ("d.png", lambda p: plain_picture(p, (1, 1)), r"has 1 x 1 pixels; expected at least 16"),
        "huge": ("e.png", lambda p: p.write_bytes(png_header(20000, 20000)), r"(20000 x 20000|400 million) pixels"),
        "missing": ("f.jpg", lambda p: None, "f.jpg"),
    }


@pytest.mark.parametrize("case", list(bad_files()))
def test_unusable_images(command: Run, tmp_path: Path, case: str) -> None:
    name, make, message = bad_files()[case]
    make(tmp_path / name)
    code, out, err = command("reconstruct", name, "-o", "out/hand.obj")
    assert code == 1
    assert "Traceback" not in out + err
    assert re.search(message, err), err
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True


def test_unusual_pixels_are_read(command: Run, tmp_path: Path) -> None:
    photo = Image.open(SAMPLE).convert("RGB").resize((240, 320))
    photos = tmp_path / "photos"
    photos.mkdir()
    photo.convert("CMYK").save(photos / "cmyk.jpg")
    paletted = photo.quantize(64)
    paletted.save(photos / "palette.png", transparency=3)
    sixteen = np.asarray(photo.convert("L")).astype(np.uint16) * 257
    Image.fromarray(sixteen).save(photos / "sixteen.png")
    turned = photo.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(photos / "turned.jpg", exif=exif)
    code, _, err = command("reconstruct", photos, "-o", "results", "--format", "npz")
    assert code == 0, err
    for name in ("cmyk", "palette", "sixteen", "turned"):
        document = json.loads((tmp_path / f"results/{name}.json").read_text())
        assert document["image_size"] == [240, 320], name
        assert document["hands"][0]["hand"] == "left", name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["*.jpeg"], "jpeg"),
        ([SAMPLE, "-o", "hand.stl"], r"-o hand\.stl: unknown mesh format '\.stl'"),
        ([SAMPLE, "--intrinsics", "1,2,3"], "--intrinsics 1,2,3: expected fx,fy,cx,cy"),
        ([SAMPLE, "--intrinsics", "-5,5,1,1"], "--intrinsics -5,5,1,1: focal lengths should be positive"),
        ([SAMPLE, "--intrinsics-file", "no.json"], "cannot be read"),
        ([SAMPLE, "--model", "smpl"], "smpl"),
        ([SAMPLE, "--checkpoint", "best.pt"], "best.pt: no such file. Expected a checkpoint"),
        ([SAMPLE, "--keypoint-set", "openpose"], "no --keypoints were given"),
        ([SAMPLE, "--keypoints", "no.json"], "no such file or folder"),
    ],
)
def test_usage_errors_exit_with_2(command: Run, arguments: list[object], message: str) -> None:
    code, out, err = command("reconstruct", *arguments)
    assert code == 2
    assert re.search(message, err), err
    assert "Traceback" not in out + err


def test_folder_without_images(command: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/readme.txt").write_text("no picture")
    code, _, err = command("reconstruct", "empty", "-o", "results")
    assert code == 2
    assert "empty" in err
    assert "no image" in err.lower() or "no photo" in err.lower()
    (tmp_path / "empty/inner").mkdir()
    code, _, err = command("reconstruct", "empty", "-o", "results")
    assert code == 2
    assert "'empty/**/*'" in err


def test_unwritable_output(command: Run, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")
    code, _, err = command("reconstruct", SAMPLE, "-o", "taken/hand.obj")
    assert code == 2
    assert "taken" in err
    assert "cannot be written" in err
    if os.geteuid() != 0:  # root may write anywhere
        (tmp_path / "locked").mkdir(mode=0o500)
        assert command("reconstruct", SAMPLE, "-o", "locked/hand.obj")[0] == 2


def test_photo_is_never_overwritten(command: Run, tmp_path: Path) -> None:
    photo = plain_picture(tmp_path / "hand.png")
    before = photo.read_bytes()
    code, _, err = command("reconstruct", photo, "-o", "hand.obj")
    assert code == 2
    assert "hand.png" in err
    assert photo.read_bytes() == before


def keypoints_of(document: dict[str, Any], **change: Any) -> dict[str, Any]:
    hand = document["hands"][0]
    flat = [value for point in hand["keypoints_2d"] for value in point]
    return {"people": [{f"hand_{hand['hand']}_keypoints_2d": flat} | change]}


@pytest.fixture(scope="module")
def detected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("detected")
    with pytest.raises(SystemExit):
        run(["reconstruct", str(SAMPLE), "-o", str(folder / "hand.npz"), "-q"])
    content: dict[str, Any] = json.loads((folder / "hand.json").read_text())
    return content


def test_given_keypoints_replace_the_detector(command: Run, tmp_path: Path, detected: dict[str, Any]) -> None:
    (tmp_path / "k.json").write_text(json.dumps(keypoints_of(detected)))
    hands = []
    for extra in (("--keypoints", "k.json", "--keypoint-set", "mediapipe"), ("--no-depth",)):  # files hold no depth
        code, _, err = command("reconstruct", SAMPLE, "-o", "hand.npz", "--fov", "40", *extra)
        assert code == 0, err
        hands += json.loads((tmp_path / "hand.json").read_text())["hands"]
    given, own = hands
    assert given["keypoint_set"] == "mediapipe" and "depth_mm" not in given["fit"]
    np.testing.assert_allclose(given["joints_3d"], own["joints_3d"], atol=1e-3)
    assert "depth_mm" in detected["hands"][0]["fit"]


@pytest.mark.parametrize("several", [False, True])
def test_messages_on_one_photo_name_flags(command: Run, tmp_path: Path, several: bool) -> None:
    values = [[100.0 + 5 * i, 200.0 + 3 * i] for i in range(21)]
    (tmp_path / "k").mkdir()
    (tmp_path / "k/nocurl_keypoints.json").write_text(json.dumps({"keypoints": values}))
    keypoints = "k" if several else "k/nocurl_keypoints.json"
    code, _, err = command("reconstruct", SAMPLE.parent if several else SAMPLE, "-o", "out/", "--keypoints", keypoints)
    assert code == 1
    assert "which hand is it? Give --side left or --side right" in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nan", "joint 3 holds .*expected finite numbers"),
        ("twenty", r"expected 63 numbers .*got 60 \(20 joints\)"),
        ("", "the keypoint file is empty"),
        ("far", "lies outside the 480 x 640 picture"),
        ("endless", r"lies outside .* picture \(x 1e\+300 to 1e\+300"),
        ("one place", r"k\.json: .*the left hand spans 0 px"),
        ("five", r"k\.json: only 5 of 21 keypoints are usable"),
        ("other set", r"k\.json: the hand model 'open' has no keypoint set 'openposs'; it has: .*openpose"),
        ("number", "left hand: expected a list of 63 numbers, got int"),
    ],
)
def test_unusable_keypoints(command: Run, tmp_path: Path, text: str, message: str) -> None:
    values = [value for i in range(21) for value in (100.5 + i, 200.5, 0.9)]
    content: dict[str, Any] = {"people": [{"hand_left_keypoints_2d": values}]}
    if text == "other set":
        content = {"hand": "left", "keypoints": values, "keypoint_set": "openposs"}
    if text == "number":
        content["people"][0]["hand_left_keypoints_2d"] = 7
    if text == "endless":
        values[:] = [1e300, 1e300, 1.0] * 21
    if text == "one place":
        values[:] = [100.0, 100.0, 1.0] * 21
    if text == "five":
        values[15:] = [0.0] * 48
    if text == "twenty":
        del values[-3:]
    if text == "far":
        values[:] = [value * (50 if place % 3 < 2 else 1) for place, value in enumerate(values)]
    written = json.dumps(content).replace("103.5", "NaN") if text == "nan" else json.dumps(content)
    (tmp_path / "k.json").write_text("" if text == "" else written)
    code, out, err = command("reconstruct", SAMPLE, "-o", "hand.obj", "--keypoints", "k.json")
    assert code == 1
    assert re.search(message, err), err
    assert "Traceback" not in out + err


def test_hand_side_leaves_the_other_out(command: Run) -> None:
    code, _, err = command("reconstruct", SAMPLE, "-o", "hand.npz", "--hand", "right")
    assert code == 3
    assert "no right hand found: one left hand was found and left out: --side right imposes the side" in err


def test_side_is_imposed_on_the_hand_in_the_box(command: Run, tmp_path: Path) -> None:
    options = ("--side", "right", "--box", "190,100,390,580", "--no-refine")
    code, out, _ = command("reconstruct", SAMPLE, "-o", "hand.npz", *options)
    assert code == 0
    assert "right hand (as --side says)" in out
    (hand,) = json.loads((tmp_path / "hand.json").read_text())["hands"]
    assert (hand["hand"], hand["side_from"]) == ("right", "option")
    assert 0 < hand["handedness"] < 0.5  # the detector says left


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--hand", "left", "--side", "right"), "--hand left keeps left hands only, but --side right"),
        (("--box", "1,2,3"), "--box 1,2,3: expected four numbers"),
        (("--box", "1,2,0,9"), "--box 1,2,0,9: has no area"),
    ],
)
def test_sides_and_boxes_that_make_no_sense(command: Run, options: tuple[str, ...], message: str) -> None:
    code, _, err = command("reconstruct", SAMPLE, "-o", "hand.npz", *options)
    assert code == 2
    assert message in err


def test_intrinsics_are_used_and_stored(command: Run, tmp_path: Path) -> None:
    code, out, _ = command("reconstruct", SAMPLE, "-o", "hand.npz", "--intrinsics", "900,910,250,300")
    assert code == 0
    assert "fx 900.0" in out
    document = json.loads((tmp_path / "hand.json").read_text())
    assert document["camera"]["source"] == "option"
    assert document["hands"][0]["intrinsics"] == [[900, 0, 250], [0, 910, 300], [0, 0, 1]]


def test_all_hands_of_a_photo_with_a_camera_from_a_file(command: Run, tmp_path: Path) -> None:
    one = Image.open(SAMPLE).convert("RGB")
    both = Image.new("RGB", (960, 640))
    both.paste(one, (0, 0))
    both.paste(one.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (480, 0))
    both.save(tmp_path / "both.jpg", quality=95)
    camera = [[900.0, 0.0, 480.0], [0.0, 900.0, 320.0], [0.0, 0.0, 1.0]]
    (tmp_path / "cameras.json").write_text(json.dumps({"both.jpg": camera}))
    common = ("reconstruct", "both.jpg", "--intrinsics-file", "cameras.json", "--no-refine")
    code, out, err = command(*common, "-o", "all.obj", "--all-hands")
    assert code == 0, err
    assert "camera: cameras.json: fx 900.0" in out
    document = json.loads((tmp_path / "all.json").read_text())
    assert sorted(hand["hand"] for hand in document["hands"]) == ["left", "right"]
    assert document["camera"]["source"] == "file"
    assert all(hand["intrinsics"] == camera for hand in document["hands"])
    for hand in document["hands"]:  # each on its own half of the photo
        middle = np.array(hand["joints_2d"])[:, 0].mean()
        assert (middle < 480) == (hand["hand"] == "left")
        assert (tmp_path / f"all_texture_{hand['object']}.png").exists()
    code, _, _ = command(*common, "-o", "one.ply")
    assert code == 0
    assert len(json.loads((tmp_path / "one.json").read_text())["hands"]) == 1


def test_version(command: Run) -> None:
    code, out, _ = command("--version")
    assert (code, out.strip()) == (0, f"handsss {handsss.__version__}")
