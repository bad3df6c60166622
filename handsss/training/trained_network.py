"""A trained network with all settings of its run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch

from handsss.network.checkpoint import FINAL, LATEST, checkpoint_file, load_network
from handsss.network.precision import FLOAT32
from handsss.network.s2hand import S2Hand
from handsss.training.config import TrainConfig, from_toml

__all__ = ["FINAL", "LATEST", "TrainedNetwork", "checkpoint_file", "load_trained_network"]


class TrainedNetwork(NamedTuple):
    """A checkpoint's network, settings and description."""

    path: Path  # of the file that was read
    network: S2Hand  # for right hands, in evaluation mode
    config: TrainConfig
    model: str  # hand model: "open", "mano" or a path
    keypoint_set: str  # definition of the 2D keypoints that it was trained on
    about: dict[str, Any]  # supervision, baseline, data, step, program: see docs/guides/train.md


def load_trained_network(path: Path, device: str | torch.device = "cpu", precision: str = FLOAT32) -> TrainedNetwork:
    """Read a checkpoint and build its network: see :func:`handsss.network.checkpoint.load_network`.

    Args:
        path: a checkpoint, or a run's folder.
        device: of the network.
        precision: that it predicts in: float32, bfloat16 or float16.

    Raises:
        InputError: see there.
        UserError: an unknown precision; settings that this program does not know.
    """
    loaded = load_network(path, device, precision)
    config = from_toml(loaded.config, f"{loaded.path} (its config)")
    return TrainedNetwork(loaded.path, loaded.network, config, loaded.model, loaded.keypoint_set, loaded.about)
