"""What ``handsss train`` does with its options: prepare, train under watch, sum up."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch

from handsss.cli.console import output_console, show_note
from handsss.cli.train_view import View, show_profile, show_replay, show_start, show_summary
from handsss.errors import UserError
from handsss.network.device import choose_device
from handsss.training.config import resolve
from handsss.training.distributed import Processes, from_environment, joined
from handsss.training.files import newest_run
from handsss.training.memory import keep_memory
from handsss.training.prepare import MANO_CNN, Recipe, as_baseline, default_training_data, without_lifting
from handsss.training.profile import profile as measure
from handsss.training.replay import replay
from handsss.training.resume import resume
from handsss.training.run import Run


class Wishes(NamedTuple):
    """Options that are no settings of the run."""

    device: str
    workers: int | None
    tensorboard: bool | None
    quiet: bool
    command: list[str]


def start(
    out: Path | None,
    *,
    preset: str,
    config: Path | None,
    settings: tuple[str, ...],
    data: Path | None,
    validation: Path | None,
    supervision: str,
    baseline: str,
    model: str,
    profile: bool,
    wishes: Wishes,
) -> None:
    """Begin a run, or measure its steps.

    Raises:
        UserError, InputError: see :class:`handsss.training.run.Run`.
    """
    processes = from_environment()
    device = _device(wishes, processes)
    keep_memory()
    resolved = resolve(preset, config, settings, note=show_note)
    if baseline == MANO_CNN:
        resolved = as_baseline(resolved)
    resolved.stage_settings()  # a mistake to tell before any work
    if resolved.schedule.batch % processes.size:
        raise UserError(
            f"a batch of {resolved.schedule.batch} cannot be shared out among {processes.size} processes. Give a "
            "--batch that can."
        )
    source = data or default_training_data()
    if validation is None:
        validation = _beside(source)
    kind = f"{baseline or 's2hand'}-{supervision}-{preset}"
    folder = out or Path("runs") / f"{time.strftime('%Y%m%d-%H%M%S')}-{kind}"
    recipe = Recipe(source, validation, supervision, baseline, model)
    resolved, left_out = without_lifting(resolved, recipe)
    if left_out and processes.first:
        output_console(quiet=wishes.quiet).print(left_out)
    with joined(processes, device):
        run = Run(folder, resolved, recipe, device=device, processes=processes, command=wishes.command)
        if profile:
            _profile(run, wishes)
        else:
            _train(run, wishes)


def carry_on(out: Path | None, wishes: Wishes) -> None:
    """Go on with a run."""
    processes = from_environment()
    device = _device(wishes, processes)
    keep_memory()
    folder = out or newest_run()
    with joined(processes, device):
        _train(resume(folder, device=device, processes=processes, command=wishes.command), wishes)


def replay_batch(path: Path, device: str) -> None:
    """Compute a kept batch again and say what is wrong with it."""
    show_replay(output_console(), path, replay(path, choose_device(device)))


def _device(wishes: Wishes, processes: Processes) -> torch.device:
    """The device asked for; of several processes each takes its own GPU."""
    device = choose_device(wishes.device)
    if device.type == "cuda" and wishes.device in ("auto", "cuda") and processes.size > 1:
        return choose_device(f"cuda:{processes.local}")
    return device


def _beside(data: Path) -> Path | None:
    """NAME_evaluation.h5 beside NAME_training.h5, if it has true joints."""
    from handsss.data.dataset import HandDataset

    other = data.with_name(data.name.replace("training", "evaluation"))
    if other == data or not other.exists():
        return None
    return other if "joints_3d" in HandDataset(other).fields else None


def _workers(wishes: Wishes, run: Run) -> int:
    if wishes.workers is not None:
        return wishes.workers
    cores = os.cpu_count() or 1
    if run.device.type == "cuda":
        return min(8, max(1, cores // run.processes.size - 1))
    # On a CPU the training itself wants the cores: one process reads ahead, unless there are so few that the threads of
    # every step would wait for the one whose core it takes.
    return 1 if cores // run.processes.size > 2 else 0


def _train(run: Run, wishes: Wishes) -> None:
    output = output_console(quiet=wishes.quiet or not run.processes.first)
    show_start(output, run)
    view = View(run, quiet=wishes.quiet or not run.processes.first)
    begin = time.perf_counter()
    with _stoppable(run), view:
        run.run(workers=_workers(wishes, run), tensorboard=wishes.tensorboard, on_progress=view.show)
    show_summary(output, run, time.perf_counter() - begin)


def _profile(run: Run, wishes: Wishes) -> None:
    output = output_console()
    show_start(output, run)
    workers = _workers(wishes, run)
    for stage in run.trainer.stages:
        found = measure(run.trainer, run.data, stage.name, workers=workers)
        show_profile(output, found)


@contextmanager
def _stoppable(run: Run) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run after the step that is being made; a second Ctrl-C at once."""

    def ask(number: int, _frame: object) -> None:
        if run.stop_asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        run.stop_asked = "interrupted" if number == signal.SIGINT else "stopped by SIGTERM"

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
