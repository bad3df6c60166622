"""The steps of one run: stages, learning rates, batches in a fixed order, and going on where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from handsss.network.s2hand import S2Hand
from handsss.training.collapse import CollapseMonitor, health
from handsss.training.objective import STAGES, Batch, Objective, Terms


@dataclass(frozen=True)
class Stage:
    """One stage of the schedule."""

    name: str  # of the objective: keypoints, shape, finetune
    steps: int
    rate: float  # Adam's at its start
    drops: tuple[float, ...] = (0.25, 0.5, 0.75)  # shares of the stage after which the rate is halved


# Method, section 3: 120 + 120 + 60 epochs, learning rates 1e-3, 1e-3, 2.5e-4.
SHARES = {"keypoints": 120, "shape": 120, "finetune": 60}
RATES = {"keypoints": 1e-3, "shape": 1e-3, "finetune": 2.5e-4}
DROPS = {"keypoints": (0.25, 0.5, 0.75), "shape": (0.25, 0.5, 0.75), "finetune": (1 / 3, 2 / 3)}


def stages_of(steps: int, names: tuple[str, ...] = STAGES) -> tuple[Stage, ...]:
    """Share a number of steps out over stages as the method shares its epochs; rates and drops are the method's.

    Args:
        steps: of the whole run.
        names: stages, in order.
    """
    total = sum(SHARES[name] for name in names)
    edges = np.round(np.cumsum([0, *(SHARES[name] for name in names)]) / total * steps).astype(int)
    return tuple(
        Stage(name, int(b - a), RATES[name], DROPS[name])
        for name, a, b in zip(names, edges[:-1], edges[1:], strict=True)
        if b > a
    )


class Position(NamedTuple):
    """A step's place in the schedule."""

    stage: Stage
    number: int  # of the stage
    within: int  # step of the stage


def position(stages: tuple[Stage, ...], step: int) -> Position:
    """Which stage a step of the run belongs to."""
    before = 0
    for number, stage in enumerate(stages):
        if step < before + stage.steps:
            return Position(stage, number, step - before)
        before += stage.steps
    raise ValueError(f"step {step} lies behind the schedule's {before} steps")


def rate_at(place: Position) -> float:
    """The learning rate: halved at each drop."""
    share = place.within / place.stage.steps
    passed: int = sum(share >= drop for drop in place.stage.drops)
    return place.stage.rate * 0.5**passed


class OrderedSampler(Sampler[int]):
    """Rows in a random order that is new every epoch and the same for the same seed, from any row on.

    Args:
        rows: of the dataset.
        seed: of the order.
        start: rows that were read before, over all epochs.
        count: rows to read.
    """

    def __init__(self, rows: int, seed: int, start: int, count: int) -> None:
        self.rows, self.seed, self.start, self.count = rows, seed, start, count

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        epoch, order = -1, np.zeros(0, dtype=np.int64)
        for place in range(self.start, self.start + self.count):
            if place // self.rows != epoch:
                epoch = place // self.rows
                order = np.random.default_rng((self.seed, epoch)).permutation(self.rows)
            yield int(order[place % self.rows])


class Step(NamedTuple):
    """What happened in a step."""

    number: int  # of the run, from 0
    stage: str
    rate: float
    terms: Terms
    gradient: float  # norm before clipping


class Trainer:
    """Network, optimiser and their place in the schedule.

    Args:
        network: is trained.
        objective: what for.
        stages: the schedule.
        batch: rows a step.
        seed: of the order of rows.
        clip: norm to which gradients are cut; 0: not.
        supervised: true joints are given to the objective (full supervision).
        monitor: stops collapsed runs; None: does not.
    """

    def __init__(
        self,
        network: S2Hand,
        objective: Objective,
        stages: tuple[Stage, ...],
        *,
        batch: int = 64,
        seed: int = 0,
        clip: float = 10.0,
        supervised: bool = False,
        monitor: CollapseMonitor | None = None,
    ) -> None:
        self.network, self.objective, self.stages = network, objective, stages
        self.batch, self.seed, self.clip, self.supervised = batch, seed, clip, supervised
        self.monitor = monitor
        self.step = 0
        self._stage = -1
        self.optimiser = self._new_optimiser()

    @property
    def total(self) -> int:
        """Steps of the whole schedule."""
        return sum(stage.steps for stage in self.stages)

    def _new_optimiser(self) -> torch.optim.Adam:
        return torch.optim.Adam(self.network.parameters(), lr=1e-3)

    def loader(self, dataset: Dataset[dict[str, Tensor]], workers: int = 0) -> DataLoader[dict[str, Tensor]]:
        """The batches that are still to come, in the order that an uninterrupted run has."""
        rows = len(dataset)  # type: ignore[arg-type]
        sampler = OrderedSampler(rows, self.seed, self.step * self.batch, (self.total - self.step) * self.batch)
        # A generator of its own: the loader must not draw from the random state that a resumed run restores.
        return DataLoader(
            dataset,
            batch_size=self.batch,
            sampler=sampler,
            num_workers=workers,
            drop_last=True,
            generator=torch.Generator().manual_seed(self.seed),
        )

    def run(
        self,
        dataset: Dataset[dict[str, Tensor]],
        *,
        workers: int = 0,
        until: int | None = None,
        on_step: Callable[[Step], None] = lambda step: None,
    ) -> None:
        """Train up to a step of the schedule.

        Args:
            dataset: rows as :class:`handsss.data.dataset.HandDataset` gives them.
            workers: processes that read.
            until: step to stop before; None: the end.
            on_step: told every step.

        Raises:
            TermNotFiniteError, CollapseError: see there.
        """
        end = self.total if until is None else min(until, self.total)
        if self.step >= end:
            return
        for row in self.loader(dataset, workers):
            on_step(self.one_step(self.as_batch(row)))
            if self.step >= end:
                return

    def as_batch(self, row: dict[str, Tensor]) -> Batch:
        """Rows on the network's device."""
        device = next(self.network.parameters()).device
        joints = row.get("joints_3d") if self.supervised else None
        return Batch(
            row["image"].to(device, non_blocking=True),
            row["keypoints_2d"].to(device),
            row["confidence"].to(device),
            row["K"].to(device),
            None if joints is None else joints.to(device),
            row.get("index"),
        )

    def one_step(self, batch: Batch) -> Step:
        """One step of the optimiser."""
        place = position(self.stages, self.step)
        if place.number != self._stage:
            # Moments of one stage mean nothing to the next, whose terms are others.
            self.optimiser, self._stage = self._new_optimiser(), place.number
        rate = rate_at(place)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.network.train()
        self.optimiser.zero_grad(set_to_none=True)
        terms = self.objective(self.network, batch, place.stage.name)
        if self.monitor is not None:
            self.monitor.watch(health(terms, batch))
        terms.total.backward()  # type: ignore[no-untyped-call]
        given = [p for p in self.network.parameters() if p.grad is not None]
        norm = torch.nn.utils.clip_grad_norm_(given, self.clip if self.clip > 0 else float("inf"))
        self.optimiser.step()
        self.step += 1
        return Step(self.step - 1, place.stage.name, rate, terms, float(norm))

    def state(self) -> dict[str, Any]:
        """All that is needed to go on: see :meth:`restore`."""
        return {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "stage": self._stage,
            "random": torch.get_rng_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state`, bit for bit on the same machine's CPU."""
        self.network.load_state_dict(state["network"])
        self.step, self._stage = int(state["step"]), int(state["stage"])
        self.optimiser = self._new_optimiser()
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"].cpu())
