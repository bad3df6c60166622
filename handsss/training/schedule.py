"""The schedule: stages, their lengths and learning rates. See docs/method.md, schedule."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

WHOLE = "end-to-end"  # the one stage of runs without stages


@dataclass(frozen=True)
class StageSettings:
    """One stage of the schedule."""

    epochs: float = 120.0  # over the training samples; where the run's steps are given, its share of them
    lr: float = 1e-3  # learning rate at its start
    lr_steps: int = 3  # number of times that the learning rate is halved, at equal intervals
    decay: str = "step"  # "step": halvings; "cosine": half a cosine down to a hundredth
    quarter: float = 0.0  # share of the stage, from its start, with encoder inputs of a quarter of the size
    half: float = 0.0  # share after that with inputs of half the size
    online_alone: bool = False  # of data mixed with online pictures, take these alone

    def __post_init__(self) -> None:
        if self.decay not in ("step", "cosine"):
            raise ValueError(f"decay {self.decay!r}: expected step or cosine")
        if min(self.quarter, self.half) < 0 or self.quarter + self.half > 1:
            raise ValueError(f"quarter {self.quarter}, half {self.half}: expected shares from 0 to 1 together")


@dataclass(frozen=True)
class Stage:
    """One stage of a run, in steps."""

    name: str  # of the objective: warm-up, keypoints, shape, finetune, end-to-end
    steps: int
    lr: float
    lr_steps: int = 0
    decay: str = "step"
    quarter: float = 0.0
    half: float = 0.0
    online_alone: bool = False
    added: int = 0  # of the steps, the last ones, which lengthen a run: at the last learning rate of the others


class Position(NamedTuple):
    """Position of a step in the schedule."""

    stage: Stage
    number: int  # of the stage
    within: int  # step of the stage


def stages_of(settings: dict[str, StageSettings], *, rows: int, batch: int, steps: int = 0) -> tuple[Stage, ...]:
    """Stages in steps.

    Args:
        settings: by name, in order.
        rows: of the training data.
        batch: rows a step, over all processes.
        steps: of the whole run, shared out as the epochs are; 0: as many as the epochs need.
    """
    epochs = np.array([stage.epochs for stage in settings.values()])
    whole = steps or max(1, round(float(epochs.sum()) * rows / batch))
    edges = np.round(np.cumsum([0.0, *epochs]) / epochs.sum() * whole).astype(int)
    return tuple(
        Stage(
            name,
            int(end - begin),
            stage.lr,
            stage.lr_steps,
            stage.decay,
            stage.quarter,
            stage.half,
            stage.online_alone,
        )
        for (name, stage), begin, end in zip(settings.items(), edges[:-1], edges[1:], strict=True)
        if end > begin
    )


def lengthened(stages: tuple[Stage, ...], added: int) -> tuple[Stage, ...]:
    """Stages with steps added to the last one; the steps before stay as they are.

    Args:
        stages: of a run.
        added: steps.
    """
    last = stages[-1]
    return (*stages[:-1], replace(last, steps=last.steps + added, added=last.added + added))


def _share(at: Position) -> float:
    """Share of a stage that lies before a step; added steps have that of the last step before them."""
    scheduled = at.stage.steps - at.stage.added
    return min(at.within, scheduled - 1) / scheduled


def position(stages: tuple[Stage, ...], step: int) -> Position:
    """Which stage a step of the run belongs to."""
    before = 0
    for number, stage in enumerate(stages):
        if step < before + stage.steps:
            return Position(stage, number, step - before)
        before += stage.steps
    raise ValueError(f"step {step} lies after the schedule's {before} steps")


def lr_at(at: Position) -> float:
    """The learning rate of a step."""
    share = _share(at)
    if at.stage.decay == "cosine":
        return at.stage.lr * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))
    return at.stage.lr * 0.5 ** math.floor(share * (at.stage.lr_steps + 1) + 1e-9)


def downsample_at(at: Position, least: int = 1) -> int:
    """Downsampling of the encoder's input in a step: 4, 2 or 1. Only the shape stage uses more than the network's own,
    since rendering needs full-size features.

    Args:
        at: position of the step.
        least: the network's ``input_downsample``.
    """
    if at.stage.name != "shape":
        return least
    share = _share(at)
    if share < at.stage.quarter:
        return 4
    return max(least, 2 if share < at.stage.quarter + at.stage.half else 1)


def stage_starts(stages: tuple[Stage, ...]) -> dict[int, float]:
    """Steps at which a stage, or another input size within one, begins -> its share of the stage's steps."""
    starts: dict[int, float] = {}
    before = 0
    for stage in stages:
        quarter, half = (stage.quarter, stage.half) if stage.name == "shape" else (0.0, 0.0)
        within = 0.0
        for share in (quarter, half, 1 - quarter - half):
            if share > 1e-9:
                starts[before + math.ceil(within * stage.steps)] = share
            within += share
        before += stage.steps
    return starts
