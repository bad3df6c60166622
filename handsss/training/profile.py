"""Profiles training steps: loading, encoder, keypoint branch, hand, renderer, losses, backward, optimiser."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from handsss.network.encoder import Features
from handsss.network.s2hand import S2Hand
from handsss.training.sampler import loader
from handsss.training.schedule import Stage, position
from handsss.training.trainer import Trainer

PARTS = (
    "load",
    "encoder",
    "encoder backward",
    "keypoint branch",
    "keypoint branch backward",
    "auxiliary heads",
    "auxiliary heads backward",
    "regressors",
    "hand",
    "render",
    "losses",
    "rest backward",
    "optimiser",
)
NETWORKS = tuple(
    f"{part}{way}" for part in ("encoder", "keypoint branch", "auxiliary heads") for way in ("", " backward")
)


class Profile(NamedTuple):
    """Mean seconds per step."""

    stage: str
    steps: int
    batch: int
    seconds: dict[str, float]  # PARTS

    @property
    def total(self) -> float:
        return sum(self.seconds.values())

    @property
    def rest(self) -> float:
        """Share of the step, without reading, that is neither encoder, keypoint branch nor auxiliary heads."""
        work = self.total - self.seconds["load"]
        return 1 - sum(self.seconds[name] for name in NETWORKS) / work


class _Clock:
    """Accumulates time by name; synchronises the GPU at every reading."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.seconds = device, defaultdict[str, float](float)

    def now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        begin = self.now()
        yield
        self.seconds[name] += self.now() - begin


class _DetachedPart(nn.Module):
    """A part of the network with a detached output, so that its backward pass is timed separately."""

    def __init__(self, part: nn.Module, clock: _Clock, name: str) -> None:
        super().__init__()
        self.part, self.clock, self.name = part, clock, name
        self.outputs: list[Tensor] = []
        self.detached: list[Tensor] = []

    def forward(self, *inputs: Tensor) -> Any:
        with self.clock.timed(self.name):
            result = self.part(*inputs)
        self.outputs = list(result)
        self.detached = [value.detach().requires_grad_() for value in result]
        return Features(*self.detached) if isinstance(result, Features) else tuple(self.detached)

    def backward(self) -> None:
        """Backward pass of the part, from the gradients at its detached output."""
        pairs = [(a, b.grad) for a, b in zip(self.outputs, self.detached, strict=True) if b.grad is not None]
        if pairs:
            with self.clock.timed(f"{self.name} backward"):
                torch.autograd.backward([a for a, _ in pairs], [g for _, g in pairs])
        self.outputs, self.detached = [], []


def profile(
    trainer: Trainer, dataset: Any, stage: str, *, steps: int = 10, warm_up: int = 2, workers: int = 0
) -> Profile:
    """Measure steps of a stage. Weights change as in training.

    Args:
        trainer: of the run.
        dataset: its rows.
        stage: of the objective.
        steps: number of measured steps.
        warm_up: steps before them that do not count.
        workers: processes that read.
    """
    network = trainer.network
    clock = _Clock(trainer.device)
    known = {one.name: one for one in trainer.stages}
    read = trainer.reading(dataset, known.get(stage) or Stage(stage, steps + warm_up, 1e-3))
    pin = trainer.device.type == "cuda"
    rows = iter(
        loader(read, batch=trainer.batch, done=0, total=steps + warm_up, seed=trainer.seed, workers=workers, pin=pin)
    )
    optimiser = trainer.new_optimiser(position(trainer.stages, 0).stage.lr)
    network.train()
    with _instrumented(network, clock) as cuts:
        for number in range(steps + warm_up):
            if number == warm_up:
                clock.seconds.clear()
            with clock.timed("load"):
                batch = trainer.as_batch(next(rows))
            optimiser.zero_grad(set_to_none=True)
            begin = clock.now()
            before = sum(clock.seconds.values())
            terms = trainer.objective(network, batch, stage)
            inside = sum(clock.seconds.values()) - before
            clock.seconds["losses"] += clock.now() - begin - inside
            with clock.timed("rest backward"):
                terms.total.backward()  # type: ignore[no-untyped-call]
            for cut in cuts:
                cut.backward()
            with clock.timed("optimiser"):
                trainer.clip_gradients()
                optimiser.step()
    return Profile(stage, steps, trainer.batch, {name: clock.seconds[name] / steps for name in PARTS})


@contextmanager
def _instrumented(network: S2Hand, clock: _Clock) -> Iterator[list[_DetachedPart]]:
    """The network with detached outputs of its large parts and timers on the others; restored afterwards."""
    encoder, branch, auxiliary = network.encoder, network.branch, network.auxiliary
    pose, render = network.pose, network.render
    regressors = [network.regressor.forward] + ([network.appearance.forward] if network.appearance else [])
    cuts = []  # in the order of their backward passes
    if auxiliary is not None:
        cuts.append(_DetachedPart(auxiliary, clock, "auxiliary heads"))
        network.auxiliary = cuts[-1]  # type: ignore[assignment]
    cuts.append(_DetachedPart(encoder, clock, "encoder"))
    network.encoder = cuts[-1]  # type: ignore[assignment]
    if branch is not None:
        cuts.append(_DetachedPart(branch, clock, "keypoint branch"))
        network.branch = cuts[-1]  # type: ignore[assignment]
    network.pose = _timed(pose, clock, "hand")  # type: ignore[method-assign]
    network.render = _timed(render, clock, "render")  # type: ignore[method-assign]
    network.regressor.forward = _timed(regressors[0], clock, "regressors")  # type: ignore[method-assign]
    if network.appearance is not None:
        network.appearance.forward = _timed(regressors[1], clock, "regressors")  # type: ignore[method-assign]
    try:
        yield cuts
    finally:
        network.encoder, network.branch, network.auxiliary = encoder, branch, auxiliary
        del network.pose, network.render, network.regressor.forward
        if network.appearance is not None:
            del network.appearance.forward


def _timed(function: Callable[..., Any], clock: _Clock, name: str) -> Callable[..., Any]:
    def wrapped(*arguments: Any, **named: Any) -> Any:
        with clock.timed(name):
            return function(*arguments, **named)

    return wrapped
