"""Speed of the hand layer and of smplx's on one MANO-format file, one thread, interleaved.

    python -m pip install --no-deps smplx==0.1.28
    OMP_NUM_THREADS=1 python benchmarks/layer.py [--batch 64] [--rounds 60] [--mano MANO_RIGHT.pkl] [--json FILE]

Times are process CPU times per hand: other programs on the machine disturb them least. Compare the ratios. Without
``--mano`` the file is made of the open hand, which has MANO's array shapes.
"""

from __future__ import annotations

import argparse
import json
import pickle
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.sparse import csc_matrix
from torch import Tensor

from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model
from handsss.hand.mano import load_file

Outputs = tuple[Tensor, Tensor]  # vertices, joints


def write_open_hand(path: Path) -> None:
    """The open hand as a MANO pickle, plain arrays: smplx reads it without chumpy."""
    model = load_model("open")
    parents = np.array([2**32 - 1, *model.parents[1:]], dtype=np.int64)
    content = {
        "v_template": model.v_template,
        "shapedirs": model.shapedirs,
        "posedirs": model.posedirs,
        "weights": model.weights,
        "J_regressor": csc_matrix(model.j_regressor),
        "f": model.faces.astype(np.uint32),
        "kintree_table": np.stack([parents, np.arange(16)]),
        "hands_mean": model.hands_mean,
        "hands_components": model.hands_components,
    }
    path.write_bytes(pickle.dumps(content, protocol=2))


def contenders(path: Path, batch: int, device: str = "cpu") -> tuple[dict[str, Callable[[], Outputs]], list[Tensor]]:
    """Forward passes by name, all on the same inputs, and those inputs."""
    generator = torch.Generator().manual_seed(0)
    sizes = ((batch, 45), (batch, 10), (batch, 3), (batch, 3))
    pose, shape, rotation, translation = (torch.randn(size, generator=generator) * 0.3 for size in sizes)
    pose, shape, rotation, translation = (value.to(device) for value in (pose, shape, rotation, translation))
    inputs = [value.requires_grad_() for value in (pose, shape, rotation, translation)]
    layer = HandLayer(load_file(path, "right"), flat_hand_mean=True, pivot="wrist").to(device)

    def ours() -> Outputs:
        output = layer(axis_angle=pose, shape=shape, rotation=rotation, translation=translation)
        return output.vertices, output.joints

    passes: dict[str, Callable[[], Outputs]] = {"handsss": ours}
    try:
        import smplx
    except ImportError:
        print("smplx is not installed; timing this package alone")
        return passes, inputs
    peer = smplx.MANO(str(path), is_rhand=True, use_pca=False, flat_hand_mean=True, batch_size=batch).to(device)

    def theirs() -> Outputs:
        output = peer(betas=shape, global_orient=rotation, hand_pose=pose, transl=translation)
        return output.vertices, output.joints

    difference = (theirs()[0] - ours()[0]).abs().max().item()
    print(f"largest difference of vertices: {difference * 1e6:.3f} micrometres")
    assert difference < 2e-6, "the layers do not compute the same hand"
    passes["smplx 0.1.28"] = theirs
    return passes, inputs


def measure(passes: dict[str, Callable[[], Outputs]], inputs: list[Tensor], rounds: int) -> dict[str, dict[str, Any]]:
    """Microseconds per hand: least and median, forward without gradients, forward, forward and backward."""
    batch = len(inputs[0])
    times: dict[str, dict[str, list[float]]] = {
        name: {"inference": [], "forward": [], "forward+backward": []} for name in passes
    }
    for turn in range(rounds + 3):
        for name, forward in passes.items():
            begun = time.process_time_ns()
            with torch.no_grad():
                forward()
            inferred = time.process_time_ns()
            vertices, joints = forward()
            passed = time.process_time_ns()
            (vertices.sum() + joints.sum()).backward()
            finished = time.process_time_ns()
            for value in inputs:
                value.grad = None
            if turn >= 3:  # the first rounds warm up
                times[name]["inference"].append(inferred - begun)
                times[name]["forward"].append(passed - inferred)
                times[name]["forward+backward"].append(finished - inferred)
    return {
        name: {
            kind: {"least": min(values) / batch / 1e3, "median": statistics.median(values) / batch / 1e3}
            for kind, values in kinds.items()
        }
        for name, kinds in times.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64, help="hands in a batch")
    parser.add_argument("--rounds", type=int, default=60, help="timed rounds")
    parser.add_argument("--mano", type=Path, help="a MANO file of plain arrays, instead of one made of the open hand")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = options.mano or Path(folder) / "MANO_RIGHT.pkl"
        if options.mano is None:
            write_open_hand(path)
        passes, inputs = contenders(path, options.batch)
        figures = measure(passes, inputs, options.rounds)
    print(f"{options.batch} hands, torch {torch.__version__}, 1 thread, microseconds of CPU time per hand")
    print(f"{'':14}" + "".join(f"{kind + ' (least, median)':>36}" for kind in figures["handsss"]))
    for name, kinds in figures.items():
        print(f"{name:14}" + "".join(f"{kind['least']:27.1f} {kind['median']:8.1f}" for kind in kinds.values()))
    ratios = {}
    for name, kinds in figures.items():
        if name != "handsss":
            ratios = {
                kind: {which: value[which] / figures["handsss"][kind][which] for which in value}
                for kind, value in kinds.items()
            }
            print(f"{'ratio':14}" + "".join(f"{r['least']:27.2f} {r['median']:8.2f}" for r in ratios.values()))
    if options.json:
        options.json.write_text(
            json.dumps(
                {"batch": options.batch, "torch": torch.__version__, "microseconds": figures, "ratios": ratios},
                indent=2,
            )
        )


if __name__ == "__main__":
    main()
