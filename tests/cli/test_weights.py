"""``handsss export weights`` and ``handsss info weights`` as they are typed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.typed import small_run, typed

VIEW = "[augmentation]\nupright = true\nclose = 0.8\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder."""
    start = "ImageNet weights from /home/somebody/b0.pth"
    about = {"supervision": "ssl", "data": "/home/somebody/freihand.h5", "rows": 2000, "step": 12, "start": start}
    return small_run(tmp_path_factory.mktemp("run"), VIEW, about=about)


def test_a_run_becomes_weights_that_say_what_they_are(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    metrics = {
        "count": 5,
        "data": "/home/somebody/eval.h5",
        "aligned": {"mpjpe_mm": 8.125, "f5": 0.5},
        "raw": {"mpjpe_mm": 60.0},
    }
    Path("metrics.json").write_text(json.dumps(metrics | {"figures": [1, 2]}), encoding="utf-8")
    options = ["--evaluation", "metrics.json", "--licence", "CC0-1.0", "--note", "made up [here]"]
    assert typed("export", "weights", folder, "-o", "new/ours.safetensors", *options) == 0
    shown = capsys.readouterr().out
    assert re.search(r"half precision moves vertices by at most 0\.\d+ mm", shown), shown
    assert re.search(r"wrote new/ours.safetensors, 1\d\.\d MB", shown)
    assert b"somebody" not in Path("new/ours.safetensors").read_bytes()
    assert typed("info", "weights", "new/ours.safetensors") == 0
    shown = capsys.readouterr().out
    for words in (
        r"name\s+ours",
        r"float16, float32, int64",
        r"SHA-256\s+[0-9a-f]{64}",
        r"hand model\s+open",
        r"trained on\s+freihand.h5",
        r"rows\s+2000",
        r"steps\s+12",
        r"licence\s+CC0-1.0",
        r"note\s+made up \[here\]",
        r"rotated upright and zoomed until the hand's box fills 80 %",
        r"evaluated on 5 images of eval.h5",
        r"aligned \(Procrustes\)\s+8.12\s+–\s+–\s+–\s+0.500",
        r"raw \(camera space\)\s+60.00",
    ):
        assert re.search(words, shown), (words, shown)
    # Made again of the weights, they keep what they say of themselves.
    assert typed("export", "weights", "new/ours.safetensors", "-o", "again.safetensors", "--note", "new") == 0
    capsys.readouterr()
    assert typed("info", "weights", "again.safetensors") == 0
    shown = capsys.readouterr().out
    for words in (r"name\s+ours", r"licence\s+CC0-1.0", r"note\s+new", r"aligned \(Procrustes\)\s+8.12"):
        assert re.search(words, shown), (words, shown)
    assert typed("info", "weights", folder) == 0
    shown = capsys.readouterr().out
    assert "float32" in shown and re.search(r"licence\s+not stated", shown)


def test_what_is_wrong_is_told_and_nothing_written(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "there.safetensors"
    there.write_bytes(b"mine")
    assert typed("export", "weights", folder, "-o", there) == 2
    assert "exists already. Choose another name with -o, or replace it with --overwrite" in capsys.readouterr().err
    assert typed("export", "weights", folder, "-o", tmp_path / "w.pt") == 2
    assert "expected a name that ends with .safetensors" in capsys.readouterr().err
    assert typed("export", "weights", folder, "-o", tmp_path / "w.safetensors", "--keypoints") == 2
    assert "has no keypoint branch" in capsys.readouterr().err
    for content in ("{", "[]", '{"count": 3}'):
        (tmp_path / "metrics.json").write_text(content, encoding="utf-8")
        option = ["--evaluation", tmp_path / "metrics.json"]
        assert typed("export", "weights", folder, "-o", tmp_path / "w.safetensors", *option) == 2
        assert "Expected metrics.json of `handsss evaluate`" in capsys.readouterr().err
    assert typed("info", "weights", there) == 2
    assert "not weights that can be read" in capsys.readouterr().err
    assert there.read_bytes() == b"mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics.json", "there.safetensors"]


@pytest.mark.parametrize("command", [("info", "weights"), ("export", "weights"), ("evaluate", "--checkpoint")])
def test_names_that_are_too_long(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(*command, "x" * 300) == 2
    assert "x" * 200 not in capsys.readouterr().err
