"""Batches that gave NaN or infinity: kept with the network's state, and computed again."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch

from handsss.errors import InputError
from handsss.hand.load import load_model
from handsss.network.checkpoint import load_checkpoint, load_weights
from handsss.network.s2hand import S2Hand
from handsss.training.checkpoint import save_checkpoint
from handsss.training.config import TrainConfig, from_toml, to_toml
from handsss.training.objective import Batch, NotFiniteError, Objective

KIND = "batch"


def keep_batch(
    path: Path,
    network: S2Hand,
    objective: Objective,
    batch: Batch,
    *,
    config: TrainConfig,
    model: str,
    stage: str,
    step: int,
    reason: str,
) -> None:
    """Write a batch with all that computing it again needs.

    Raises:
        UserError: it cannot be written.
    """
    rows = {name: value.cpu() for name, value in batch._asdict().items() if value is not None}
    save_checkpoint(
        path,
        {
            "kind": KIND,
            "network": network.state_dict(),
            "config": to_toml(config),
            "model": model,
            "keypoint_set": objective.keypoint_set,
            "mean_bone": objective.mean_bone,
            "joints_set": objective.joints_set,
            "batch": rows,
            "stage": stage,
            "step": step,
            "reason": reason,
        },
    )


class ReplayResult(NamedTuple):
    """Terms and gradients of a kept batch, computed again."""

    step: int
    stage: str
    reason: str  # the run's message then
    terms: dict[str, float]  # unweighted
    broken_gradients: list[str]  # terms whose gradient is not finite
    data: list[str]  # of the batch's tensors, those that hold NaN or infinity
    samples: list[int]  # rows of the data whose values or predictions are not finite
    message: str  # what is wrong; empty: all is finite now


def replay(path: Path, device: torch.device) -> ReplayResult:
    """Compute a kept batch again.

    Raises:
        InputError: not such a file.
    """
    content: dict[str, Any] = load_checkpoint(path, device)
    if content.get("kind") != KIND:
        raise InputError(f"{path}: holds no batch. Expected the bad-batch file that a run names when it stops.")
    config = from_toml(str(content["config"]), str(path))
    network = S2Hand(load_model(str(content["model"])), config.network).to(device)
    load_weights(network, content["network"], path)
    network.train()
    joints_set = str(content.get("joints_set", ""))
    objective = Objective(config.losses, str(content["keypoint_set"]), float(content["mean_bone"]), joints_set)
    batch = Batch(**{name: value.to(device) for name, value in content["batch"].items()})
    stage = str(content["stage"])
    weighted, _, _ = objective.weighted_terms(network, batch, stage)
    terms = {name: float(value.detach()) for name, (_, value) in weighted.items()}
    message = ""
    samples: list[int] = []
    data: list[str] = []
    try:
        objective(network, batch, stage)
    except NotFiniteError as error:
        message = str(error)
        samples, data = getattr(error, "samples", []), getattr(error, "data", [])
    broken = objective.gradient_terms(network, batch, stage)
    if broken and not message:
        message = f"the gradient of {', '.join(broken)} is not finite."
    return ReplayResult(
        int(content["step"]), stage, str(content["reason"]), terms, broken, list(data), list(samples), message
    )
