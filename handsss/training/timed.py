"""Runs that end within a time: the pace of every stage is measured, and the steps chosen so that the schedule fits."""

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
from handsss.training.distributed import Processes, any_process, of_the_first
from handsss.training.preview import save_preview
from handsss.training.progress import TimeLimit
from handsss.training.recipe import Recipe
from handsss.training.run import TrainingRun
from handsss.training.sampler import AHEAD
from handsss.training.schedule import position, stage_starts, stages_of
from handsss.training.trainer import Step
from handsss.training.validate import Validation

MARGIN = 0.95  # of the time is planned with: machines are not always equally fast
WATCHING = 0.1  # of the steps' time that validations, pictures and checkpoints may take
PROBING = 0.1  # of the time that measuring may take
_STEPS = 10  # measured of a stage
_MANY_STEPS = 1_000_000  # of the schedule while it is measured, so that every stage has enough


@dataclass(frozen=True)
class Paces:
    """Seconds."""

    steps: dict[str, float]  # a step of a stage, reading included, mean over its sizes of pictures
    validation: float = 0.0
    sheet: float = 0.0
    save: float = 0.0


class _EnoughError(Exception):
    """A pace is known."""


def plan(config: TrainConfig, paces: Paces, seconds: float) -> TrainConfig:
    """Settings whose whole schedule, with its validations, pictures and checkpoints, takes so many seconds.

    All stages keep their shares of the steps. Where watching would take more than a tenth of the steps' time, it is
    done less often.

    Args:
        config: settings; their steps do not count.
        paces: measured.
        seconds: from the first validation to the last file.

    Raises:
        UserError: not one step a stage fits.
    """
    settings = config.stage_settings()
    epochs = sum(stage.epochs for stage in settings.values())
    step = sum(stage.epochs / epochs * paces.steps[name] for name, stage in settings.items() if stage.epochs > 0)
    logging, extra = _thinned(config.logging, paces, step)
    around = 2 * paces.validation + paces.sheet + 2 * paces.save
    steps = math.floor((MARGIN * seconds - around) / (step + extra))
    if steps < len(settings):
        raise UserError(
            f"--minutes: {seconds:.0f} s are left after reading and measuring. A step takes {step:.2g} s, the "
            f"validations and files at both ends {around:.2g} s: give more minutes, or a smaller --batch."
        )
    return replace(config, schedule=replace(config.schedule, steps=steps), logging=logging)


def _thinned(logging: LoggingSettings, paces: Paces, step: float) -> tuple[LoggingSettings, float]:
    """How often to look, and the seconds a step that it costs."""
    costs = {"validate_every": paces.validation, "picture_every": paces.sheet, "save_every": paces.save}
    every = {name: getattr(logging, name) for name in costs if getattr(logging, name) > 0}
    extra = sum(costs[name] / steps for name, steps in every.items())
    if extra > WATCHING * step:
        rarer = extra / (WATCHING * step)
        every = {name: math.ceil(steps * rarer) for name, steps in every.items()}
        extra = sum(costs[name] / steps for name, steps in every.items())
    return replace(logging, **every), extra


def measure(run: TrainingRun, *, workers: int, seconds: float, clock: Callable[[], float] = time.perf_counter) -> Paces:
    """Make steps of all stages and see how long they take. The run is of no use afterwards.

    Args:
        run: with a long schedule; nothing is written into its folder.
        workers: processes that read.
        seconds: that measuring may take; every stage makes two steps at least.
    """
    trainer = run.trainer
    trainer.monitor = None
    starts = stage_starts(trainer.stages)
    found: dict[str, float] = {}
    for start, share in starts.items():
        name = position(trainer.stages, start).stage.name
        found[name] = found.get(name, 0.0) + share * _pace(run, start, workers, seconds / len(starts), clock)
    watching = _watching(run, clock) if run.processes.first else [0.0, 0.0, 0.0]
    numbers = of_the_first([*found.values(), *watching], run.device)
    return Paces(dict(zip(found, numbers[:-3], strict=True)), *numbers[-3:])


def _pace(run: TrainingRun, start: int, workers: int, seconds: float, clock: Callable[[], float]) -> float:
    """Seconds a step from there on, once what was read ahead is used up."""
    ticks: list[float] = []
    begin, ahead = clock(), 2 + AHEAD * workers

    def on_step(step: Step) -> None:
        for value in step.terms.parts.values():  # as a run does after every step: a GPU is waited for
            float(value)
        health(step.terms, step.batch)
        ticks.append(clock())
        done = len(ticks) >= ahead + _STEPS or (len(ticks) >= 2 and ticks[-1] - begin > seconds)
        if any_process(done, run.device):
            raise _EnoughError

    run.trainer.step = start
    with contextlib.suppress(_EnoughError):
        run.trainer.run(run.data, workers=workers, on_step=on_step)
    skipped = min(ahead, max(1, len(ticks) // 2))
    return (ticks[-1] - ticks[skipped - 1]) / (len(ticks) - skipped)


def _watching(run: TrainingRun, clock: Callable[[], float]) -> list[float]:
    """Seconds of a validation, a sheet of pictures, a checkpoint."""
    assert run.trainer.current is not None
    batch, logging = run.trainer.current[0], run.config.logging
    times = [clock()]
    if isinstance(run.validation, Validation):
        run.validation(run.network)
    times.append(clock())
    with tempfile.TemporaryDirectory() as folder:
        if logging.picture_every > 0:
            some = type(batch)(*(None if v is None else v[: logging.picture_rows] for v in batch))  # type: ignore[arg-type]
            save_preview(Path(folder) / "sheet.png", run.network, some, run.objective.keypoint_set)
        times.append(clock())
        save_checkpoint(Path(folder) / "state.pt", run.trainer.state())
        times.append(clock())
    return [after - before for before, after in itertools.pairwise(times)]


def fit_to_time(
    config: TrainConfig,
    recipe: Recipe,
    folder: Path,
    *,
    device: torch.device,
    processes: Processes,
    workers: int,
    end: float,
) -> tuple[TrainConfig, TimeLimit, str]:
    """Settings with which a run ends in time, when it has to end at the latest, and what the user is told.

    Args:
        config: settings; their steps do not count.
        recipe: what is trained on what.
        folder: of the run; nothing is written.
        device: to train on.
        processes: this one among those that train together; all get the first one's plan.
        workers: processes that read.
        end: of ``time.monotonic()``, s.

    Raises:
        UserError: the time is too short. InputError: see :class:`Run`.
    """
    begin = time.monotonic()
    long = replace(config, schedule=replace(config.schedule, steps=_MANY_STEPS))
    run = TrainingRun(folder, long, recipe, device=device, processes=processes)
    built = time.monotonic() - begin
    paces = measure(run, workers=workers, seconds=PROBING * (end - time.monotonic()))
    rows = len(run.data)
    del run  # its memory is the real run's
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    measured = time.monotonic() - begin
    (left,) = of_the_first([end - time.monotonic() - built], device)
    planned = plan(config, paces, left)
    limit = TimeLimit(end, paces.validation + paces.sheet + 2 * paces.save + 1.0)
    batch, steps = planned.schedule.batch, planned.schedule.steps
    stages = stages_of(planned.stage_settings(), rows=rows, batch=batch, steps=steps)
    each = ", ".join(f"{stage.name} {stage.steps} of {1000 * paces.steps[stage.name]:.0f} ms" for stage in stages)
    words = f"{steps} steps fit into the {left:.0f} s that are left ({each}; measured in {measured:.0f} s)"
    if planned.logging != config.logging:
        words += (
            f"; validations only every {planned.logging.validate_every} steps, so that they take a tenth of the time"
        )
    return planned, limit, words
