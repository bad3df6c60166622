"""Commands as they are typed, in this process, and a run for them to read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from handsss.cli.main import run
from handsss.hand.load import load_model
from handsss.network.s2hand import NetworkSettings, S2Hand
from handsss.training.checkpoint import save_checkpoint


def typed(*arguments: object) -> int:
    """The exit code."""
    with pytest.raises(SystemExit) as end:
        run([str(argument) for argument in arguments])
    return int(end.value.code or 0)


def small_run(folder: Path, more: str, *, stacks: int = 0, **content: Any) -> Path:
    """A run's folder with an untrained network, by default without keypoint branch.

    Args:
        folder: of the run.
        more: TOML below its network's settings.
        stacks: of the keypoint branch, each small.
        content: further entries of the checkpoint.
    """
    torch.manual_seed(0)
    network = S2Hand(load_model("open"), NetworkSettings("efficientnet-b0", stacks=stacks, features=16))
    config = f"[network]\nencoder = 'efficientnet-b0'\nstacks = {stacks}\nfeatures = 16\n{more}"
    entries = {"network": network.state_dict(), "model": "open", "keypoint_set": "openpose", "config": config}
    save_checkpoint(folder / "final.pt", entries | content)
    return folder
