"""``handsss demo``: the bundled photo becomes a mesh; exit codes as ``handsss reconstruct``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trimesh
from PIL import Image

from handsss.cli import demo
from tests.cli.conftest import Done

ROOT = Path(__file__).parents[2]
Program = Callable[..., Done]


def test_the_sample_becomes_mesh_and_overview(program: Program, tmp_path: Path) -> None:
    done = program("demo", "-o", "first", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (tmp_path / "first").iterdir()}
    assert names == {"hand.json", "hand.mtl", "hand.obj", "hand.png", "hand_texture.png"}
    assert len(trimesh.load(tmp_path / "first/hand.obj", process=False).faces) > 1500
    with Image.open(tmp_path / "first/hand.png") as picture:
        assert min(picture.size) > 200
    assert "overview: first/hand.png" in done.stdout


@pytest.mark.parametrize(("photo", "side"), [("palm", "left"), ("back", "right")])
@pytest.mark.slow
def test_other_samples(program: Program, tmp_path: Path, photo: str, side: str) -> None:
    done = program("demo", "--photo", photo, "-o", "out", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"{side} hand: score 0.9" in done.stdout and f"{photo}.jpg" in done.stdout


def test_every_sample_is_small_and_its_licence_named() -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    samples = sorted(demo.SAMPLES.glob("*.jpg"))
    assert {path.stem for path in samples} == {photo.value for photo in demo.SamplePhoto}
    for path in samples:
        assert path.stat().st_size < 100_000
        assert f"handsss/samples/{path.name}" in notice
    for path in demo.SAMPLES.glob("*.txt"):
        assert f"handsss/samples/{path.name}" in notice


def test_what_fails_is_told_with_the_codes_of_reconstruct(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").touch()
    done = program("demo", "-o", "taken", folder=tmp_path)
    assert done.returncode == 2 and "expected a folder" in done.stderr and "-o taken" in done.stderr
    Image.new("RGB", (64, 64), (90, 120, 90)).save(tmp_path / "palm.jpg")
    monkeypatch.setattr(demo, "SAMPLES", tmp_path)
    assert program("demo", folder=tmp_path).returncode == 3
    (tmp_path / "palm.jpg").write_bytes(b"")
    done = program("demo", folder=tmp_path)
    assert done.returncode == 1 and "mesh:" not in done.stdout
