"""Train the network that expects the error of fitted hands, on the CPU, from rendered hands with truth.

    handsss synthesize -n 2600 --eval 600 -o ROOT --seed 7 --occluders 0.5 --backgrounds PHOTOS
    python -m tools.train_expected_error ROOT [--features FILE] [--out FILE]

Fits the hands of ROOT's training pictures as photos are (half of them without their camera), some also without outline,
depth or network, and learns from what each fit tells of itself how far its joints are from the truth. With --features
the fitted hands are kept in a file, from which a second run goes on at once. ``python -m benchmarks.expected_error``
measures the result on other pictures.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import handsss
from handsss.fitting.expected_error import FILE, ErrorNetwork, network_bytes
from handsss.io.atomic import write_file
from tools.train_expected_error.collect import Collected, collect

_STEPS, _BATCH, _RATE, _DECAY = 600, 128, 3e-3, 0.03
_HAND = 2.0  # weight of the mean over a hand beside its joints
_NOISE = 0.15  # standard deviations of the features: what is small in them is not to be learned by heart


def gamma_loss(expected: Tensor, errors: Tensor) -> Tensor:
    """``log m + e / m``: the negative log likelihood of errors e that are gamma distributed about the mean m, up to
    constants. Its minimum is the mean, and errors count in proportion."""
    return (expected.log() + errors / expected).mean()


def train(data: Collected, *, steps: int = _STEPS, seed: int = 0) -> ErrorNetwork:
    """Fit a network to hands: each member is taught by the same hands in another order, with other noise."""
    torch.manual_seed(seed)
    network = ErrorNetwork()
    features, errors = torch.tensor(data.features), torch.tensor(data.errors, dtype=torch.float32)
    flat = features.reshape(-1, features.shape[-1])
    network.mean.copy_(flat.mean(0))
    network.spread.copy_(flat.std(0).clamp_min(1e-3))
    with torch.no_grad():
        network.biases[-1].fill_(float(errors.mean().log()))
        network.weights[-1].mul_(0.1)
    optimiser = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=steps, pct_start=0.1)
    for _ in range(steps):
        rows = torch.randint(len(features), (_BATCH,))
        noise = _NOISE * torch.randn(features[rows].shape) * network.spread
        expected, truth = network(features[rows] + noise), errors[rows].expand(len(network.joint), -1, -1)
        loss = gamma_loss(expected, truth) + _HAND * gamma_loss(expected.mean(-1), truth.mean(-1))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval().requires_grad_(False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--pictures", type=int, default=100_000, help="at most")
    parser.add_argument("--features", type=Path, help=".npz to keep the fitted hands in, or to read them from")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=FILE)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.features is not None and options.features.exists():
        with np.load(options.features) as kept:
            data = Collected(*(kept[name] for name in Collected._fields))
    else:
        data = collect(options.root, "training", 0, options.pictures)
        if options.features is not None:
            np.savez(options.features, **data._asdict())
    network = train(data, seed=options.seed)
    facts = {
        "model": "open",
        "hands": len(data.errors),
        "pictures": len(np.unique(data.pictures)),
        "seed": options.seed,
        "program": f"handsss {handsss.__version__}",
    }
    content = network_bytes(network, {"trained": facts})
    write_file(options.out, content)
    print(json.dumps(facts, indent=1))
    print(f"wrote {options.out} ({len(content) / 1e3:.0f} kB)")


if __name__ == "__main__":
    main()
