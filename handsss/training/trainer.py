"""The training loop: network, optimiser and their position in the schedule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import Dataset

from handsss.data.dataset import HandDataset
from handsss.data.device_augment import RAW, augment_on_device
from handsss.data.mixture import online_part
from handsss.data.online.dataset import UNIFORM, OnlineHands
from handsss.geometry.cameras import project
from handsss.network.s2hand import S2Hand
from handsss.training.batch_rows import joined
from handsss.training.collapse import CollapseMonitor, health
from handsss.training.distributed import Processes
from handsss.training.ema import ExponentialMovingAverage
from handsss.training.objective import WARM_UP, Batch, GradientNotFiniteError, Objective, Terms
from handsss.training.sampler import loader, read_batches
from handsss.training.schedule import Position, Stage, downsample_at, lr_at, position


class Step(NamedTuple):
    """Result of a step."""

    number: int  # in the run, from 0
    stage: str
    lr: float
    terms: Terms
    gradient: float  # L2 norm before clipping
    batch: Batch


class Supervised(nn.Module):
    """Network and objective as one module, for DistributedDataParallel."""

    def __init__(self, network: S2Hand, objective: Objective) -> None:
        super().__init__()
        self.network, self.objective = network, objective

    def forward(self, batch: Batch, stage: str) -> Terms:
        return self.objective(self.network, batch, stage)


class Trainer:
    """Trains a network along a schedule.

    Args:
        network: is trained in place.
        objective: is minimised.
        stages: the schedule.
        batch: samples per step, over all processes.
        seed: of the order of samples.
        grad_clip: largest norm of the gradient; 0: no clipping.
        supervised: full supervision: projected true joints take the place of detections, with equal confidences, and
            true joints are given to the objective.
        online_truth: without full supervision: give the objective the true joints of online pictures.
        ema_decay: of averaged weights; 0: none are kept.
        augment_on: where images are augmented: "workers" that read them, the "device" that trains, or "auto": the
            device if it is a GPU.
        monitor: stops collapsed runs; None: no check.
        processes: this one among those that train together.

    Raises:
        ValueError: a batch that cannot be shared out among the processes.
    """

    def __init__(
        self,
        network: S2Hand,
        objective: Objective,
        stages: tuple[Stage, ...],
        *,
        batch: int = 64,
        seed: int = 0,
        grad_clip: float = 10.0,
        supervised: bool = False,
        online_truth: bool = False,
        ema_decay: float = 0.0,
        augment_on: Literal["auto", "workers", "device"] = "auto",
        monitor: CollapseMonitor | None = None,
        processes: Processes | None = None,
    ) -> None:
        self.processes = processes or Processes()
        if batch % self.processes.size:
            raise ValueError(f"a batch of {batch} cannot be shared out among {self.processes.size} processes")
        self.network, self.objective, self.stages = network, objective, stages
        self.batch, self.seed, self.grad_clip, self.supervised = batch, seed, grad_clip, supervised
        self.monitor, self.online_truth = monitor, online_truth
        self.finishes = augment_on == "device" or (augment_on == "auto" and self.device.type == "cuda")
        self.ema = ExponentialMovingAverage(network, ema_decay) if ema_decay > 0 else None
        self.step = 0
        self.current: tuple[Batch, str] | None = None  # batch and stage of the step that runs or ran last
        self.online: OnlineHands | None = None  # that paints rows which are yet to be painted
        self._stage = -1
        self.optimiser = self.new_optimiser()
        module: nn.Module = Supervised(network, objective)
        if self.processes.size > 1:
            # Stages use parts of the network only, so it is looked up which parameters got a gradient.
            device = next(network.parameters()).device
            where = [device] if device.type == "cuda" else None
            module = DistributedDataParallel(module, device_ids=where, find_unused_parameters=True)
        self.module = module

    @property
    def total(self) -> int:
        """Steps of the whole schedule."""
        return sum(stage.steps for stage in self.stages)

    @property
    def device(self) -> torch.device:
        """Of the network."""
        return next(self.network.parameters()).device

    def new_optimiser(self, lr: float = 1e-3) -> torch.optim.Adam:
        """Adam without state; every step sets the learning rate."""
        return torch.optim.Adam(self.network.parameters(), lr=lr, fused=True)

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
            on_step: called after every step.

        Raises:
            TermNotFiniteError, GradientNotFiniteError, CollapseError: see there.
        """
        end = self.total if until is None else min(until, self.total)
        while self.step < end:
            at = position(self.stages, self.step)
            batches = loader(
                self.reading(dataset, at.stage),
                batch=self.batch,
                done=self.step,
                total=self.step - at.within + at.stage.steps,
                seed=self.seed,
                workers=workers,
                share=(self.processes.rank, self.processes.size),
                pin=self.device.type == "cuda",
            )
            for row in read_batches(batches):
                on_step(self.one_step(self.as_batch(row)))
                if self.step >= end:
                    return

    def reading(self, dataset: Dataset[dict[str, Tensor]], stage: Stage) -> Dataset[dict[str, Tensor]]:
        """The rows of a stage, at the size and with the augmentation that it needs."""
        if not isinstance(dataset, HandDataset):
            return dataset
        self.online = online_part(dataset)
        if self.online is not None and stage.online_alone:
            dataset = self.online
        least = self.network.settings.input_downsample
        if least > 1 and stage.name in (WARM_UP, "shape"):
            dataset = dataset.reduced(least)  # the encoder alone uses no more pixels
        return dataset.deferred() if self.finishes else dataset

    def as_batch(self, row: dict[str, Tensor]) -> Batch:
        """A batch of rows on the network's device, where online pictures are painted."""
        row = joined(row, self._finished)

        def there(name: str) -> Tensor:
            return row[name].to(self.device, non_blocking=True)

        image = there("image")
        K = there("K")
        if not self.supervised:

            def or_unknown(name: str, columns: int) -> Tensor:
                """In every batch, though it may lack the field: processes wait for each other in the terms."""
                return there(name) if name in row else K.new_full((len(K), 21, columns), torch.nan)

            world = or_unknown("world_3d", 4) if self.objective.weights.w_depth > 0 else None
            joints = or_unknown("joints_3d", 3) if self.online_truth else None
            return Batch(image, there("keypoints_2d"), there("confidence"), K, joints, row.get("index"), world)
        joints = there("joints_3d")
        known = torch.isfinite(joints).all(-1)
        projected = project(torch.where(known[..., None], joints, torch.ones_like(joints)), K)
        return Batch(image, projected, known.to(joints.dtype), K, joints, row.get("index"))

    def _finished(self, row: dict[str, Tensor]) -> dict[str, Tensor]:
        """Rows of one kind with their images."""
        if UNIFORM in row:
            assert self.online is not None
            return self.online.paint(row, self.device)
        return {**row, "image": augment_on_device(row, self.device)} if RAW in row else row

    def one_step(self, batch: Batch) -> Step:
        """One step of the optimiser."""
        at = position(self.stages, self.step)
        self.current = batch, at.stage.name
        lr = self._enter(at)
        self.network.train()
        self.optimiser.zero_grad(set_to_none=True)
        terms: Terms = self.module(batch, at.stage.name)
        if self.monitor is not None:
            self.monitor.watch(health(terms, batch))
        terms.total.backward()  # type: ignore[no-untyped-call]
        norm = self.clip_gradients()
        if not norm < float("inf"):
            names = [name for name, p in self.network.named_parameters() if _broken(p.grad)]
            raise GradientNotFiniteError(names, self.objective.gradient_terms(self.network, batch, at.stage.name))
        self.optimiser.step()
        if self.ema is not None:
            self.ema.update(self.network)
        self.step += 1
        return Step(self.step - 1, at.stage.name, lr, terms, norm, batch)

    def _enter(self, at: Position) -> float:
        """Set the learning rate (returned) and input size of a step; a stage starts with a new optimiser."""
        if at.number != self._stage:
            # Adam's moments do not carry over: the next stage has other terms.
            self.optimiser, self._stage = self.new_optimiser(), at.number
        self.network.input_downsample = downsample_at(at, self.network.settings.input_downsample)
        lr = lr_at(at)
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        return lr

    def clip_gradients(self) -> float:
        """Clip the gradient to the norm ``grad_clip``; its norm before."""
        given = [p for p in self.network.parameters() if p.grad is not None]
        return float(torch.nn.utils.clip_grad_norm_(given, self.grad_clip if self.grad_clip > 0 else float("inf")))

    def state(self) -> dict[str, Any]:
        """State dictionary: see :meth:`restore`."""
        state = {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "stage": self._stage,
            "random": torch.get_rng_state(),
        }
        if self.ema is not None:
            state |= {"averaged": self.ema.state, "averaged_steps": self.ema.steps}
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state`; bit for bit on the same machine's CPU."""
        self.network.load_state_dict(state["network"])
        self.step, self._stage = int(state["step"]), int(state["stage"])
        self.optimiser = self.new_optimiser()
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"].cpu())
        if self.ema is not None and "averaged" in state:
            self.ema.restore(state["averaged"], int(state["averaged_steps"]))


def _broken(gradient: Tensor | None) -> bool:
    return gradient is not None and not bool(torch.isfinite(gradient).all())
