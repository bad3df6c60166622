"""What the paper's training costs, computed from its operations and from what a backward pass keeps: no GPU is needed.

    python benchmarks/full_cost.py [--preset full] [--tflops 40] [--json FILE]

For every stage: operations of a picture forward and backward (multiplications and additions of convolutions and matrix
products, as torch counts them), bytes that a picture keeps until the backward pass, and both over the whole schedule.
Hours follow from an assumed rate of useful operations; they are computed, not measured.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from handsss.hand.load import load_model
from handsss.network.s2hand import S2Hand
from handsss.training.config import resolve
from handsss.training.objective import Batch, Objective

FREIHAND = 130_240  # training pictures, all four colourings
_ROWS = 2


@contextmanager
def kept_bytes() -> Iterator[dict[int, int]]:
    """Bytes of each storage that autograd keeps."""
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield kept


def costs(preset: str) -> dict[str, dict[str, float]]:
    """Per stage: GFLOP and MB of a picture, and pictures of the schedule."""
    config = resolve(preset)
    network = S2Hand(load_model("open"), config.network).train()
    objective = Objective(config.losses, "mediapipe", 0.0282)
    generator = torch.Generator().manual_seed(0)
    keypoints = 112 + 40 * torch.randn(_ROWS, 21, 2, generator=generator)
    K = torch.tensor([[480.0, 0, 112], [0, 480, 112], [0, 0, 1]]).expand(_ROWS, 3, 3)
    batch = Batch(torch.rand(_ROWS, 3, 224, 224, generator=generator), keypoints, torch.ones(_ROWS, 21), K)
    weights = {p.untyped_storage().data_ptr() for p in network.parameters()}
    result = {}
    for name, stage in config.stage_settings().items():
        network.zero_grad(set_to_none=True)
        with FlopCounterMode(display=False) as counter, kept_bytes() as kept:
            objective(network, batch, name)
        own = sum(size for pointer, size in kept.items() if pointer not in weights)
        result[name] = {
            # Backward twice the forward's; torch's own count of it leaves the groups of convolutions out.
            "gflop_a_picture": 3 * counter.get_total_flops() / _ROWS / 1e9,
            "mb_a_picture": own / _ROWS / 1e6,
            "pictures": stage.epochs * FREIHAND,
        }
    return result


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="full")
    parser.add_argument("--tflops", type=float, default=40.0, help="assumed rate of useful operations, 1e12 a second")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    report = costs(arguments.preset)
    total = 0.0
    for name, figures in report.items():
        hours = figures["gflop_a_picture"] * figures["pictures"] / (1e3 * arguments.tflops) / 3600
        figures["hours"] = hours
        total += hours
        print(
            f"{name}: {figures['gflop_a_picture']:.1f} GFLOP and {figures['mb_a_picture']:.0f} MB a picture, "
            f"{figures['pictures'] / 1e6:.1f} million pictures, {hours:.1f} h at {arguments.tflops:g} TFLOP/s"
        )
    most = max(figures["mb_a_picture"] for figures in report.values())
    print(f"in all: {total:.1f} h; a batch of 64 keeps {64 * most / 1e3:.1f} GB")
    if arguments.json:
        content = {"preset": arguments.preset, "assumed_tflops": arguments.tflops, "hours": total, "stages": report}
        arguments.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
