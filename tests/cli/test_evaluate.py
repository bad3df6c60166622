"""``handsss evaluate`` as it is typed: summaries, messages, files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.evaluation.makers import hands, noisy, prediction_lists, write_checkpoint, write_freihand

Run = Callable[..., Any]


@pytest.fixture
def run(program: Run) -> Run:
    def run(*arguments: str | Path, folder: Path, command: str = "evaluate") -> Any:
        return program(command, *arguments, folder=folder)

    return run


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, a dataset's folder and predictions."""
    folder = tmp_path_factory.mktemp("place")
    made = hands(4)
    write_freihand(folder / "FreiHAND", made)
    write_checkpoint(folder / "runs" / "tiny" / "final.pt")
    lists = prediction_lists(noisy(made.freihand, 0.005), noisy(made.vertices, 0.005))
    (folder / "pred.json").write_text(json.dumps(lists))
    return folder


def test_newest_run_on_the_default_file(run: Run, place: Path) -> None:
    made = run(
        "freihand", "FreiHAND", "--split", "evaluation", "--keypoints", "truth", folder=place, command="preprocess"
    )
    assert made.returncode == 0, made.stderr
    done = run(folder=place)
    assert done.returncode == 0, done.stderr
    assert "network: runs/tiny/final.pt" in done.stdout
    assert "data: freihand_evaluation.h5" in done.stdout
    for text in (
        "aligned (Procrustes)",
        "raw (camera space)",
        "root-aligned",
        "scale, translation",
        "index_tip",
        "projected",
    ):
        assert text in done.stdout
    assert "report: runs/tiny/evaluation_freihand_evaluation/report.html" in done.stdout
    folder = place / "runs/tiny/evaluation_freihand_evaluation"
    metrics = json.loads((folder / "metrics.json").read_text())
    for name in ("aligned", "raw", "root_aligned", "scale_translation_aligned"):
        assert set(metrics[name]) == {"mpjpe_mm", "mpvpe_mm", "auc_j", "auc_v", "f5", "f15"}
        assert f"{metrics[name]['mpjpe_mm']:.2f}" in done.stdout
    assert {"per_joint", "frame_mean", "frame_max"} <= set(metrics["keypoints_2d"]["predicted"])
    assert (metrics["count"], metrics["protocol"], metrics["data"]) == (4, "freihand", "freihand_evaluation.h5")
    assert metrics["checkpoint"] == "runs/tiny/final.pt"
    assert (folder / "report.html").stat().st_size > 10000


def test_predictions_of_anyone(run: Run, place: Path) -> None:
    done = run("--predictions", "pred.json", "--data", "FreiHAND", "--report", "out", folder=place)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((place / "out" / "metrics.json").read_text())
    assert metrics["predictions"] == "pred.json"
    assert metrics["raw"]["mpvpe_mm"] == pytest.approx(5 * np.sqrt(8 / np.pi), rel=0.03)
    assert "4 frames of freihand, evaluation; protocol freihand" in done.stdout
    assert "note:" not in done.stdout


def test_camera_space_in_cm(run: Run, place: Path) -> None:
    done = run("--predictions", "pred.json", "--data", "FreiHAND", "--no-procrustes", "--report", "cm", folder=place)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((place / "cm" / "metrics.json").read_text())
    row = re.search(r"raw\s+([0-9.]+)\s+([0-9.]+)", done.stdout)
    assert row is not None
    assert [float(text) for text in row.groups()] == pytest.approx(
        [metrics["raw"]["mpjpe_mm"] / 10, metrics["raw"]["mpvpe_mm"] / 10], abs=0.006
    )
    assert "MPJPE cm" in done.stdout
    assert "aligned (Procrustes)" not in done.stdout


def test_proper_shows_the_difference(run: Run, place: Path) -> None:
    made = hands(4)
    mirrored = made.freihand * [-1, 1, 1]
    (place / "left.json").write_text(json.dumps(prediction_lists(mirrored, made.vertices * [-1, 1, 1])))
    done = run("--predictions", "left.json", "--data", "FreiHAND", "--proper", "--report", "left", folder=place)
    assert done.returncode == 0, done.stderr
    for text in ("allowed (official)", "forbidden (proper)", "difference", "mirrors (which is forbidden here)"):
        assert text in done.stdout
    metrics = json.loads((place / "left" / "metrics.json").read_text())
    assert metrics["aligned_official"]["mpjpe_mm"] < 0.01 < metrics["aligned"]["mpjpe_mm"]


def test_submission(run: Run, place: Path) -> None:
    done = run("--checkpoint", "runs/tiny", "--data", "FreiHAND", "--submission", "sub/pred.zip", folder=place)
    assert done.returncode == 0, done.stderr
    assert "submission: sub/pred.zip (4 frames)" in done.stdout
    assert "note: The submission was made with the open hand." in done.stdout
    again = run("--predictions", "sub/pred.zip", "--data", "FreiHAND", "-q", folder=place)
    assert (again.returncode, again.stdout) == (0, "")
    first = json.loads((place / "runs/tiny/evaluation_FreiHAND/metrics.json").read_text())
    second = json.loads((place / "sub/evaluation_FreiHAND_pred/metrics.json").read_text())
    assert second["aligned"] == pytest.approx(first["aligned"], abs=0.01)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no data to evaluate on: none was given, and none of freihand_evaluation.h5"),
        (["--data", "none.h5"], "none.h5: no such file. Make it with `handsss preprocess`"),
        (["--data", "."], "neither FreiHAND's layout"),
        (["--checkpoint", "none.pt", "--data", "FreiHAND"], "none.pt: no such file. Expected a checkpoint"),
        (["--checkpoint", ".", "--data", "FreiHAND"], "holds neither final.pt nor latest.pt"),
        (["--checkpoint", "pred.json", "--data", "FreiHAND"], "not a checkpoint that can be read"),
        (["--checkpoint", "a", "--predictions", "b"], "Leave one of them out"),
        (["--predictions", "pred.json", "--submission", "a.zip"], "Give --checkpoint, not --predictions"),
        (["--align-root"], "no --submission was given"),
        (
            ["--predictions", "short.json", "--data", "FreiHAND"],
            "3 predictions, but FreiHAND (freihand, evaluation) has 4",
        ),
        (["--data", "FreiHAND", "--split", "training"], "FreiHAND/training/rgb: no such folder"),
        (["--data", "FreiHAND", "--device", "abacus"], "--device abacus: expected auto, cpu, cuda or cuda:NUMBER"),
        (["--data", "FreiHAND", "--device", "cuda:9"], "--device cuda:9: this "),
        (["--data", "FreiHAND", "--submission", "pred.txt"], "pred.txt: expected a name that ends in .zip or .json"),
        (["--predictions", "pred.json", "--data", "FreiHAND", "--report", "/proc/x"], "/proc/x: cannot be written"),
    ],
)
def test_wrong_use(run: Run, place: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    for name in ("FreiHAND", "runs", "pred.json"):
        (tmp_path / name).symlink_to(place / name)
    made = hands(4)
    (tmp_path / "short.json").write_text(json.dumps(prediction_lists(made.freihand[:3], made.vertices[:3])))
    done = run(*arguments, folder=tmp_path)
    assert done.returncode == 2, done.stdout
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_no_run_as_a_process_of_its_own(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "handsss", "evaluate"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "no trained network: none was given" in done.stderr
    assert "Traceback" not in done.stderr
