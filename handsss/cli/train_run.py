"""What ``handsss train`` shows of :mod:`handsss.training.launch`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path

import torch
import typer

from handsss.cli.compiling import compile_kernels
from handsss.cli.console import output_console, plain, show_note
from handsss.cli.train_view import TrainingView, show_profile, show_replay, show_summary
from handsss.network.device import choose_device
from handsss.training.distributed import from_environment
from handsss.training.launch import (
    Callbacks,
    RuntimeOptions,
    TrainOptions,
    TrainResult,
    launch,
    profile_steps,
    resume,
)
from handsss.training.progress import NotFiniteStopError, StoppedError
from handsss.training.replay import replay


def start(options: TrainOptions, runtime: RuntimeOptions, *, quiet: bool) -> None:
    """Train a new run.

    Raises:
        UserError: see :func:`handsss.training.launch.launch`.
    """
    view = TrainingView(quiet=quiet)
    _shown(lambda: launch(options, runtime, _callbacks(view)), view)


def carry_on(out: Path | None, runtime: RuntimeOptions, *, steps: int | None = None, quiet: bool) -> None:
    """Continue a run.

    Raises:
        UserError: see :func:`handsss.training.launch.resume`.
    """
    view = TrainingView(quiet=quiet)
    _shown(lambda: resume(out, runtime, _callbacks(view), steps=steps), view)


def show_profiles(options: TrainOptions, runtime: RuntimeOptions) -> None:
    """Measure the steps of every stage."""
    view = TrainingView(quiet=False, writes=False)
    for measured in profile_steps(options, runtime, _callbacks(view)):
        show_profile(output_console(), measured)


def replay_batch(path: Path, device: str) -> None:
    """Compute a kept batch again and say what is wrong with it."""
    show_replay(output_console(), path, replay(path, choose_device(device)))


def _callbacks(view: TrainingView) -> Callbacks:
    def note(text: str) -> None:
        output_console(quiet=view.quiet).print(plain(text), soft_wrap=True)

    def prepare(device: torch.device) -> None:
        kernels = ("crops", "renderer", "ssim") if device.type == "cpu" else ("crops",)
        compile_kernels(*kernels, quiet=view.quiet)

    return Callbacks(note=note, renamed=show_note, prepare=prepare, start=view.start, progress=view.show)


def resume_command(folder: Path) -> str:
    """What is typed to go on with a run, with ``torchrun`` and its processes where it was started so."""
    command = shlex.join(["handsss", "train", "--resume", "--out", str(folder)])
    if from_environment().size == 1:
        return command
    here, machines = os.environ.get("LOCAL_WORLD_SIZE"), os.environ.get("GROUP_WORLD_SIZE", "1")
    words = f"torchrun --nproc-per-node {here or from_environment().size} -m {command}"
    if machines != "1":
        return f"{words} (on {machines} machines, with the options of torchrun that say so)"
    return f"{words} (what torchrun prints below is its own report of the interruption)"


def _shown(train: Callable[[], TrainResult], view: TrainingView) -> None:
    """Train under a live view; errors name the command that helps."""
    try:
        with view:
            result = train()
    except StoppedError as error:
        if not from_environment().first:
            raise typer.Exit(StoppedError.exit_code) from None  # the first process says it
        raise StoppedError(f"{error} Go on with: {resume_command(error.folder)}", error.folder) from None
    except NotFiniteStopError as error:
        text = f"{error} Look at it with: handsss train --replay {error.batch}"
        raise NotFiniteStopError(text, error.batch) from error
    if view.run is not None:  # the first of several processes
        show_summary(output_console(quiet=view.quiet), result)
