"""Restores a run from its latest checkpoint."""

from __future__ import annotations

from pathlib import Path

import torch

from handsss.data.mixture import WeightedStore
from handsss.data.online.dataset import backgrounds_of, is_online
from handsss.errors import InputError, UserError
from handsss.network.checkpoint import load_checkpoint
from handsss.training.config import from_toml
from handsss.training.distributed import Processes
from handsss.training.recipe import Recipe
from handsss.training.run import TrainingRun
from handsss.training.trained_network import FINAL, LATEST


def restore_run(
    folder: Path,
    *,
    device: torch.device,
    processes: Processes | None = None,
    command: list[str] | None = None,
    steps: int | None = None,
) -> TrainingRun:
    """A run in the state of its latest checkpoint.

    Args:
        folder: of the run.
        device: to continue on.
        processes: this one among those that train together.
        command: what the user typed.
        steps: of the whole run, to lengthen it: its last stage goes on at its last learning rate. None: as before.

    Raises:
        InputError: no checkpoint there, or its data are gone.
        UserError: the run is finished, or has as many steps already.
    """
    path = folder / LATEST
    if not path.exists():
        raise InputError(f"{folder}: no {LATEST} here to go on from. Begin without {{resume}}.", options=["resume"])
    content = load_checkpoint(path)
    about = dict(content["about"])
    if steps is None and content["step"] >= about["steps"]:
        raise UserError(
            f"{folder}: this run is finished ({about['steps']} steps). Its result is {folder / FINAL}. Lengthen it "
            "with {resume} and more {steps}, or begin another.",
            options=["resume", "steps"],
        )
    if steps is not None and steps <= about["steps"]:
        raise UserError(
            f"{{steps}} {steps}: this run has {about['steps']} steps. Expected more, to lengthen it; leave {{steps}} "
            "out to make those that are left.",
            options=["steps"],
        )
    if steps is not None:
        content["added_steps"] = int(content.get("added_steps", 0)) + steps - int(about["steps"])
    config = from_toml(str(content["config"]), str(path))
    mixture = tuple(
        WeightedStore(_there(one["data"], "training"), float(one["weight"])) for one in about.get("mixture", [])
    )
    data = mixture[0].path if mixture else _there(about["data"], "training")
    validation = _there(about["validation"], "validation") if about["validation"] else None
    recipe = Recipe(data, validation, about["supervision"], about["baseline"], str(content["model"]), mixture)
    return TrainingRun(folder, config, recipe, device=device, processes=processes, command=command, resumed=content)


def _there(name: str, what: str) -> Path:
    path = Path(name)
    folder = backgrounds_of(path) if is_online(path) else path
    if folder is not None and not folder.exists():
        raise InputError(f"{folder}: the run's {what} data are not there any more. Put the file back to go on.")
    return path
