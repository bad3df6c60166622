"""What the released code does otherwise than this package, in short runs (docs/method.md, D6 and D7).

``branch``: the keypoint branch on pictures padded with black instead of grey, with the soft-argmax at 256 x 256 instead
of 64 x 64. ``heads``: all layers of the scale, translation, texture and light heads start with a standard deviation of
1e-3, not the last ones alone. Online pictures without a folder of backgrounds, true keypoints; the same pictures, order
and initial weights for a seed; validation on other online pictures.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import default_collate

from handsss.data.online.dataset import OnlineHands
from handsss.data.online.painter import OnlineSettings
from handsss.geometry.procrustes import aligned_distances
from handsss.hand.load import load_model
from handsss.losses.e_2d import e_2d
from handsss.network import hourglass
from handsss.network.heat_maps import spatial_expectation, spatial_softmax
from handsss.network.hourglass import PADDED, KeypointBranch
from handsss.network.s2hand import NetworkSettings, S2Hand
from handsss.training.config import PRESETS
from handsss.training.imagenet import initialise
from handsss.training.objective import Batch, LossWeights, Objective

VALIDATION_SEED = 1000
STD = 1e-3


class ReleasedBranch(KeypointBranch):
    """The branch with the released code's padding, soft-argmax, or both; keypoints in pixels of 224 x 224."""

    def __init__(self, *sizes: int, black: bool, fine: bool) -> None:
        super().__init__(*sizes)
        self.black, self.fine = black, fine

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        right, below = (hourglass.PADDED - side for side in (image.shape[3], image.shape[2]))
        shown = nn.functional.pad(image, (0, right, 0, below)) if self.black else image
        _, heat = super().forward(shown)
        return (fine_soft_argmax(heat) if self.fine else PADDED * spatial_expectation(spatial_softmax(heat))), heat


def fine_soft_argmax(heat: Tensor) -> Tensor:
    """Soft-argmax [B, S, 21, 2] of heat maps [B, S, 21, 64, 64] enlarged to 256 x 256 (of smaller ones, four times)."""
    large = nn.functional.interpolate(heat.float().flatten(0, 1), scale_factor=4.0, mode="bilinear")
    return PADDED * spatial_expectation(spatial_softmax(large)).unflatten(0, heat.shape[:2])


def small_everywhere(network: S2Hand) -> None:
    """Weights of all layers of the four heads with a standard deviation of 1e-3; biases stay."""
    assert network.appearance is not None
    for head in (
        network.regressor.scale,
        network.regressor.translation,
        network.appearance.texture,
        network.appearance.light,
    ):
        for layer in head:
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=STD)


@lru_cache
def pictures(seed: int, rows: int) -> OnlineHands:
    """Online pictures in the small preset's view."""
    view = PRESETS["small"].augmentation
    return OnlineHands(OnlineSettings(None, seed, "truth", joints_set="mediapipe", augmentation=view, poses=2048), rows)


def painted(data: OnlineHands, rows: Iterable[int], device: torch.device, reduction: int = 1) -> dict[str, Tensor]:
    """Some of the pictures; their sides divided by the reduction."""
    data = data.reduced(reduction)
    return data.paint(default_collate([data[row] for row in rows]), device)


def batch_of(row: dict[str, Tensor]) -> Batch:
    """As the objective takes them."""
    return Batch(row["image"], row["keypoints_2d"], row["confidence"], row["K"])


def train(
    parameters: Iterable[nn.Parameter],
    loss: Callable[[Batch, int], Tensor],
    arguments: argparse.Namespace,
    seed: int,
    lr: Callable[[int], float],
) -> list[float]:
    """The loss of every step."""
    device, own = torch.device(arguments.device), list(parameters)
    data = pictures(seed, arguments.steps * arguments.batch)
    optimiser = torch.optim.Adam(own, lr=lr(0))
    values = []
    for step in range(arguments.steps):
        for group in optimiser.param_groups:
            group["lr"] = lr(step)
        rows = range(step * arguments.batch, (step + 1) * arguments.batch)
        optimiser.zero_grad(set_to_none=True)
        value = loss(batch_of(painted(data, rows, device, arguments.reduction)), step)
        value.backward()
        nn.utils.clip_grad_norm_([p for p in own if p.grad is not None], 10.0)
        optimiser.step()
        values.append(float(value.detach()))
    return values


def branch_run(arguments: argparse.Namespace, held: dict[str, Tensor], seed: int, black: bool, fine: bool) -> Any:
    """One run of the keypoint branch: pixel errors of held pictures."""
    torch.manual_seed(seed)
    sizes = arguments.stacks, arguments.features, arguments.modules
    branch = ReleasedBranch(*sizes, black=black, fine=fine).to(arguments.device, memory_format=torch.channels_last)

    def loss(batch: Batch, step: int) -> Tensor:
        return e_2d(branch(batch.image)[0], batch.keypoints, batch.confidence)

    begin = time.process_time()
    values = train(branch.parameters(), loss, arguments, seed, lambda step: 1e-3 if step < arguments.late else 2e-4)
    branch.eval()
    with torch.no_grad():
        parts = [branch(image) for image in held["image"].split(16)]
        points, heat = (torch.cat([part[n][:, -1] for part in parts]) for n in (0, 1))
        other = torch.cat([fine_soft_argmax(maps[:, None])[:, 0] for maps in heat.split(16)])
    error = (points - held["keypoints_2d"]).norm(dim=-1)
    edge = held["keypoints_2d"].amax(-1) > 224 - 32  # near the padding
    return {
        "E_2d_last_px": float(np.mean(values[-25:])),
        "error_px": float(error.mean()),
        "error_near_padding_px": float(error[edge].mean()),
        "two_soft_argmaxes_apart_px": float((other - points).norm(dim=-1).mean()) if not fine else None,
        "cpu_s": time.process_time() - begin,
    }


def heads_run(arguments: argparse.Namespace, held: dict[str, Tensor], seed: int, everywhere: bool) -> Any:
    """One run of the shape stage, then the fine-tuning stage: errors of held pictures after each."""
    torch.manual_seed(seed)
    settings = NetworkSettings(
        encoder="efficientnet-lite0",
        pooling="average",
        stacks=0,
        drop_connect=0.0,
        input_downsample=2,
        norm_momentum=0.1,
        focal=600.0,
    )
    network = S2Hand(load_model("open"), settings).to(arguments.device)
    initialise(network.encoder, "package")
    if everywhere:
        small_everywhere(network)
    objective = Objective(LossWeights(), "mediapipe", 0.033)
    terms: dict[str, list[float]] = {"E_loc": [], "E_pixel": []}
    result: dict[str, Any] = {"start": figures(network, held)}

    def loss(batch: Batch, step: int) -> Tensor:
        if step == arguments.late:
            result["after shape"] = figures(network, held)
        value = objective(network, batch, "shape" if step < arguments.late else "finetune")
        for name, seen in terms.items():
            seen.append(float(value.parts.get(name, torch.tensor(float("nan")))))
        return value.total

    begin = time.process_time()
    train(network.parameters(), loss, arguments, seed, lambda step: 1e-3 if step < arguments.late else 2.5e-4)
    result["after finetune"] = figures(network, held)
    at = {"E_loc_first_px": ("E_loc", slice(0, 20)), "E_loc_last_px": ("E_loc", slice(-20, None))}
    at |= {
        "E_pixel_first": ("E_pixel", slice(arguments.late, arguments.late + 10)),
        "E_pixel_last": ("E_pixel", slice(-10, None)),
    }
    return (
        result
        | {name: float(np.mean(terms[term][part])) for name, (term, part) in at.items()}
        | {"cpu_s": time.process_time() - begin}
    )


def figures(network: S2Hand, held: dict[str, Tensor]) -> dict[str, float]:
    """Errors of a network in evaluation mode, which is left in training mode."""
    network.eval()
    with torch.no_grad():
        parts = [
            network(image, K, "mediapipe")
            for image, K in zip(held["image"].split(16), held["K"].split(16), strict=True)
        ]
    network.train()
    joints, flat = torch.cat([part.joints for part in parts]), torch.cat([part.projected for part in parts])
    difference = joints - held["joints_3d"]
    aligned = aligned_distances(joints.double().cpu().numpy(), held["joints_3d"].double().cpu().numpy())
    return {
        "projected_px": float((flat - held["keypoints_2d"]).norm(dim=-1).mean()),
        "aligned_mpjpe_mm": 1e3 * float(aligned.mean()),
        "mpjpe_mm": 1e3 * float(difference.norm(dim=-1).mean()),
        "depth_error_mm": 1e3 * float(difference[..., 2].mean(1).abs().mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["branch", "heads"])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--late", type=int, default=140, help="step of the lower learning rate; heads: of fine-tuning")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--held", type=int, default=128, help="pictures of the validation")
    parser.add_argument("--stacks", type=int, default=1)
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--modules", type=int, default=1)
    parser.add_argument("--reduction", type=int, default=1, help="branch: pictures of 224 / this px, to save time")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.part == "heads" and arguments.reduction > 1:
        parser.error("--reduction is of the branch")
    hourglass.PADDED = PADDED // arguments.reduction  # the whole branch at smaller pictures
    device, of_validation = torch.device(arguments.device), pictures(VALIDATION_SEED, arguments.held)
    held = painted(of_validation, range(arguments.held), device, arguments.reduction)
    runs: dict[str, Callable[[int], Any]] = {
        "ours": lambda seed: heads_run(arguments, held, seed, False),
        "small everywhere": lambda seed: heads_run(arguments, held, seed, True),
    }
    if arguments.part == "branch":
        runs = {
            "ours": lambda seed: branch_run(arguments, held, seed, False, False),
            "black padding": lambda seed: branch_run(arguments, held, seed, True, False),
            "soft-argmax at 256": lambda seed: branch_run(arguments, held, seed, False, True),
        }
    settings = {name: value for name, value in vars(arguments).items() if name not in ("json", "part")}
    document: dict[str, Any] = {}
    if arguments.json and arguments.json.exists():
        document = json.loads(arguments.json.read_text())
    document[arguments.part] = {"settings": settings, "runs": {name: [] for name in runs}}
    for seed in range(arguments.seeds):
        for name, run in runs.items():
            document[arguments.part]["runs"][name].append(rounded(run(seed)))
            print(seed, name, document[arguments.part]["runs"][name][-1], flush=True)
            if arguments.json:
                arguments.json.write_text(json.dumps(document, indent=1) + "\n")


def rounded(value: Any) -> Any:
    """Numbers to four digits after the point."""
    if isinstance(value, dict):
        return {name: rounded(part) for name, part in value.items()}
    return round(value, 4) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
