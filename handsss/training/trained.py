"""A trained network with what belongs to it: its settings, hand model, and the keypoints it was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch

from handsss.errors import InputError
from handsss.hand.model import load_model
from handsss.network.s2hand import S2Hand
from handsss.training.checkpoint import load_checkpoint, load_weights
from handsss.training.config import TrainConfig, from_toml

FINAL, LATEST = "final.pt", "latest.pt"  # of a run's folder: the result's weights; all that --resume needs


class Trained(NamedTuple):
    """What a checkpoint holds."""

    path: Path  # of the file that was read
    network: S2Hand  # for right hands, in evaluation mode
    config: TrainConfig
    model: str  # hand model: "open", "mano" or a path
    keypoint_set: str  # definition of the 2D keypoints that it was trained on
    about: dict[str, Any]  # supervision, baseline, data, step, program: see docs/training.md


def checkpoint_file(path: Path) -> Path:
    """The checkpoint that a path means: the file itself, or of a run's folder its result, or else its latest state.

    Raises:
        InputError: a folder without either.
    """
    if not path.is_dir():
        return path
    for name in (FINAL, LATEST):
        if (path / name).exists():
            return path / name
    raise InputError(f"{path}: holds neither {FINAL} nor {LATEST}. Expected a folder that `handsss train` wrote.")


def load_trained(path: Path, device: str | torch.device = "cpu") -> Trained:
    """Read a checkpoint and build its network; averaged weights are taken where there are some.

    Args:
        path: a checkpoint, or a run's folder.
        device: of the network.

    Raises:
        InputError: not readable as a checkpoint, or its weights do not fit its settings (names the layers), or its
            hand model is not here.
    """
    file = checkpoint_file(path)
    content = load_checkpoint(file, device)
    absent = [key for key in ("network", "config", "model", "keypoint_set") if key not in content]
    if absent:
        raise InputError(f"{file}: lacks {', '.join(absent)}. Expected a file that `handsss train` wrote.")
    config = from_toml(str(content["config"]), f"{file} (its config)")
    model = str(content["model"])
    network = S2Hand(load_model(model), config.network)
    load_weights(network, content.get("averaged") or content["network"], file)
    about = dict(content.get("about", {})) | {"program": content.get("program")}
    return Trained(file, network.to(device).eval(), config, model, str(content["keypoint_set"]), about)
