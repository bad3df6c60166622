"""What skinning alone misses of the hand model: pose correctives, and joints that shape targets leave in place.

    python benchmarks/rig.py [--photos FOLDER] [--poses 1000] [--json rig.json]

Over the hands of photos, the bundled ones by default, and over random poses of the open hand, mean shape.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

import handsss
from handsss.hand.load import load_model
from handsss.hand.result import HandResult
from handsss.hand.sampling import sample_poses
from handsss.hand.wide_sampling import sample_wide_poses
from handsss.io.image import IMAGE_SUFFIXES
from handsss.mesh_io.rig import Rig, rig_of
from handsss.reconstruction.repose import repose

SAMPLES = Path(handsss.__file__).parent / "samples"


def summed_up(rigs: list[Rig]) -> dict[str, float]:
    """Millimetres."""
    lengths = 1000 * np.stack([rig.corrective_lengths for rig in rigs])
    most = lengths.max(1)
    return {
        "hands": len(rigs),
        "mean": round(float(lengths.mean()), 3),
        "largest_of_a_hand_mean": round(float(most.mean()), 2),
        "largest_of_a_hand_95": round(float(np.percentile(most, 95)), 2),
        "largest": round(float(most.max()), 2),
        "shape_targets_miss": round(float(1000 * max(rig.shape_errors.max() for rig in rigs)), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=SAMPLES)
    parser.add_argument("--poses", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    model = load_model("open")
    photos = sorted(path for path in options.photos.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    reconstructor = handsss.Reconstructor()
    hands: list[HandResult] = [hand for found in reconstructor.batch(photos) for hand in found]
    figures = {"photos": summed_up([rig_of(hand, model) for hand in hands])}
    right = replace(hands[0], hand="right", scale=1.0)
    moved = partial(repose, right, model, shape=np.zeros(10))
    for name, sampler in (("random poses", sample_poses), ("wide poses", sample_wide_poses)):
        poses = sampler(model, options.poses, np.random.default_rng(0))
        figures[name] = summed_up([rig_of(moved(pose=pose), model) for pose in poses])
    print(json.dumps(figures, indent=2))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
