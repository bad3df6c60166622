"""Hands, datasets and checkpoints small enough to be made for a test."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from handsss.evaluation.evaluate import evaluate
from handsss.evaluation.evaluate_network import Submission
from handsss.evaluation.samples import Evaluation, Samples
from handsss.geometry.cameras import to_opengl
from handsss.hand.joints import reorder_indices
from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model
from handsss.network.s2hand import NetworkSettings, S2Hand
from handsss.training.checkpoint import save_checkpoint
from handsss.training.config import TrainConfig, to_toml

FOCAL, CENTRE = 480.0, 112.0
CAMERA = np.array([[FOCAL, 0.0, CENTRE], [0.0, FOCAL, CENTRE], [0.0, 0.0, 1.0]])
SMALL = NetworkSettings(encoder="efficientnet-b0", stacks=1, features=16, modules=1)


class Hands(NamedTuple):
    """Posed open hands, 60 cm before the camera."""

    vertices: np.ndarray  # [N, 778, 3]
    freihand: np.ndarray  # [N, 21, 3] joints by FreiHAND's definition
    ho3d: np.ndarray  # [N, 21, 3] by HO-3D's


@lru_cache(maxsize=8)
def hands(count: int = 6, seed: int = 0) -> Hands:
    rng = np.random.default_rng(seed)
    layer = HandLayer(load_model("open"), flat_hand_mean=True, dtype=torch.float64)
    with torch.no_grad():
        output = layer(
            axis_angle=torch.as_tensor(rng.normal(scale=0.2, size=(count, 45))),
            shape=torch.as_tensor(rng.normal(size=(count, 10))),
            rotation=torch.as_tensor(rng.normal(scale=1.5, size=(count, 3))),
            translation=torch.as_tensor(rng.normal(scale=0.03, size=(count, 3)) + [0, 0, 0.6]),
        )
        sets = [layer.keypoints(output, name).numpy() for name in ("freihand", "ho3d")]
    return Hands(output.vertices.numpy(), *sets)


def noisy(points: np.ndarray, scale: float, seed: int = 1) -> np.ndarray:
    return points + np.random.default_rng(seed).normal(scale=scale, size=points.shape)


def samples(
    joints: np.ndarray, true_joints: np.ndarray, vertices: np.ndarray | None, true_vertices: np.ndarray | None
) -> Samples:
    same = vertices is not None and true_vertices is not None and vertices.shape == true_vertices.shape
    count = len(joints)
    return Samples(
        [f"{i:08d}.jpg" for i in range(count)],
        joints,
        true_joints,
        vertices,
        true_vertices,
        {},
        None,
        None,
        np.tile(CAMERA, (count, 1, 1)),
        None,
        np.arange(count),
        corresponding=same,
    )


def write_lists(path: Path, **lists: np.ndarray) -> None:
    for name, values in lists.items():
        (path.parent / f"{path.name}_{name}.json").write_text(json.dumps(np.round(values, 7).tolist()))


def write_freihand(root: Path, made: Hands, *, truth: bool = True, training: Hands | None = None) -> Path:
    """FreiHAND's layout: an evaluation picture a hand, and training pictures if asked for."""
    for split, content in (("evaluation", made), ("training", training)):
        if content is None:
            continue
        folder = root / split / "rgb"
        folder.mkdir(parents=True)
        for number in range(len(content.vertices)):
            pixels = np.random.default_rng(number).integers(0, 255, (224, 224, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number:08d}.jpg")
        joints = content.freihand
        count = len(joints)
        scale = np.linalg.norm(joints[:, 9] - joints[:, 10], axis=1)
        write_lists(root / split, K=np.tile(CAMERA, (count, 1, 1)), scale=scale)
        if truth or split == "training":
            write_lists(root / split, xyz=joints, verts=content.vertices)
    return root


def prediction_lists(joints: np.ndarray, vertices: np.ndarray, *, ho3d: bool = False) -> list[list[object]]:
    """[xyz, verts] in FreiHAND's convention, or in HO-3D's."""
    if ho3d:
        joints, vertices = to_opengl(joints[:, reorder_indices("openpose", "ho3d")]), to_opengl(vertices)
    return [np.round(joints, 7).tolist(), np.round(vertices, 7).tolist()]


def write_checkpoint(
    path: Path, keypoint_set: str = "freihand", *, settings: NetworkSettings = SMALL, model: str = "open"
) -> Path:
    """An untrained network."""
    torch.manual_seed(0)
    network = S2Hand(load_model(model), settings)
    content = {
        "network": network.state_dict(),
        "config": to_toml(TrainConfig(network=settings)),
        "model": model,
        "keypoint_set": keypoint_set,
        "mean_bone": 0.033,
        "about": {"supervision": "ssl", "baseline": "", "step": 0},
    }
    save_checkpoint(path, content)
    return path


def score_network(checkpoint: Path, data: Path, **options: Any) -> Evaluation:
    """A network's evaluation, on the CPU."""
    found = evaluate(checkpoint=checkpoint, data=data, device="cpu", **options).evaluation
    assert found is not None
    return found


def score_file(predictions: Path, data: Path, **options: Any) -> Evaluation:
    """The evaluation of a prediction file."""
    found = evaluate(predictions=predictions, data=data, device="cpu", **options).evaluation
    assert found is not None
    return found


def submit(checkpoint: Path, data: Path, submission: Path, **options: Any) -> Submission:
    """A network's predictions as the benchmark's file, made on the CPU."""
    found = evaluate(checkpoint=checkpoint, data=data, submission=submission, device="cpu", **options).submission
    assert found is not None
    return found
