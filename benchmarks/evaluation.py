"""Scoring a whole FreiHAND evaluation split: time, memory, and agreement with the plain reference.

    python benchmarks/evaluation.py --folder SCRATCH [--frames 3960] [--json docs/results/evaluation.json]

Makes a folder in FreiHAND's layout with the truth of posed hands (21 joints, 778 vertices a frame), and a pred.zip of
other hands near them, then scores it in a process of its own as `handsss evaluate --predictions` does: reading both,
all five alignments, F-scores included. Raw figures are of predictions 5 mm and more off, aligned ones 1 mm and more.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import resource
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from handsss.evaluation import reference_metrics
from handsss.evaluation.evaluate_predictions import evaluate_predictions
from handsss.evaluation.options import EvaluationOptions, StageProgress
from handsss.evaluation.protocols import PROTOCOLS
from handsss.evaluation.submission import write_submission
from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model
from handsss.io.atomic import write_file

CAMERA = [[480.0, 0.0, 112.0], [0.0, 480.0, 112.0], [0.0, 0.0, 1.0]]
CHECKED = 60  # frames that the reference scores as well


def posed(count: int, rng: np.random.Generator, error: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Joints and vertices of hands, and of slightly perturbed ones."""
    layer = HandLayer(load_model("open"), flat_hand_mean=True, dtype=torch.float64)
    pose, shape = rng.normal(scale=0.25, size=(count, 45)), rng.normal(size=(count, 10))
    turn = rng.normal(scale=1.2, size=(count, 3))
    place = rng.normal(scale=0.04, size=(count, 3)) + np.array([0, 0, 0.7])
    made = []
    for spread in (0.0, error):
        with torch.no_grad():
            output = layer(
                axis_angle=torch.as_tensor(pose + rng.normal(scale=0.1, size=pose.shape) * spread),
                shape=torch.as_tensor(shape + rng.normal(scale=0.5, size=shape.shape) * spread),
                rotation=torch.as_tensor(turn + rng.normal(scale=0.05, size=turn.shape) * spread),
                translation=torch.as_tensor(place + rng.normal(scale=0.01, size=place.shape) * spread),
            )
            made += [layer.keypoints(output, "freihand").numpy(), output.vertices.numpy()]
    return made[0], made[1], made[2], made[3]


def write_dataset(root: Path, joints: np.ndarray, vertices: np.ndarray) -> None:
    """FreiHAND's evaluation split; one picture under all names."""
    folder = root / "evaluation" / "rgb"
    folder.mkdir(parents=True, exist_ok=True)
    first = folder / "00000000.jpg"
    Image.new("RGB", (224, 224), (90, 110, 130)).save(first)
    for number in range(1, len(joints)):
        path = folder / f"{number:08d}.jpg"
        if not path.exists():
            os.link(first, path)
    lists = {
        "K": [CAMERA] * len(joints),
        "scale": np.linalg.norm(joints[:, 9] - joints[:, 10], axis=1).round(6).tolist(),
        "xyz": joints.round(6).tolist(),
        "verts": vertices.round(6).tolist(),
    }
    for name, content in lists.items():
        write_file(root / f"evaluation_{name}.json", json.dumps(content).encode())


def score(root: Path, predictions: Path) -> None:
    """The measured process: score and compare with the reference."""
    marks: list[tuple[str, float, float]] = []

    def mark(stage: str, done: int = 0, total: int = 0) -> None:
        if not marks or marks[-1][0] != stage:
            marks.append((stage, time.perf_counter(), time.process_time()))

    found = evaluate_predictions(predictions, root, EvaluationOptions(), progress=StageProgress(mark))
    mark("end")
    spent = {a[0]: {"wall": b[1] - a[1], "processor": b[2] - a[2]} for a, b in itertools.pairwise(marks)}
    samples = found.samples
    rows = np.linspace(0, len(samples) - 1, min(CHECKED, len(samples))).astype(int)
    assert samples.vertices is not None and samples.true_vertices is not None
    plain = reference_metrics.metrics_frame_by_frame(
        samples.joints[rows], samples.true_joints[rows], samples.vertices[rows], samples.true_vertices[rows]
    )
    frames = found.per_frame
    apart = max(
        abs(plain["aligned"]["mpjpe_mm"] - frames["aligned_mpjpe"][rows].mean()),
        abs(plain["aligned"]["mpvpe_mm"] - frames["aligned_mpvpe"][rows].mean()),
        abs(plain["raw"]["mpjpe_mm"] - frames["raw_mpjpe"][rows].mean()),
        abs(plain["raw"]["f15"] - frames["raw_f15"][rows].mean()),
        abs(plain["aligned"]["f5"] - frames["aligned_f5"][rows].mean()),
    )
    result = {
        "seconds": spent,
        "seconds_in_all": {kind: sum(one[kind] for one in spent.values()) for kind in ("wall", "processor")},
        "frames": len(samples),
        "aligned": found.metrics["aligned"],
        "raw": found.metrics["raw"],
        "reference_frames": len(rows),
        "largest_difference_to_reference": apart,
    }
    print(json.dumps(result))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=3960)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--score", action="store_true", help="only score what is there (used by this program)")
    options = parser.parse_args()
    root, predictions = options.folder / "FreiHAND", options.folder / "pred.zip"
    if options.score:
        score(root, predictions)
        return
    joints, vertices, guessed_joints, guessed_vertices = posed(options.frames, np.random.default_rng(0), 1.0)
    write_dataset(root, joints, vertices)
    write_submission(predictions, guessed_joints, guessed_vertices, PROTOCOLS["freihand"])
    with zipfile.ZipFile(predictions) as archive:
        text = archive.infolist()[0].file_size
    load = os.getloadavg()[0]
    command = [sys.executable, __file__, "--folder", str(options.folder), "--score"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    figures = {
        "machine": {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine()},
        **json.loads(done.stdout.splitlines()[-1]),
        "megabytes_of_predictions": text / 1e6,
        "load_average_before": load,
        "peak_gigabytes": usage.ru_maxrss / 2**20,
    }
    print(json.dumps(figures, indent=1))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
