"""Untrained runs of every kind that the paper compares, and a store to score them on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from handsss.data.keypoints.sources import KeypointFiles
from handsss.data.preprocess import PreprocessOptions, preprocess
from handsss.data.readers.freihand import open_freihand
from handsss.hand.load import load_model
from handsss.network.s2hand import S2Hand
from handsss.training.checkpoint import save_checkpoint
from handsss.training.config import TrainConfig, to_toml
from handsss.training.objective import LossWeights
from tests.evaluation.makers import CAMERA, SMALL, hands, write_freihand


def write_run(
    folder: Path,
    *,
    supervision: str = "ssl",
    baseline: str = "",
    prior: str = "limits",
    data: str = "",
    start: str = "random weights",
    seed: int = 0,
    **weights: float,
) -> Path:
    """A run's folder with an untrained network; further arguments are weights of losses."""
    torch.manual_seed(seed)
    network = replace(SMALL, stacks=0, appearance=False) if baseline else SMALL
    losses = replace(LossWeights(), pose_prior=prior, **weights)
    if baseline:
        losses = replace(losses, w_ori=0.0, w_photo=0.0, w_con=0.0)
    content = {
        "network": S2Hand(load_model("open"), network).state_dict(),
        "config": to_toml(TrainConfig(network=network, losses=losses)),
        "model": "open",
        "keypoint_set": "openpose",
        "mean_bone": 0.033,
        "about": {"supervision": supervision, "baseline": baseline, "data": data, "step": 7, "start": start},
    }
    folder.mkdir(parents=True)
    save_checkpoint(folder / "final.pt", content)
    return folder


def write_store(folder: Path, count: int = 9) -> Path:
    """A store of training pictures with true joints and meshes, and keypoints three pixels off as detections."""
    made = hands(count)
    root = write_freihand(folder / "data", made, training=made)
    points = (made.freihand / made.freihand[..., 2:] @ CAMERA.T)[..., :2] + [3.0, 0.0]
    detections = folder / "detections.json"
    detections.write_text(json.dumps([points.tolist(), np.ones((count, 21)).tolist(), []]))
    target = folder / "training.h5"
    preprocess(open_freihand(root), KeypointFiles(detections), target, PreprocessOptions())
    return target
