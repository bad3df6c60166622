"""``handsss demo``: the bundled photo becomes a mesh; exit codes as ``handsss reconstruct``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trimesh
from PIL import Image

from handsss.cli import demo
from tests.cli.conftest import Done

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


def test_what_fails_is_told_with_the_codes_of_reconstruct(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").touch()
    done = program("demo", "-o", "taken", folder=tmp_path)
    assert done.returncode == 2 and "expected a folder" in done.stderr and "-o taken" in done.stderr
    Image.new("RGB", (64, 64), (90, 120, 90)).save(tmp_path / "empty.png")
    monkeypatch.setattr(demo, "SAMPLE", tmp_path / "empty.png")
    assert program("demo", folder=tmp_path).returncode == 3
    (tmp_path / "empty.png").write_bytes(b"")
    done = program("demo", folder=tmp_path)
    assert done.returncode == 1 and "mesh:" not in done.stdout
