"""Time of the CPU renderer: 8 hands, 224 x 224, one thread, forward and forward + backward, compared with plain torch.

python benchmarks/render.py [--json FILE] [--repeats 40]
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from handsss.hand.load import load_model
from handsss.rendering import RenderOutput
from handsss.rendering.pipeline import render

HANDS, SIZE = 8, 224


def scene(count: int = HANDS, device: str = "cpu") -> tuple[torch.Tensor, ...]:
    """Hands turned at random, 0.55 m away under FreiHAND's focal length: about 15 % of the pixels each."""
    model = load_model("open")
    turns = torch.as_tensor(Rotation.random(count, rng=np.random.default_rng(0)).as_matrix().reshape(count, 3, 3))
    vertices = torch.as_tensor(model.v_template).double() @ turns.transpose(1, 2)
    vertices = (vertices + torch.tensor([0.04, 0.0, 0.55])).float()
    colours = torch.rand(count, model.vertex_count, 3, generator=torch.Generator().manual_seed(0))
    light = torch.tensor([0.5, 0.5, 1, 1, 1, 1, 1, 1, 0.3, -0.5, -0.8]).repeat(count, 1)
    parts = vertices, torch.as_tensor(model.faces.astype(np.int64)), colours, light
    return tuple(part.to(device) for part in parts)


def draw(
    parts: tuple[torch.Tensor, ...], backend: str, backward: bool, size: int = SIZE
) -> tuple[RenderOutput, list[torch.Tensor]]:
    """Pictures, and the leaves that have got gradients; the camera grows with the picture."""
    vertices, faces, colours, light = parts
    leaves = [leaf.clone().requires_grad_(backward) for leaf in (vertices, colours, light)]
    camera = torch.tensor([[480.0, 0, 112], [0, 480, 112], [0, 0, 1]], device=vertices.device)
    camera[:2] *= size / SIZE
    output = render(
        leaves[0], faces, colours=leaves[1], light=leaves[2], intrinsics=camera, size=(size, size), backend=backend
    )
    if backward:
        (output.colour.sum() + output.silhouette.square().sum()).backward()
    return output, leaves


def check(output: RenderOutput, leaves: list[torch.Tensor], backward: bool) -> None:
    """Check that something was drawn and gradients are not zero: an empty case would be fast."""
    assert float((output.face_id >= 0).float().mean()) > 0.1
    if backward:
        assert leaves[0].grad is not None
        assert float(leaves[0].grad.abs().sum()) > 0


def once(parts: tuple[torch.Tensor, ...], backend: str, backward: bool) -> float:
    begin = time.perf_counter()
    drawn = draw(parts, backend, backward)
    taken = (time.perf_counter() - begin) / len(parts[0]) * 1e3
    check(*drawn, backward)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--repeats", type=int, default=40)
    options = parser.parse_args()
    torch.set_num_threads(1)
    parts = scene()
    rows = []
    for backend, repeats in (("numba", options.repeats), ("torch", 2)):
        for backward in (False, True):
            once(parts, backend, backward)  # compiled or loaded before it is timed
            times = [once(parts, backend, backward) for _ in range(repeats)]
            row = {
                "backend": backend,
                "backward": backward,
                "ms_per_image_median": round(float(np.median(times)), 3),
                "ms_per_image_least": round(min(times), 3),
                "ms_per_image_p90": round(float(np.percentile(times, 90)), 3),
                "repeats": repeats,
            }
            rows.append(row)
            print(row, flush=True)
    if options.json:
        machine = {"processor": platform.processor() or platform.machine(), "torch": torch.__version__}
        options.json.write_text(json.dumps({"machine": machine, "hands": HANDS, "size": SIZE, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
