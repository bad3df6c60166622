"""The antialiased silhouette beside a supersampled one: jumps of its area as a hand moves, and gradients of a loss.

    python -m benchmarks.silhouette_jumps [--steps 1000] [--directions 60] [--json FILE]

An open hand, 128 x 128 px, float64. It moves by one pixel to the right in small steps: what the area changes beyond
what its own gradient says is a jump. Then the gradient of an L2 silhouette loss, against the hand a little elsewhere,
is compared with finite differences of the same loss with 8 x 8 samples a pixel, along random directions of pose,
rotation and place.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model
from handsss.rendering.pipeline import rasterise, render

SIZE = 128
CAMERA = torch.tensor([[260.0, 0, 64], [0, 260.0, 64], [0, 0, 1]], dtype=torch.float64)
DEPTH = 0.5  # metres
SAMPLES = 8
LARGE, WHOLE = 0.02, 0.5  # px of area


def posed(layer: HandLayer, parameters: Tensor) -> Tensor:
    """Vertices [1, V, 3] of 45 pose angles, rotation and place [51]."""
    place = parameters[None, 48:] + torch.tensor([[0.0, 0.0, DEPTH]], dtype=torch.float64)
    return layer(axis_angle=parameters[None, :45], rotation=parameters[None, 45:48], translation=place).vertices


def silhouette(vertices: Tensor, faces: Tensor) -> Tensor:
    """Antialiased [H, W]."""
    white = torch.ones(1, 1, 3, dtype=torch.float64).expand(1, vertices.shape[1], 3)
    return render(vertices, faces, colours=white, intrinsics=CAMERA, size=(SIZE, SIZE)).silhouette[0]


def supersampled(vertices: Tensor, faces: Tensor) -> Tensor:
    """[H, W] shares of samples that are covered."""
    camera = torch.diag(torch.tensor([SAMPLES, SAMPLES, 1.0], dtype=torch.float64)) @ CAMERA
    hit = rasterise(vertices, faces, camera, (SIZE * SAMPLES, SIZE * SAMPLES)).face_id[0] >= 0
    return hit.double().reshape(SIZE, SAMPLES, SIZE, SAMPLES).mean((1, 3))


def jumps(layer: HandLayer, parameters: Tensor, steps: int) -> dict[str, float]:
    """Jumps of the area while the hand moves by one pixel."""
    pixel = DEPTH / float(CAMERA[0, 0])
    areas, slopes = [], []
    for step in range(steps + 1):
        moved = torch.tensor(step / steps, dtype=torch.float64, requires_grad=True)
        offset = torch.zeros(3, dtype=torch.float64)
        offset[0] = pixel
        area = silhouette(posed(layer, parameters) + moved * offset, layer.faces).sum()
        (slope,) = torch.autograd.grad(area, moved)
        areas.append(float(area.detach()))
        slopes.append(float(slope))
    change = np.diff(areas) - 0.5 * (np.array(slopes[1:]) + np.array(slopes[:-1])) / steps
    size = np.abs(change)
    return {
        "area_px": float(np.mean(areas)),
        "jumps_above_0.02_px": int((size > LARGE).sum()),
        "jumps_above_0.5_px": int((size > WHOLE).sum()),
        "largest_px": float(size.max()),
        "sum_of_jumps_px": float(change[size > LARGE].sum()),
        "area_changes_px": areas[-1] - areas[0],
    }


def gradients(layer: HandLayer, parameters: Tensor, directions: int, rng: np.random.Generator) -> dict[str, float]:
    """Agreement of the loss' gradient with finite differences of the supersampled loss."""
    units = np.concatenate([np.full(45, 0.2), np.full(3, 0.1), np.full(3, 0.01)])
    target = supersampled(posed(layer, parameters + torch.as_tensor(units * rng.normal(size=51) * 0.3)), layer.faces)
    at = parameters.clone().requires_grad_()
    loss = (silhouette(posed(layer, at), layer.faces) - target).square().sum()
    (gradient,) = torch.autograd.grad(loss, at)
    ours, theirs = [], []
    for _ in range(directions):
        direction = torch.as_tensor(units * rng.normal(size=51) / 51**0.5)
        ours.append(float(gradient @ direction))
        ends = [
            float((supersampled(posed(layer, parameters + s * direction), layer.faces) - target).square().sum())
            for s in (-0.1, 0.1)
        ]
        theirs.append((ends[1] - ends[0]) / 0.2)
    return {
        "correlation": float(np.corrcoef(ours, theirs)[0, 1]),
        "ratio": float(np.dot(ours, theirs) / np.dot(theirs, theirs)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--directions", type=int, default=60)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    layer = HandLayer(load_model("open"), flat_hand_mean=True, dtype=torch.float64)
    rng = np.random.default_rng(0)
    figures = []
    for _ in range(3):
        parameters = torch.as_tensor(np.concatenate([rng.normal(0, 0.15, 48), np.zeros(3)]))
        found = jumps(layer, parameters, options.steps) | gradients(layer, parameters, options.directions, rng)
        figures.append(found)
        print(json.dumps({key: round(value, 4) for key, value in found.items()}), flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
