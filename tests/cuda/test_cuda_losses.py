"""Every loss on a GPU in float32 against float64 on the CPU, in values and gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from handsss.losses.auxiliary import e_heatmap, e_simcc
from handsss.losses.e_2d import e_2d
from handsss.losses.e_beta import e_beta
from handsss.losses.e_c import e_c
from handsss.losses.e_con import e_con
from handsss.losses.e_j import e_j
from handsss.losses.e_loc import e_loc
from handsss.losses.e_ori import e_ori
from handsss.losses.e_pixel import e_pixel
from handsss.losses.e_s import e_s
from handsss.losses.e_ssim import e_ssim
from handsss.losses.lifted import e_lifted
from handsss.losses.pose_priors import average_pose, plausible_pose
from handsss.losses.supervised import e_3dj
from tests.cuda.device import DEVICE, near, pytestmark

__all__ = ["pytestmark"]
B = 4
SIZES = {
    "image": (B, 64, 64, 3),
    "rendered": (B, 64, 64, 3),
    "silhouette": (B, 64, 64),
    "confidence": (B, 21),
    "points": (B, 21, 2),
    "detected": (B, 21, 2),
    "joints": (B, 21, 3),
    "truth": (B, 21, 3),
    "stacks": (B, 2, 21, 2),
    "maps": (B, 21, 28, 28),
    "rows": (B, 21, 2, 56),
    "shape": (B, 10),
    "pose": (B, 45),
    "texture": (B, 778, 3),
    "spread": (45,),
    "several": (B, 3, 21, 3),
    "probability": (B, 3),
}
LOSSES: dict[str, tuple[Callable[..., Tensor], tuple[str, ...], str]] = {  # loss, what it takes, what is trained
    "E_pixel": (e_pixel, ("rendered", "image", "silhouette", "confidence"), "rendered"),
    "E_SSIM": (e_ssim, ("rendered", "image", "silhouette"), "rendered"),
    "E_C": (e_c, ("texture", "confidence"), "texture"),
    "E_loc": (e_loc, ("points", "detected", "confidence"), "points"),
    "E_ori": (e_ori, ("points", "detected", "confidence"), "points"),
    "E_2d": (e_2d, ("stacks", "detected", "confidence"), "stacks"),
    "E_con": (e_con, ("stacks", "points"), "points"),
    "E_3dj": (e_3dj, ("joints", "truth"), "joints"),
    "E_s": (lambda joints: e_s(joints, 0.028), ("joints",), "joints"),
    "E_beta": (e_beta, ("shape",), "shape"),
    "E_J": (e_j, ("pose",), "pose"),
    "E_pose": (average_pose, ("pose",), "pose"),
    "E_plausible": (plausible_pose, ("pose", "spread"), "pose"),
    "E_map": (lambda m, p, c: e_heatmap(m, p, c, 224), ("maps", "detected", "confidence"), "maps"),
    "E_place": (lambda m, p, c: e_simcc(m, p, c, 224), ("rows", "detected", "confidence"), "rows"),
    "E_lifted": (e_lifted, ("joints", "several", "probability", "trust"), "joints"),
}


def inputs(dtype: torch.dtype, device: torch.device) -> dict[str, Tensor]:
    """Numbers as they occur: points in pixels, joints in metres, the rest 0 to 1."""
    generator = torch.Generator().manual_seed(8)
    made = {name: torch.rand(size, generator=generator, dtype=torch.float64) for name, size in SIZES.items()}
    for name in ("points", "detected", "stacks"):
        made[name] = made[name] * 224
    for name in ("joints", "truth", "several"):
        made[name] = made[name] * 0.1
    made["rendered"] = made["rendered"] * made["silhouette"][..., None]
    made["spread"] = made["spread"] + 0.5
    made["texture"] = made["texture"] ** 6  # some vertices lie outside of two standard deviations
    made["probability"] = made["probability"].softmax(-1)
    made["trust"] = made["confidence"].mean(1)
    return {name: value.to(device, dtype) for name, value in made.items()}


@pytest.mark.parametrize("name", LOSSES)
def test_the_same_loss(name: str) -> None:
    loss, takes, trained = LOSSES[name]
    found = []
    for dtype, device in ((torch.float32, DEVICE), (torch.float64, torch.device("cpu"))):
        given = inputs(dtype, device)
        leaf = given[trained].requires_grad_()
        value = loss(*(given[part] for part in takes))
        found.append((value, torch.autograd.grad(value, leaf)[0]))
    (value, gradient), (wanted, expected) = found
    near(value, wanted, 2e-5)
    near(gradient, expected, 1e-3 if name == "E_SSIM" else 1e-4)
