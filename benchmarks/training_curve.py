"""The curve of a training run, from its folder.

python benchmarks/training_curve.py runs/small --json training_small.json --png training_small.png
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

from handsss.training.metrics_logger import read_metrics


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--png", type=Path)
    options = parser.parse_args()
    lines = read_metrics(options.run / "metrics.jsonl")
    about = json.loads((options.run / "run.json").read_text())
    validation = [line for line in lines if line["kind"] == "validation"]
    training = [line for line in lines if line["kind"] == "train"]
    kept = ("program", "torch", "command", "rows", "supervision", "stages", "threads", "device", "start")
    summary = {
        "run": {key: about[key] for key in kept},
        "config": (options.run / "config.toml").read_text(),
        "steps_made": training[-1]["step"],
        "validation": [{k: v for k, v in line.items() if k != "kind"} for line in validation],
        "training": [{k: line[k] for k in ("step", "stage", "E")} for line in training],
    }
    print(f"aligned MPJPE {validation[0]['aligned_mpjpe_mm']:.2f} -> {validation[-1]['aligned_mpjpe_mm']:.2f} mm")
    quarter = max(1, len(validation) // 4)
    for number in range(4):
        part = [line["aligned_mpjpe_mm"] for line in validation[number * quarter : (number + 1) * quarter]]
        if part:
            print(f"quarter {number + 1}: {sum(part) / len(part):.2f} mm")
    if options.json:
        options.json.write_text(json.dumps(summary, indent=1) + "\n")
    if options.png:
        figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
        steps = [line["step"] for line in validation]
        left.plot(steps, [line["aligned_mpjpe_mm"] for line in validation])
        left.set(xlabel="step", ylabel="aligned MPJPE, mm", ylim=(0, None), title="evaluation data")
        right.plot(steps, [line["projected_px"] for line in validation])
        right.set(xlabel="step", ylabel="projected joints, px", ylim=(0, None), title="evaluation data")
        figure.savefig(options.png, dpi=110)


if __name__ == "__main__":
    main()
