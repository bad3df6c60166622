"""Train the lifting network that starts the keypoint fit, on the CPU, from sampled hands alone.

    python -m tools.train_lifting [--steps 3000] [--seed 0] [--out handsss/fitting/data/lifting.safetensors]

No pictures, no data, no GPU. The same seed, machine and torch version give the same file. Prints what it reaches on
hands that it was not taught: the error of the best-scored hypothesis and of the nearest one, after similarity
alignment, beside that of the mean pose.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

import handsss
from handsss.fitting.lifting_network import FILE, Lifted, LiftingNetwork, network_bytes, normalise
from handsss.io.atomic import write_file
from tools.train_lifting.samples import Sampler, Samples, SampleSettings

# Root mean square distance of what a turn moves, metres, and share of the 21 points that it moves: the hand, and the
# first, second and last joint of a finger. With them a turn of any joint counts by how far it moves keypoints.
_HAND_LEVER = 0.07
_LEVERS, _SHARES = (0.045, 0.03, 0.025), (3 / 21, 2 / 21, 1 / 21)
_OTHERS = 0.05  # weight of the hypotheses that were not nearest: none is forgotten
_HELD_OUT = 1_000_003  # added to the seed
_REPORT = 250  # steps
_TURNS_ONLY = 0.4  # of the steps, from the first: turns alone are learned at half the price


class Loss(NamedTuple):
    """Parts of the loss."""

    total: Tensor
    points: Tensor  # metres: error of the nearest hypothesis about the hand's middle, to first order if not posed


def parameter_distance(lifted: Lifted, rotation: Tensor, samples: Samples, basis: Tensor) -> Tensor:
    """Mean square displacement of keypoints [B, H] in cm^2 that wrong turns make, to first order."""
    turn = 0.5 * (lifted.rotation - rotation[:, None]).square().sum((-2, -1)) * _HAND_LEVER**2
    difference = (lifted.pose - samples.pose[:, None]) @ basis
    squares = difference.reshape(*difference.shape[:2], 5, 3, 3).square().sum(-1)
    weights = torch.tensor(_LEVERS).square() * torch.tensor(_SHARES)
    shape = (lifted.shape - samples.shape[:, None]).square().mean(-1) * 0.002**2
    return 1e4 * (turn + (squares * weights).sum((-2, -1)) + shape)


def loss_of(network: LiftingNetwork, sampler: Sampler, samples: Samples, *, posed: bool = True) -> Loss:
    """The nearest hypothesis is taught by its turns and, if ``posed``, by its keypoints in space and where they are
    seen; the scores learn which it was."""
    seen = normalise(samples.rays, samples.confidence)
    lifted = network(seen.features)
    rotation = seen.turn.transpose(1, 2) @ samples.rotation
    distance = parameter_distance(lifted, rotation, samples, sampler.space.basis)
    nearest = distance.detach().argmin(1)
    rows = torch.arange(len(nearest))
    scores = torch.nn.functional.cross_entropy(lifted.score, nearest)
    parameters = distance[rows, nearest].mean() + _OTHERS * distance.mean()
    if not posed:
        return Loss(parameters + 0.2 * scores, distance[rows, nearest].detach().sqrt().mean() / 100)
    middle = samples.points.mean(1, keepdim=True)
    points, _ = sampler.points(seen.turn @ lifted.rotation[rows, nearest], *_of(lifted, rows, nearest))
    points = points - points.mean(1, keepdim=True) + middle
    # Over the hand's own size: near and far hands count alike.
    depth = middle[..., 2:]
    projected = points[..., :2] / points[..., 2:].clamp_min(0.03) * depth
    missed = (projected - samples.points[..., :2] / samples.points[..., 2:] * depth).norm(dim=-1).mean()
    apart = (points - samples.points).norm(dim=-1).mean()
    total = 100 * (apart + missed) + 0.5 * parameters + 0.2 * scores
    return Loss(total, apart.detach())


def _of(lifted: Lifted, rows: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
    return lifted.pose[rows, which], lifted.shape[rows, which]


def train(
    sampler: Sampler, network: LiftingNetwork, *, steps: int, batch: int, rate: float, say: bool = True
) -> LiftingNetwork:
    """AdamW; the rate rises over a twentieth of the steps and falls like a cosine to nothing."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.05)
    begin, mean = time.process_time(), 0.0
    for step in range(1, steps + 1):
        loss = loss_of(network, sampler, sampler(batch), posed=step > _TURNS_ONLY * steps)
        optimiser.zero_grad()
        loss.total.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        mean += float(loss.points)
        if say and step % _REPORT == 0:
            spent = time.process_time() - begin
            print(f"step {step} of {steps}: {1e3 * mean / _REPORT:.2f} mm, {spent:.0f} s of processor", flush=True)
            mean = 0.0
    return network.eval()


def aligned_errors(points: Tensor, truth: Tensor) -> np.ndarray:
    """Mean distance [B], metres, after the best similarity of each hand (Umeyama 1991)."""
    from handsss.geometry.procrustes import aligned_distances

    a, b = points.double().numpy(), truth.double().numpy()
    distances: np.ndarray = aligned_distances(a, b).mean(1)
    return distances


@torch.no_grad()
def figures(network: LiftingNetwork, sampler: Sampler, count: int = 2000) -> dict[str, float]:
    """Errors on fresh samples, millimetres and degrees."""
    samples = sampler(count)
    seen = normalise(samples.rays, samples.confidence)
    lifted = network(seen.features)
    errors, turns = [], []
    for which in range(lifted.score.shape[1]):
        rotation = seen.turn @ lifted.rotation[:, which]
        points, _ = sampler.points(rotation, lifted.pose[:, which], lifted.shape[:, which])
        errors.append(aligned_errors(points, samples.points))
        trace = (rotation * samples.rotation).sum((1, 2))
        turns.append(torch.rad2deg(torch.arccos(((trace - 1) / 2).clamp(-1, 1))).numpy())
    best = lifted.score.argmax(1).numpy()
    zero = torch.zeros(count, 45)
    still, _ = sampler.points(samples.rotation, zero, torch.zeros(count, 10))
    rows = np.arange(count)
    return {
        "aligned_mm_best_scored": 1e3 * float(np.stack(errors)[best, rows].mean()),
        "aligned_mm_nearest": 1e3 * float(np.min(errors, 0).mean()),
        "aligned_mm_mean_pose": 1e3 * float(aligned_errors(still, samples.points).mean()),
        "rotation_degrees_best_scored_median": float(np.median(np.stack(turns)[best, rows])),
        "rotation_degrees_nearest_median": float(np.median(np.min(turns, 0))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--hypotheses", type=int, default=3)
    parser.add_argument("--poses", type=int, default=SampleSettings.poses)
    parser.add_argument("--grasps", type=int, default=SampleSettings.grasps)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=FILE)
    options = parser.parse_args()
    torch.set_num_threads(1)  # more do not help matrices of this size
    torch.manual_seed(options.seed)
    begin = time.process_time()
    sampler = Sampler(SampleSettings(poses=options.poses, grasps=options.grasps), options.seed)
    print(f"{len(sampler.common)} poses, {len(sampler.grasps)} grasps: {time.process_time() - begin:.0f} s", flush=True)
    network = LiftingNetwork(options.width, options.blocks, options.hypotheses)
    train(sampler, network, steps=options.steps, batch=options.batch, rate=options.rate)
    sampler.generator.manual_seed(options.seed + _HELD_OUT)
    reached = figures(network, sampler)
    trained = {
        "steps": options.steps,
        "samples": options.steps * options.batch,
        "seed": options.seed,
        "processor_seconds": round(time.process_time() - begin),
        "torch": torch.__version__,
        "program": f"handsss {handsss.__version__}",
    }
    report = {**trained, **{name: round(value, 3) for name, value in reached.items()}}
    kept = {key: value for key, value in report.items() if key != "processor_seconds"}  # same seed, same bytes
    content = network_bytes(network, {"model": "open", "trained": json.dumps(kept)})
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_file(options.out, content)
    print(json.dumps(report, indent=1))
    print(f"wrote {options.out} ({len(content) / 1e6:.2f} MB)")


if __name__ == "__main__":
    main()
