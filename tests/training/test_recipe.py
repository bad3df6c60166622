"""The commands that made the network of 0.1 (docs/lab/open-b0.md), in small: each does what it is there for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from handsss.training.metrics_logger import read_metrics
from tests.cli.typed import typed

# As documented, but of eight hands, and short.
_SHORT = (
    "schedule.batch=8",
    "schedule.ema_decay=0.9",
    "augmentation.detection_dropout=0",
    "logging.validate_every=0",
    "logging.validate_rows=8",
    "logging.picture_every=0",
)


def done(*arguments: object) -> None:
    assert typed(*arguments) == 0, arguments


def validations(folder: Path) -> list[dict[str, Any]]:
    """Of a run, in order."""
    return [line for line in read_metrics(folder / "metrics.jsonl") if line["kind"] == "validation"]


@pytest.mark.slow
def test_the_recipe_of_the_weights_in_small(
    tmp_path: Path, stores: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = ["--preset", "small", "--data", stores[0], "--val", stores[0], "--workers", 0, "--quiet"]
    short = [word for setting in _SHORT for word in ("--set", setting)]
    done("train", "--ssl", *data, *short, "--stages", "warm-up,shape", "--steps", 200, "--out", "first")
    stages = ["--stages", "shape,finetune", "--steps", 40, "--set", "shape.epochs=6", "--set", "finetune.epochs=1"]
    done("train", "--ssl", *data, *short, *stages, "--weights", "first/latest.pt", "--out", "second")
    first, second = validations(Path("first")), validations(Path("second"))
    # The second run goes on from where the first one ended.
    assert second[0]["aligned_mpjpe_mm"] == pytest.approx(first[-1]["aligned_mpjpe_mm"], abs=1e-3)
    begin, end = first[0], second[-1]
    print(begin, first[-1], end)  # noqa: T201
    # Detections alone teach where hands are, and by that how they are posed.
    assert end["projected_px"] < 0.5 * begin["projected_px"]
    assert end["aligned_mpjpe_mm"] < 0.95 * begin["aligned_mpjpe_mm"]
    done("export", "weights", "second", "-o", "ours.safetensors", "--quiet")
    done("evaluate", "--checkpoint", "ours.safetensors", "--data", stores[0], "--report", "scores", "--quiet")
    scores = json.loads(Path("scores/metrics.json").read_text(encoding="utf-8"))
    # Not the same figure: `evaluate` has the detector look for the hands, where a store's keypoints are true.
    assert scores["count"] == 8 and scores["aligned"]["mpjpe_mm"] < 1.1 * begin["aligned_mpjpe_mm"]
    done("info", "weights", "ours.safetensors")
