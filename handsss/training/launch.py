"""Starts, resumes and profiles runs: what :func:`handsss.train` and ``handsss train`` call.

Chooses the device, the default data and the number of reading processes, joins ``torchrun``'s processes, and saves the
state on Ctrl-C and SIGTERM.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from handsss.data.mixture import WeightedStore
from handsss.errors import UserError
from handsss.network.device import choose_device
from handsss.training.batch_size import batch_that_fits
from handsss.training.best import BEST
from handsss.training.config import PRESETS, TrainConfig, resolve, warn_renamed
from handsss.training.depth_supervision import without_depth
from handsss.training.distributed import Processes, from_environment, min_over_processes, process_group
from handsss.training.loggers.fan_out import logger_names
from handsss.training.memory import keep_memory
from handsss.training.profile import Profile, profile
from handsss.training.progress import Progress, TimeLimit
from handsss.training.recipe import (
    LEAST_ROWS,
    MANO_CNN,
    as_baseline,
    check_keypoints,
    few_keypoints,
    true_keypoints_note,
    without_lifting,
)
from handsss.training.resume import restore_run
from handsss.training.run import TrainingRun
from handsss.training.run_data import recipe_of
from handsss.training.run_files import newest_run, nothing_saved_yet
from handsss.training.schedule import lr_at, position
from handsss.training.stopping import stopping
from handsss.training.time_budget import plan_for_time
from handsss.training.trained_network import FINAL, LATEST

_MAX_WORKERS = 8  # reading processes per GPU


@dataclass(frozen=True)
class TrainOptions:
    """What is trained on what."""

    # Store or "online:FOLDER", or several, each with its weight; None: the newest store in the working folder
    data: Path | tuple[WeightedStore, ...] | None = None
    validation: Path | None = None  # store with true joints; None: NAME_evaluation.h5 beside NAME_training.h5
    out: Path | None = None  # the run's folder; None: runs/TIME-KIND
    preset: str = "full"  # "full": the paper's network and schedule; "small": for a CPU
    config: Path | None = None  # TOML file that overrides the preset
    settings: tuple[str, ...] = ()  # "section.key=value", override both
    supervision: str = "ssl"  # "ssl": detected keypoints; "fsl": true keypoints and joints
    baseline: str = ""  # "mano-cnn", or empty for the paper's method
    model: str = "open"  # hand model: a name or a path
    fit_batch: bool = False  # use the largest batch that fits into memory instead of schedule.batch
    deadline: float | None = None  # time.monotonic() at which the run ends, s; chooses the steps. None: no limit


@dataclass(frozen=True)
class RuntimeOptions:
    """How a run is executed; the result does not depend on it."""

    device: str = "auto"  # "auto" (a GPU if there is one), "cpu", "cuda" or "cuda:1"
    workers: int | None = None  # processes that read; None: by device and cores
    tensorboard: bool | None = None  # write event files too; None: if the package is installed
    log: tuple[str, ...] = ()  # further loggers, beside those of logging.to: tensorboard, wandb, mlflow
    command: tuple[str, ...] = ()  # what the user typed, for run.json
    signals: bool = True  # Ctrl-C and SIGTERM stop after the current step, with the state saved (main thread only)


@dataclass(frozen=True)
class Callbacks:
    """What is told of a run, in the first process only."""

    note: Callable[[str], None] = lambda text: None  # remarks, before the run starts
    renamed: Callable[[str], None] = warn_renamed  # settings given by names of earlier versions
    prepare: Callable[[torch.device], None] = lambda device: None  # the settings are right, the work comes next
    start: Callable[[TrainingRun], None] = lambda run: None  # the run is built, its first step comes next
    progress: Callable[[Progress], None] = lambda progress: None  # every step


class TrainResult(NamedTuple):
    """A finished run."""

    folder: Path
    checkpoint: Path  # the result's weights: final.pt
    state: Path  # all that resuming needs: latest.pt
    steps: int  # done
    total: int  # steps of the schedule; more than done if the time was up
    metrics: dict[str, float] | None  # the last validation: aligned_mpjpe_mm, ...; None without validation data
    history: list[dict[str, Any]]  # validations, each with its "step"
    seconds: float  # of training in this call
    best: Path | None = None  # the weights at the best validation: best.pt; None without validation data
    best_step: int = 0  # that they are of
    elapsed: float = 0.0  # s of training, those before a resume included


def launch(
    options: TrainOptions | None = None, runtime: RuntimeOptions | None = None, callbacks: Callbacks | None = None
) -> TrainResult:
    """Train a new run to its end.

    Args:
        options: what is trained on what.
        runtime: device, workers, signals.
        callbacks: told of the run.

    Raises:
        UserError, InputError: wrong settings or data; the folder holds a run already.
        StoppedError: interrupted; the state is saved.
        CollapseError, NotFiniteStopError: the training collapsed, or met NaN.
    """
    options, runtime, callbacks = options or TrainOptions(), runtime or RuntimeOptions(), callbacks or Callbacks()
    with _new_run(options, runtime, callbacks) as (run, limit):
        return _train(run, runtime, callbacks, limit)


def resume(
    folder: Path | None = None,
    runtime: RuntimeOptions | None = None,
    callbacks: Callbacks | None = None,
    *,
    steps: int | None = None,
) -> TrainResult:
    """Continue an interrupted run to its end, with its own settings.

    Args:
        folder: of the run; None: the newest one in ``runs``.
        runtime: device, workers, signals.
        callbacks: told of the run.
        steps: of the whole run, more than it has, to lengthen it at its last learning rate; None: as before.

    Raises:
        InputError: no state there, or its data are gone.
        UserError: the run is finished or has as many steps already, or there is none. See also :func:`launch`.
    """
    runtime, callbacks = runtime or RuntimeOptions(), callbacks or Callbacks()
    processes = from_environment()
    device = _device(runtime, processes)
    keep_memory()
    folder = folder or newest_run()
    with process_group(processes, device):
        run = restore_run(folder, device=device, processes=processes, command=list(runtime.command), steps=steps)
        if steps is not None and processes.first:
            last = run.trainer.stages[-1]
            lr = lr_at(position(run.trainer.stages, run.trainer.total - 1))
            callbacks.note(f"{steps} steps now: {last.added} more of {last.name}, at its last learning rate {lr:.3g}")
        if processes.first:
            callbacks.prepare(device)
        return _train(run, runtime, callbacks)


def profile_steps(
    options: TrainOptions | None = None, runtime: RuntimeOptions | None = None, callbacks: Callbacks | None = None
) -> Iterator[Profile]:
    """Measure where a step's time goes, stage by stage; nothing is written.

    Raises:
        UserError, InputError: see :func:`launch`.
    """
    options, runtime, callbacks = options or TrainOptions(), runtime or RuntimeOptions(), callbacks or Callbacks()
    with _new_run(options, runtime, callbacks) as (run, _):
        callbacks.start(run)
        workers = reading_processes(runtime.workers, run.device, run.processes)
        for stage in run.trainer.stages:
            yield profile(run.trainer, run.data, stage.name, workers=workers)


@contextmanager
def _new_run(
    options: TrainOptions, runtime: RuntimeOptions, callbacks: Callbacks
) -> Iterator[tuple[TrainingRun, TimeLimit | None]]:
    processes = from_environment()
    device = _device(runtime, processes)
    keep_memory()
    config = resolve(options.preset, options.config, options.settings, note=callbacks.renamed)
    if options.baseline == MANO_CNN:
        config = as_baseline(config)
    _check(config, processes, any_batch=options.fit_batch)
    logger_names(runtime.log, runtime.tensorboard, settings=config.logging.to)
    recipe = recipe_of(
        options.data,
        options.validation,
        supervision=options.supervision,
        baseline=options.baseline,
        model=options.model,
        weights=config.data.store_weights,
    )
    if recipe.supervision == "ssl":
        for store in recipe.stores:
            check_keypoints(store.path)
    config, without = without_lifting(config, recipe)
    asked = config.losses.w_depth != PRESETS[options.preset].losses.w_depth
    config, shallow = without_depth(config, recipe, asked=asked)
    for left_out in filter(None, (without, shallow) if processes.first else ()):
        callbacks.note(left_out)
    kind = f"{options.baseline or 's2hand'}-{options.supervision}-{options.preset}"
    folder = options.out or Path("runs") / f"{time.strftime('%Y%m%d-%H%M%S')}-{kind}"
    if recipe.supervision == "ssl" and processes.first:
        for store in recipe.stores:
            for warning in filter(None, (few_keypoints(store.path), true_keypoints_note(store.path))):
                callbacks.note(warning)
    if processes.first:
        callbacks.prepare(device)
    # Before the process group: a process that runs out of memory must not leave the others waiting.
    rows = batch_that_fits(config, recipe, folder, device, processes) if options.fit_batch else 0
    with process_group(processes, device):
        limit = None
        if options.fit_batch:
            together = processes.size * min_over_processes(rows, device)
            config = replace(config, schedule=replace(config.schedule, batch=together))
            if processes.first:
                callbacks.note(f"{together} samples per step fit; the learning rate is unchanged")
        if options.deadline is not None:
            workers = reading_processes(runtime.workers, device, processes)
            config, limit, words = plan_for_time(
                config, recipe, folder, device=device, processes=processes, workers=workers, deadline=options.deadline
            )
            if processes.first:
                callbacks.note(words)
        yield (
            TrainingRun(folder, config, recipe, device=device, processes=processes, command=list(runtime.command)),
            limit,
        )


def _check(config: TrainConfig, processes: Processes, *, any_batch: bool) -> None:
    """Mistakes that can be told before any work."""
    config.stage_settings()
    if config.schedule.batch % processes.size and not any_batch:
        raise UserError(
            f"a batch of {config.schedule.batch} cannot be shared out among {processes.size} processes. Give a "
            "{batch} that can.",
            options=["batch"],
        )
    if config.schedule.batch < LEAST_ROWS * processes.size and not any_batch:
        each = f" of each of {processes.size} processes" if processes.size > 1 else ""
        raise UserError(
            f"a batch of {config.schedule.batch}: batch normalisation needs at least {LEAST_ROWS} rows in a "
            f"step{each}. Give {{batch}} {LEAST_ROWS * processes.size} or more.",
            options=["batch"],
        )


def _device(runtime: RuntimeOptions, processes: Processes) -> torch.device:
    """The device asked for; each of several processes takes its own GPU."""
    device = choose_device(runtime.device)
    if device.type == "cuda" and runtime.device in ("auto", "cuda") and processes.size > 1:
        return choose_device(f"cuda:{processes.local}")
    return device


def reading_processes(asked: int | None, device: torch.device, processes: Processes) -> int:
    """The number of processes that read: as asked for, or by device and cores."""
    if asked is not None:
        return asked
    cores = os.cpu_count() or 1
    if device.type == "cuda":
        return min(_MAX_WORKERS, max(1, cores // processes.size - 1))
    # On a CPU the training itself uses the cores: one process reads ahead, unless there are so few that the threads of
    # every step would wait for the one whose core it takes.
    return 1 if cores // processes.size > 2 else 0


def _train(
    run: TrainingRun, runtime: RuntimeOptions, callbacks: Callbacks, limit: TimeLimit | None = None
) -> TrainResult:
    first = run.processes.first
    names = logger_names(runtime.log, runtime.tensorboard, settings=run.config.logging.to)
    if first:
        callbacks.start(run)
    begin = time.perf_counter()
    workers = reading_processes(runtime.workers, run.device, run.processes)
    with stopping(run, runtime.signals), nothing_saved_yet(run.folder):
        metrics = run.run(
            workers=workers,
            log=names,
            note=callbacks.note,
            limit=limit,
            on_progress=callbacks.progress if first else lambda progress: None,
        )
    if metrics is not None:
        metrics = {name: value for name, value in metrics.items() if name != "step"}
    return TrainResult(
        run.folder,
        run.folder / FINAL,
        run.folder / LATEST,
        run.trainer.step,
        run.trainer.total,
        metrics,
        list(run.history),
        time.perf_counter() - begin,
        run.folder / BEST if run.best.step > 0 else None,
        max(run.best.step, 0),
        run.throughput.elapsed,
    )
