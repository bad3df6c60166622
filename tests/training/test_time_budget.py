"""Runs that end within a time: steps chosen by the pace, the same run as with these steps, and what comes too late."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from handsss.errors import UserError
from handsss.network.checkpoint import load_checkpoint
from handsss.training.config import resolve
from handsss.training.distributed import Processes
from handsss.training.metrics_logger import read_metrics
from handsss.training.progress import TimeLimit
from handsss.training.recipe import Recipe
from handsss.training.resume import restore_run
from handsss.training.run import TrainingRun
from handsss.training.schedule import stages_of
from handsss.training.time_budget import StepTimes, measure, plan, plan_for_time
from tests.cli.typed import typed
from tests.training.conftest import TINY

CPU = torch.device("cpu")
Stores = tuple[Path, Path]


def test_the_schedule_fits_the_time() -> None:
    config = resolve("small", None, ("logging.validate_every=100", "logging.picture_every=0", "logging.save_every=0"))
    times = StepTimes({"warm-up": 0.1, "keypoints": 0.5, "shape": 0.2, "finetune": 1.0}, validation=1.0)
    planned = plan(config, times, 1000.0)
    stages = stages_of(planned.stage_settings(), rows=2000, batch=32, steps=planned.schedule.steps)
    taken = sum(stage.steps * times.steps[stage.name] for stage in stages) + planned.schedule.steps / 100 * 1.0 + 2
    assert taken == pytest.approx(950, rel=0.01)
    shares = {stage.name: stage.steps / planned.schedule.steps for stage in stages}
    assert shares == pytest.approx(
        {"warm-up": 15 / 85, "keypoints": 2 / 85, "shape": 67 / 85, "finetune": 1 / 85}, abs=1e-3
    )
    assert planned.logging == config.logging  # half a percent of the time
    assert replace(planned, schedule=config.schedule) == config  # nothing else is changed


def test_validations_become_rarer_where_they_would_take_the_time() -> None:
    config = resolve("small", None, ("logging.validate_every=100", "logging.picture_every=50", "logging.save_every=0"))
    times = StepTimes(dict.fromkeys(("warm-up", "keypoints", "shape", "finetune"), 0.01), validation=1.0, preview=0.5)
    planned = plan(config, times, 100.0)
    assert planned.logging.validate_every == 2 * planned.logging.picture_every == 2000
    assert planned.logging.save_every == 0
    assert planned.schedule.steps == pytest.approx((95 - 2.5) / 0.011, abs=2)
    with pytest.raises(UserError, match=r"minutes: 3 s are left after .* give more time, or a smaller batch"):
        plan(config, times, 2.6)


@pytest.mark.slow
def test_times_are_those_of_the_steps(tmp_path: Path, stores: Stores) -> None:
    settings = ("schedule.steps=1000000", "shape.quarter=0.5", "logging.picture_every=0")
    run = TrainingRun(tmp_path, resolve("full", None, (*TINY, *settings)), Recipe(*stores), device=CPU)
    made = {"keypoints": 0, "shape": 0, "finetune": 0}
    costs = {"keypoints": 2.0, "shape": 3.0, "finetune": 5.0}
    now = [0.0]
    original = run.trainer.one_step

    def slow(batch: object) -> object:
        step = original(batch)  # type: ignore[arg-type]
        made[step.stage] += 1
        # Large pictures take ten times as long as those of a quarter; a stage's first step is slow.
        now[0] += costs[step.stage] * (10 if run.network.input_downsample == 1 and step.stage == "shape" else 1)
        return step

    run.trainer.one_step = slow  # type: ignore[method-assign,assignment]
    times = measure(run, workers=0, seconds=30.0, clock=lambda: now[0])
    assert times.steps == pytest.approx({"keypoints": 2.0, "shape": 0.5 * 3 + 0.5 * 30, "finetune": 5.0})
    assert made == {"keypoints": 4, "shape": 3 + 2, "finetune": 2}
    assert not list(tmp_path.iterdir())


def test_a_limit_ends_a_run_with_a_result(tmp_path: Path, stores: Stores) -> None:
    config = resolve("full", None, (*TINY, "schedule.steps=6", "schedule.ema_decay=0.9"))
    clock = iter([0.0, 1.0, 2.0, 9.5] + [99.0] * 9)
    run = TrainingRun(tmp_path / "r", config, Recipe(*stores), device=CPU)
    last = run.run(limit=TimeLimit(10.0, 1.0, lambda: next(clock)))
    assert run.trainer.step == 4 and last is not None and last["step"] == 4
    content = json.loads((tmp_path / "r" / "final.json").read_text())
    assert (content["step"], content["steps"]) == (4, 6)
    kinds = [(line["kind"], line["step"]) for line in read_metrics(tmp_path / "r" / "metrics.jsonl")]
    assert kinds[-1] == ("validation", 4)
    restore_run(tmp_path / "r", device=CPU).run()  # the steps that are left, and no limit any more
    whole = TrainingRun(tmp_path / "whole", config, Recipe(*stores), device=CPU)
    whole.run(limit=TimeLimit(10.0, 1.0, lambda: 0.0))
    a, b = (load_checkpoint(tmp_path / name / "final.pt")["network"] for name in ("r", "whole"))
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.slow
def test_minutes_are_steps_that_the_run_keeps(tmp_path: Path, stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    seconds = iter([100.0])
    monkeypatch.setattr(
        "handsss.training.time_budget.measure",
        lambda *_, **__: StepTimes(dict.fromkeys(("keypoints", "shape", "finetune"), next(seconds))),
    )
    settings = [word for setting in (*TINY, "logging.save_every=2") for word in ("--set", setting)]
    common = ["train", "--data", stores[0], "--val", stores[1], "--workers", 0, *settings]
    assert typed(*common, "--minutes", 12, "--out", "timed") == 0
    assert "steps = 6" in Path("timed/config.toml").read_text()
    assert typed(*common, "--steps", 6, "--out", "counted", "--quiet") == 0
    a, b = (load_checkpoint(Path(name, "final.pt"))["network"] for name in ("timed", "counted"))
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.slow  # by the clock: of no use where other tests keep the cores busy
def test_a_minute_is_a_minute(tmp_path: Path, stores: Stores) -> None:
    """Without made-up clocks: a few seconds are planned, and kept about."""
    import time

    config = resolve("full", None, (*TINY, "logging.picture_every=0"))
    begin = time.monotonic()
    planned, limit, words = plan_for_time(
        config, Recipe(stores[0]), tmp_path / "r", device=CPU, processes=Processes(), workers=0, deadline=begin + 60
    )
    assert planned.schedule.steps >= 3 and "steps fit into the" in words
    TrainingRun(tmp_path / "r", planned, Recipe(stores[0]), device=CPU).run(limit=limit)
    assert 20 < time.monotonic() - begin < 75


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--minutes", "5", "--steps", "3"), "--minutes and --steps were both given"),
        (("--minutes", "5", "--set", "schedule.steps=3"), "--minutes and --steps were both given"),
        (("--minutes", "0"), "--minutes 0: expected a time above 0"),
        (("--minutes", "nan"), "expected a time above 0"),
        (("--minutes", "5", "--profile"), "--profile measures and ends"),
        (("--minutes", "5", "--resume"), "Leave out --minutes"),
        (("--batch", "some"), "--batch some: expected a number of samples, at least 1, or auto"),
        (("--batch", "0"), "--batch 0: expected a number"),
    ],
)
def test_mistakes_with_time_and_batch(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed("train", *arguments) == 2
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_too_short_a_time_is_told(
    tmp_path: Path, stores: Stores, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = [word for setting in TINY for word in ("--set", setting)]
    assert typed("train", "--data", stores[0], "--workers", 0, *settings, "--minutes", 0.001) == 2
    assert "give more time" in " ".join(capsys.readouterr().err.split())
    assert not Path("runs").exists()
