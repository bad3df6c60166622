"""``handsss export onnx`` as it is typed, and the code that its page shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import handsss
from handsss.network.onnx.check import ExportError
from tests.cli.typed import small_run, typed

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "export.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder."""
    return small_run(tmp_path_factory.mktemp("run"), "[augmentation]\nupright = true\n")


@pytest.mark.slow
def test_a_run_becomes_a_file_that_its_page_can_use(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert typed("export", "onnx", folder, "-o", "new/ours.onnx", "--opset", "20") == 0
    shown = capsys.readouterr().out
    assert re.search(r"vertices\s+778 x 3\s+\d\.\de-\d\d m\s+5e-05 m", shown), shown
    assert "in batches of 1 and 3: largest difference" in shown
    assert re.search(r"wrote new/ours.onnx, \d+\.\d MB, opset 20", shown)
    assert '"upright": true' in shown
    assert [path.name for path in Path("new").iterdir()] == ["ours.onnx"]

    Path("new/ours.onnx").rename("ours.onnx")
    Path("photo.jpg").write_bytes((Path(handsss.__file__).parent / "samples/palm.jpg").read_bytes())
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 1
    names: dict[str, Any] = {}
    exec(blocks[0], names)
    assert names["hand"]["vertices"].shape == (1, 778, 3)
    assert 0.3 < names["hand"]["vertices"][0, :, 2].mean() < 1.0  # the depth at which networks start
    assert names["faces"].max() == 777
    assert names["view"]["upright"] is True
    assert names["vertices"].shape == (778, 3) and np.isfinite(names["joints"]).all()
    assert names["found"].hand in capsys.readouterr().out


def test_what_is_wrong_is_told_before_the_work(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "there.onnx"
    there.write_bytes(b"mine")
    assert typed("export", "onnx", folder, "-o", there) == 2
    assert "exists already. Choose another name with -o, or replace it with --overwrite" in capsys.readouterr().err
    assert there.read_bytes() == b"mine"
    assert typed("export", "onnx", folder, "-o", tmp_path / "hand.pb") == 2
    assert "expected a name that ends with .onnx" in capsys.readouterr().err
    assert typed("export", "onnx", tmp_path / "absent.pt", "-o", tmp_path / "a.onnx") == 2
    assert "no such file. Expected a checkpoint" in capsys.readouterr().err
    assert typed("export", "onnx", folder, "-o", tmp_path / "a.onnx", "--keypoints") == 2
    assert "no keypoint branch" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["there.onnx"]


def test_a_file_that_differs_is_not_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def differs(*_: object, **__: object) -> None:
        raise ExportError("the exported network's numbers are not the network's")

    monkeypatch.setattr("handsss.cli.export_run.export_onnx", lambda *_, **__: b"model")
    monkeypatch.setattr("handsss.cli.export_run.compare", differs)
    there = tmp_path / "there.onnx"
    there.write_bytes(b"mine")
    assert typed("export", "onnx", folder, "-o", there, "--overwrite") == 1
    assert "numbers are not the network's" in capsys.readouterr().err
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"mine"]


@pytest.mark.slow
def test_whatever_valid_options_are_drawn_the_file_does_as_they_say(tmp_path: Path) -> None:
    import onnx
    import onnxruntime

    folder = small_run(tmp_path / "run", "", stacks=1)
    rng = np.random.default_rng(0)
    for number in range(3):
        opset, keypoints, quiet, overwrite = int(rng.integers(18, 24)), *(rng.random(3) < 0.5).tolist()
        checkpoint = folder / str(rng.choice(["", "final.pt"]))
        target = tmp_path / f"Hände {number}.onnx"
        if overwrite:
            target.write_bytes(b"of before")
        words = ["--keypoints"] * keypoints + ["-q"] * quiet + ["--overwrite"] * overwrite
        assert typed("export", "onnx", checkpoint, "-o", target, "--opset", str(opset), *words) == 0
        assert [entry.version for entry in onnx.load(target).opset_import if not entry.domain] == [opset]
        session = onnxruntime.InferenceSession(target, providers=["CPUExecutionProvider"])
        assert ("keypoints" in {output.name for output in session.get_outputs()}) == keypoints
        assert not list(tmp_path.glob(".*")), "something is left half-written"
