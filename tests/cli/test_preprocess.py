"""``handsss preprocess`` as it is typed: messages, exit codes, summaries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import Done
from tests.data.conftest import freihand, ho3d  # noqa: F401  fixtures

Program = Callable[..., Done]


def test_truth_keypoints(freihand: Path, tmp_path: Path, program: Program) -> None:  # noqa: F811
    done = program(
        "preprocess", "freihand", freihand, "--keypoints", "truth", "--workers", 1, "--version", "hom", folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "freihand_hom_training.h5").exists()
    words = done.stdout.split()
    assert words[words.index("pictures") + 1] == "3"
    assert "4.00 cm" in done.stdout
    again = program(
        "preprocess", "freihand", freihand, "--keypoints", "truth", "--workers", 1, "--version", "hom", folder=tmp_path
    )
    assert again.returncode == 2
    assert "exists already" in again.stderr


def test_inspect(freihand: Path, tmp_path: Path, program: Program) -> None:  # noqa: F811
    program("preprocess", "freihand", freihand, "--keypoints", "truth", "--workers", 1, "-o", "a.h5", folder=tmp_path)
    done = program("preprocess", "inspect", "a.h5", "--sheet", "sheet.any", "--count", "5", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    for word in ("keypoints_2d", "12 x 21 x 2", "mean_bone_9_10", "fingerprint", "sheet.any"):
        assert word in done.stdout
    with Image.open(tmp_path / "sheet.any") as sheet:
        assert sheet.format == "PNG"
        assert np.asarray(sheet).std() > 10
    lost = program("preprocess", "inspect", "a.h5", "--sheet", "absent/sheet.png", folder=tmp_path)
    assert lost.returncode == 2
    assert "absent/sheet.png: cannot be written" in lost.stderr
    assert "Traceback" not in lost.stderr


def test_datasets_are_found(freihand: Path, ho3d: Callable[[str], Path], tmp_path: Path, program: Program) -> None:  # noqa: F811
    ho3d("v3")
    there = {"HANDSSS_DATA": str(tmp_path)}
    assert (
        program(
            "preprocess", "freihand", "--keypoints", "truth", "--workers", 1, "-q", folder=tmp_path, **there
        ).returncode
        == 0
    )
    done = program(
        "preprocess", "ho3d", "--version", "v3", "--keypoints", "truth", "--workers", 1, folder=tmp_path, **there
    )
    assert done.returncode == 0, done.stderr
    assert "no true joints" in done.stdout
    assert (tmp_path / "ho3d_v3_training.h5").exists()
    lost = program("preprocess", "freihand", folder=tmp_path)
    assert lost.returncode == 2
    for part in ("freihand was not found", "data/FreiHAND_pub_v2", "training_K.json", "uni-freiburg", "HANDSSS_DATA"):
        assert part in lost.stderr
    assert "Traceback" not in lost.stderr


def test_bad_pictures(freihand: Path, tmp_path: Path, program: Program) -> None:  # noqa: F811
    (freihand / "training/rgb/00000005.jpg").write_bytes(b"\xff\xd8\xff")
    command = ("preprocess", "freihand", freihand, "--keypoints", "truth", "--workers", 1, "-o", "a.h5")
    done = program(*command, folder=tmp_path)
    assert done.returncode == 1
    assert "00000005.jpg" in done.stderr
    assert "--skip-bad" in done.stderr
    skipped = program(*command, "--skip-bad", "--resume", folder=tmp_path)
    assert skipped.returncode == 0
    assert "left out: training/rgb/00000005.jpg" in skipped.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["freihand", "nowhere"], "nowhere/training/rgb: no such folder"),
        (["ho3d", "nowhere"], "nowhere/train: no such folder"),
        (["images", "nowhere"], "nowhere: no such folder"),
        (["images", "empty"], "empty: holds no pictures"),
        (["images", "empty", "--intrinsics", "1,2"], "--intrinsics 1,2: expected fx,fy,cx,cy"),
        (["images", "empty", "--boxes", "b.csv", "--keypoints", "k/"], "--boxes says where the detector looks"),
        (["images", "empty", "--hand", "left", "--side", "right"], "--hand left keeps left hands only"),
        (["inspect", "absent.h5"], "absent.h5: no such file"),
        (["merge", "absent.h5", "-o", "x.h5"], "absent.h5: no such file"),
    ],
)
def test_wrong_use(tmp_path: Path, arguments: list[str], message: str, program: Program) -> None:
    (tmp_path / "empty").mkdir()
    done = program("preprocess", *arguments, folder=tmp_path)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_options(freihand: Path, tmp_path: Path, program: Program) -> None:  # noqa: F811
    for options, message in (
        (["--keypoints", "openpose"], "--keypoints openpose: no such file or folder. Expected detect, truth"),
        (["--shard", "4/4"], "--shard 4/4: expected i from 0 to n - 1"),
        (["--shard", "x"], "--shard x: expected i/n"),
        (["--resume", "--overwrite"], "Leave one of them out"),
        (["--openpose-bin", "absent"], "--openpose-bin absent: no such file"),
        (["-o", "/proc/x.h5", "--keypoints", "truth"], "cannot be written"),
    ):
        done = program("preprocess", "freihand", freihand, *options, folder=tmp_path)
        assert done.returncode == 2, (options, done.stderr)
        assert message in done.stderr
        assert "Traceback" not in done.stderr
