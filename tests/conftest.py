"""Reconstructed hands made from the open model, so that input and output are tested without fitting anything."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from handsss.geometry.cameras import intrinsics_from_fov
from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model
from handsss.hand.result import HandResult
from tests.film_files import hand_film
from tests.mano_files import (  # fixtures
    bent_mano,
    handlike_mano,
    make_mano,
    mano_arrays,
    mano_model,
    own_cache,
    small_mano,
    write_mano,
)

__all__ = [
    "bent_mano",
    "hand_film",
    "handlike_mano",
    "make_mano",
    "mano_arrays",
    "mano_model",
    "own_cache",
    "small_mano",
    "write_mano",
]

MakeHand = Callable[..., HandResult]


def _pixels(points: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    return points[:, :2] / points[:, 2:] @ intrinsics[:2, :2].T + intrinsics[:2, 2]


def _make_hand(
    side: str = "right",
    *,
    size: tuple[int, int] = (640, 480),
    textured: bool = True,
    depth: float = 0.45,
    seed: int = 0,
) -> HandResult:
    """A posed open hand in the middle of a photo (width, height)."""
    rng = np.random.default_rng(seed)
    model = load_model("open", side)  # type: ignore[arg-type]
    layer = HandLayer(model, flat_hand_mean=True, dtype=torch.float64)
    pose = torch.as_tensor(rng.normal(scale=0.15, size=(1, 45)))
    rotation = torch.tensor([[0.3, 1.1, 1.2]], dtype=torch.float64)
    with torch.no_grad():
        free = layer(axis_angle=pose, rotation=rotation)
        shift = torch.tensor([[0.0, 0.0, depth]], dtype=torch.float64) - free.vertices.mean(1)
        output = layer(axis_angle=pose, rotation=rotation, translation=shift)
        joints = layer.keypoints(output, "openpose")[0].numpy()
    intrinsics = intrinsics_from_fov(*size)
    joints_2d = _pixels(joints, intrinsics)
    noisy = joints_2d + rng.normal(scale=2.0, size=(21, 2))
    texture = rng.integers(90, 230, (32, 32, 3), dtype=np.uint8) if textured else None
    return HandResult(
        hand=side,
        score=0.93,
        model="open",
        intrinsics=intrinsics,
        keypoints_2d=np.concatenate([noisy, rng.uniform(0.1, 1, (21, 1))], 1),
        keypoint_set="openpose",
        joints_3d=joints,
        joints_2d=joints_2d,
        kinematic_joints_3d=output.joints[0].numpy(),
        vertices=output.vertices[0].numpy(),
        faces=model.faces,
        pose=pose[0].numpy(),
        shape=np.zeros(10),
        rotation=rotation[0].numpy(),
        scale=1.0,
        translation=shift[0].numpy(),
        light=np.array([0.7, 0.5, 1, 1, 1, 1, 1, 1, 0.3, -0.5, -0.8]),
        vertex_colours=rng.uniform(0.2, 0.9, (model.vertex_count, 3)),
        uv=model.uv,
        uv_faces=model.uv_faces,
        texture=texture,
        seconds={"detect": 0.1, "predict": 0.0, "fit": 0.2, "texture": 0.1, "export": 0.0},
        fit={"reprojection_px": 2.5, "reprojection_of_box": 0.012},
    )


@pytest.fixture(scope="session")
def make_hand() -> MakeHand:
    """``make_hand("left", size=(640, 480), textured=False, depth=0.45, seed=1)`` gives a HandResult."""
    return _make_hand
