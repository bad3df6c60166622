"""Weights & Biases: offline in the run's folder, unless WANDB_MODE says otherwise."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping

import numpy as np

from handsss.training.loggers.base import RunFacts


class WandbLogger:
    """Writes RUN/wandb; ``wandb sync`` sends it, or WANDB_MODE=online while it trains.

    Args:
        facts: of the run; a resumed one goes on under its identity.
    """

    def __init__(self, facts: RunFacts) -> None:
        mode = os.environ.get("WANDB_MODE", "offline")
        if mode == "offline":
            os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # reports of its own faults go over the network
        import wandb

        self._wandb = wandb
        identity = facts.identity("wandb") or secrets.token_hex(4)
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "handsss"),
            name=facts.name,
            id=identity,
            resume="allow" if mode == "online" else None,
            dir=str(facts.folder),
            mode=mode,
            config=dict(facts.settings),
            settings=wandb.Settings(console="off", save_code=False, disable_git=True, silent=True),
        )
        facts.keep_identity("wandb", identity)

    def values(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def picture(self, step: int, name: str, picture: np.ndarray) -> None:
        self._run.log({name: self._wandb.Image(picture)}, step=step)

    def close(self) -> None:
        self._run.finish()
