"""The largest batch that fits into memory: by trial on a GPU, by extrapolation from two small batches on a CPU."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from handsss.errors import UserError
from handsss.training.batch_rows import stacked
from handsss.training.config import TrainConfig
from handsss.training.distributed import Processes
from handsss.training.memory import available_memory, peak_memory, reset_peak_memory
from handsss.training.recipe import LEAST_ROWS, Recipe
from handsss.training.run import TrainingRun
from handsss.training.schedule import position, stage_starts

LEAST = LEAST_ROWS
MOST_ON_GPU = 1024  # samples per process: above that, loading and the learning rate are the limit
MARGIN = 0.85  # share of the free memory: validations and fragmentation need some
_MANY_STEPS = 1_000_000  # so that every stage has steps

Attempt = Callable[[int], int]  # batch size -> peak bytes of a step; raises torch.OutOfMemoryError


def largest_batch_by_trial(attempt: Attempt, *, room: float, most: int) -> int:
    """The largest power of two whose steps fit, up to ``most``.

    Args:
        attempt: peak memory of a step, bytes.
        room: bytes that are available.
        most: samples.

    Raises:
        UserError: not even the smallest batch fits.
    """
    best, size = 0, LEAST
    while size <= most:
        try:
            fits = attempt(size) <= room
        except torch.OutOfMemoryError:
            fits = False
        if not fits:
            break
        best, size = size, 2 * size
    return _checked(best, room)


def largest_batch_by_extrapolation(attempt: Attempt, *, room: float, most: int) -> int:
    """The same by linear extrapolation from two small batches: a process that runs out of CPU memory is killed.

    Args, raises: as :func:`largest_batch_by_trial`.
    """
    first, second = LEAST, min(4 * LEAST, most)
    low = attempt(first)
    a_row = (attempt(second) - low) / (second - first) if second > first else 0.0
    fitting = [size for size in _powers(most) if low + max(a_row, 0.0) * (size - first) <= room]
    return _checked(max(fitting, default=0), room)


def _powers(most: int) -> list[int]:
    return [1 << n for n in range(1, most.bit_length()) if LEAST <= 1 << n <= most]


def _checked(best: int, room: float) -> int:
    if best == 0:
        raise UserError(
            f"{{batch}} auto: not even {LEAST} samples fit into {room / 1e9:.1f} GB. Free some memory, or use a "
            "smaller network ({preset} small).",
            options=["batch", "preset"],
        )
    return best


def batch_that_fits(config: TrainConfig, recipe: Recipe, folder: Path, device: torch.device, share: Processes) -> int:
    """Samples per step of one process. Call it before the process group is initialised: each process tries for itself.

    On a GPU every stage makes a step of 2, 4, 8, ... samples until one does not fit. On a CPU, which gains nothing from
    large batches, the settings' own batch is the maximum.

    Args:
        config: settings; their batch is ignored on a GPU.
        recipe: what is trained on what.
        folder: of the run; nothing is written.
        device: to train on.
        share: how many processes there are; on a CPU they share its memory.

    Raises:
        UserError: nothing fits, or too few samples. InputError: see :class:`TrainingRun`.
    """
    on_gpu = device.type == "cuda"
    schedule = replace(config.schedule, batch=LEAST, steps=_MANY_STEPS)
    run = TrainingRun(folder, replace(config, schedule=schedule), recipe, device=device)
    run.trainer.monitor = None
    # At least eight steps per epoch: a step over all samples is no stochastic gradient.
    most = min(MOST_ON_GPU, len(run.data) // 8 // share.size)
    if on_gpu:
        torch.cuda.empty_cache()
        room = MARGIN * (torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_allocated(device))
        return largest_batch_by_trial(lambda size: _peak_on_gpu(run, size), room=room, most=max(most, LEAST))
    most = min(config.schedule.batch // share.size, len(run.data) // share.size)
    if most < LEAST:
        raise UserError(
            f"{{batch}} auto: {len(run.data)} samples are too few for {share.size} processes.", options=["batch"]
        )
    free, held = available_memory(), reset_peak_memory()
    if free is None or held is None:  # unknown except on Linux
        return max(_powers(most))
    return largest_batch_by_extrapolation(
        lambda size: _peak_on_cpu(run, size, held), room=MARGIN * free / share.size, most=most
    )


def _peak_on_gpu(run: TrainingRun, rows: int) -> int:
    """Peak bytes allocated by PyTorch in a step of every stage.

    Raises:
        torch.OutOfMemoryError: too many samples; their memory is freed.
    """
    torch.cuda.reset_peak_memory_stats(run.device)
    ran_out = ""
    try:
        step_of_every_stage(run, rows)
        torch.cuda.synchronize(run.device)
    except torch.OutOfMemoryError as error:
        ran_out = str(error)  # the error's frames hold the step's tensors
    peak = torch.cuda.max_memory_allocated(run.device)
    run.trainer.current = None
    run.trainer.optimiser.zero_grad(set_to_none=True)
    gc.collect()
    torch.cuda.empty_cache()
    if ran_out:
        raise torch.OutOfMemoryError(ran_out)
    return peak


def _peak_on_cpu(run: TrainingRun, rows: int, held: int) -> int:
    """Peak bytes beyond what the process held before all attempts; an attempt reuses memory that others left."""
    reset_peak_memory()
    step_of_every_stage(run, rows)
    return max(0, (peak_memory() or held) - held)


def step_of_every_stage(run: TrainingRun, rows: int) -> None:
    """One step of every stage and input size. A few samples are read and repeated."""
    trainer = run.trainer
    for start in stage_starts(trainer.stages):
        read = trainer.reading(run.data, position(trainer.stages, start).stage)
        some = stacked([read[number] for number in range(min(rows, len(run.data), 8))])
        repeats = -(-rows // len(some["K"]))
        row = {name: value.repeat(repeats, *[1] * (value.ndim - 1))[:rows] for name, value in some.items()}
        trainer.step = start
        trainer.one_step(trainer.as_batch(row))
