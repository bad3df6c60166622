"""The commands that make the weights that come along (docs/open-b0.md), in small: each does what it is there for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from handsss.cli.main import run
from handsss.training.journal import read_journal

# As documented, but of eight hands, and short.
_SHORT = (
    "schedule.batch=8",
    "schedule.averaging=0.9",
    "augmentation.lost=0",
    "watch.validate_every=0",
    "watch.validate_rows=8",
    "watch.picture_every=0",
)


def typed(*arguments: object) -> None:
    with pytest.raises(SystemExit) as end:
        run([str(argument) for argument in arguments])
    assert not end.value.code, arguments


def errors(folder: Path) -> list[float]:
    """Aligned MPJPE (mm) of a run's validations."""
    return [line["aligned_mpjpe_mm"] for line in read_journal(folder / "metrics.jsonl") if line["kind"] == "validation"]


@pytest.mark.slow
def test_the_recipe_of_the_weights_in_small(
    tmp_path: Path, stores: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = ["--preset", "small", "--data", stores[0], "--val", stores[0], "--workers", 0, "--quiet"]
    short = [word for setting in _SHORT for word in ("--set", setting)]
    typed("train", "--ssl", *data, *short, "--stages", "warm-up,shape", "--steps", 120, "--out", "first")
    stages = ["--stages", "shape,finetune", "--steps", 30, "--set", "shape.epochs=4", "--set", "finetune.epochs=1"]
    typed("train", "--ssl", *data, *short, *stages, "--weights", "first/latest.pt", "--out", "second")
    first, second = errors(Path("first")), errors(Path("second"))
    assert first[-1] < 0.75 * first[0]
    # The second run goes on from where the first one ended.
    assert second[0] == pytest.approx(first[-1], abs=1e-3)
    assert second[-1] < first[-1] + 0.5
    typed("export", "weights", "second", "-o", "ours.safetensors", "--quiet")
    typed("evaluate", "--checkpoint", "ours.safetensors", "--data", stores[0], "--report", "scores", "--quiet")
    scores = json.loads(Path("scores/metrics.json").read_text(encoding="utf-8"))
    # Another view: `evaluate` has the detector look for the hands, where a store's keypoints are true.
    assert scores["aligned"]["mpjpe_mm"] < 0.8 * first[0]
    typed("info", "weights", "ours.safetensors")
