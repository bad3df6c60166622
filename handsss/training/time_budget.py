"""Time budgets: measures the time per step of every stage and chooses the number of steps that fits."""

from __future__ import annotations

import contextlib
import gc
import itertools
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from handsss.errors import UserError
from handsss.training.checkpoint import save_checkpoint
from handsss.training.collapse import health
from handsss.training.config import LoggingSettings, TrainConfig
from handsss.training.distributed import Processes, any_process, broadcast_from_first
from handsss.training.preview import PreviewSheets
from handsss.training.progress import TimeLimit
from handsss.training.recipe import Recipe
from handsss.training.run import TrainingRun
from handsss.training.sampler import AHEAD
from handsss.training.schedule import position, stage_starts, stages_of
from handsss.training.trainer import Step
from handsss.training.validate import Validation

MARGIN = 0.95  # share of the time that is planned; speed varies
LOGGING_SHARE = 0.1  # largest time of validations, previews and checkpoints, relative to the steps'
MEASURING_SHARE = 0.1  # largest share of the time for measuring
_STEPS = 10  # measured per stage
_MANY_STEPS = 1_000_000  # of the measured schedule, so that every stage has enough


@dataclass(frozen=True)
class StepTimes:
    """Measured times, s."""

    steps: dict[str, float]  # per step of a stage, with loading, mean over its input sizes
    validation: float = 0.0
    preview: float = 0.0
    checkpoint: float = 0.0


class _MeasuredError(Exception):
    """Enough steps were measured."""


def plan(config: TrainConfig, times: StepTimes, seconds: float) -> TrainConfig:
    """Settings whose whole schedule, with its validations, previews and checkpoints, takes the given time.

    All stages keep their shares of the steps. Logging that would take more than a tenth of the steps' time is done less
    often.

    Args:
        config: settings; their number of steps is replaced.
        times: measured.
        seconds: from the first validation to the last file.

    Raises:
        UserError: less than one step per stage fits.
    """
    settings = config.stage_settings()
    epochs = sum(stage.epochs for stage in settings.values())
    step = sum(stage.epochs / epochs * times.steps[name] for name, stage in settings.items() if stage.epochs > 0)
    logging, extra = _thinned(config.logging, times, step)
    around = 2 * times.validation + times.preview + 2 * times.checkpoint
    steps = math.floor((MARGIN * seconds - around) / (step + extra))
    if steps < len(settings):
        raise UserError(
            f"{{minutes}}: {max(seconds, 0.0):.0f} s are left after loading and measuring. A step takes {step:.2g} s, "
            f"the validations and files at both ends {around:.2g} s: give more time, or a smaller {{batch}}.",
            options=["minutes", "batch"],
        )
    return replace(config, schedule=replace(config.schedule, steps=steps), logging=logging)


def _thinned(logging: LoggingSettings, times: StepTimes, step: float) -> tuple[LoggingSettings, float]:
    """Logging intervals within the time share, and their cost in seconds per step."""
    costs = {"validate_every": times.validation, "picture_every": times.preview, "save_every": times.checkpoint}
    every = {name: getattr(logging, name) for name in costs if getattr(logging, name) > 0}
    extra = sum(costs[name] / steps for name, steps in every.items())
    if extra > LOGGING_SHARE * step:
        rarer = extra / (LOGGING_SHARE * step)
        every = {name: math.ceil(steps * rarer) for name, steps in every.items()}
        extra = sum(costs[name] / steps for name, steps in every.items())
    return replace(logging, **every), extra


def measure(
    run: TrainingRun, *, workers: int, seconds: float, clock: Callable[[], float] = time.perf_counter
) -> StepTimes:
    """Time steps of all stages. The run cannot be used afterwards.

    Args:
        run: with a long schedule; nothing is written into its folder.
        workers: processes that read.
        seconds: for measuring; every stage makes at least two steps.
    """
    trainer = run.trainer
    trainer.monitor = None
    starts = stage_starts(trainer.stages)
    per_stage: dict[str, float] = {}
    for start, share in starts.items():
        name = position(trainer.stages, start).stage.name
        per_stage[name] = per_stage.get(name, 0.0) + share * _step_time(
            run, start, workers, seconds / len(starts), clock
        )
    logging = _logging_times(run, clock) if run.processes.first else [0.0, 0.0, 0.0]
    numbers = broadcast_from_first([*per_stage.values(), *logging], run.device)
    return StepTimes(dict(zip(per_stage, numbers[:-3], strict=True)), *numbers[-3:])


def _step_time(run: TrainingRun, start: int, workers: int, seconds: float, clock: Callable[[], float]) -> float:
    """Seconds per step from a step of the schedule on, after the prefetched batches."""
    ticks: list[float] = []
    begin, ahead = clock(), 2 + AHEAD * workers

    def on_step(step: Step) -> None:
        for value in step.terms.parts.values():  # as a run does after every step; synchronises the GPU
            float(value)
        health(step.terms, step.batch)
        ticks.append(clock())
        done = len(ticks) >= ahead + _STEPS or (len(ticks) >= 2 and ticks[-1] - begin > seconds)
        if any_process(done, run.device):
            raise _MeasuredError

    run.trainer.step = start
    with contextlib.suppress(_MeasuredError):
        run.trainer.run(run.data, workers=workers, on_step=on_step)
    skipped = min(ahead, max(1, len(ticks) // 2))
    return (ticks[-1] - ticks[skipped - 1]) / (len(ticks) - skipped)


def _logging_times(run: TrainingRun, clock: Callable[[], float]) -> list[float]:
    """Seconds of a validation, a preview sheet, a checkpoint."""
    assert run.trainer.current is not None
    batch, logging = run.trainer.current[0], run.config.logging
    times = [clock()]
    if isinstance(run.validation, Validation):
        run.validation(run.network)
    times.append(clock())
    with tempfile.TemporaryDirectory() as folder:
        if logging.picture_every > 0:
            some = type(batch)(*(None if v is None else v[: logging.picture_rows] for v in batch))  # type: ignore[arg-type]
            PreviewSheets(Path(folder), len(some.image)).save(0, run.network, some, run.objective.keypoint_set)
        times.append(clock())
        save_checkpoint(Path(folder) / "state.pt", run.trainer.state())
        times.append(clock())
    return [after - before for before, after in itertools.pairwise(times)]


def plan_for_time(
    config: TrainConfig,
    recipe: Recipe,
    folder: Path,
    *,
    device: torch.device,
    processes: Processes,
    workers: int,
    deadline: float,
) -> tuple[TrainConfig, TimeLimit, str]:
    """Settings with which a run ends in time, its time limit, and a note for the user.

    Args:
        config: settings; their steps do not count.
        recipe: what is trained on what.
        folder: of the run; nothing is written.
        device: to train on.
        processes: all get the first one's plan.
        workers: processes that read.
        deadline: by ``time.monotonic()``, s.

    Raises:
        UserError: the time is too short. InputError: see :class:`TrainingRun`.
    """
    begin = time.monotonic()
    long = replace(config, schedule=replace(config.schedule, steps=_MANY_STEPS))
    run = TrainingRun(folder, long, recipe, device=device, processes=processes)
    built = time.monotonic() - begin
    times = measure(run, workers=workers, seconds=MEASURING_SHARE * (deadline - time.monotonic()))
    rows = len(run.data)
    del run  # frees its memory
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    measured = time.monotonic() - begin
    (left,) = broadcast_from_first([deadline - time.monotonic() - built], device)
    planned = plan(config, times, left)
    limit = TimeLimit(deadline, times.validation + times.preview + 2 * times.checkpoint + 1.0)
    batch, steps = planned.schedule.batch, planned.schedule.steps
    stages = stages_of(planned.stage_settings(), rows=rows, batch=batch, steps=steps)
    each = ", ".join(f"{stage.name} {stage.steps} of {1000 * times.steps[stage.name]:.0f} ms" for stage in stages)
    words = f"{steps} steps fit into the {left:.0f} s that are left ({each}; measured in {measured:.0f} s)"
    if planned.logging != config.logging:
        words += (
            f"; validations only every {planned.logging.validate_every} steps, so that they take a tenth of the time"
        )
    return planned, limit, words
