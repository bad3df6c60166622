"""Times everything on this machine, beside what a user would take instead, and writes figures, table and plot.

    python -m pip install --no-deps smplx==0.1.28        # to stand beside; PyTorch3D too, where there is one
    OMP_NUM_THREADS=1 python benchmarks/all.py           # about half an hour on a CPU
    python benchmarks/all.py --device cuda
    python benchmarks/all.py --only layer renderer       # these anew; the others stay as they are
    python benchmarks/all.py --table                     # table and plots anew from the figures there are

Figures go to docs/benchmarks/cpu.json or cuda.json, tables to docs/lab/benchmarks.md, plots to docs/images. Every part
runs in a process of its own, with its contenders taking turns. Nothing else should run meanwhile: the load
is written down. --quick proves in minutes that all of it works; its figures mean nothing, and it wants an --out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PARTS = ("layer", "renderer", "growth", "encoder", "losses", "step", "loader", "photo")


def measure_part(name: str, device: str, quick: bool, store: Path | None) -> dict[str, Any]:
    """One part, in this process."""
    import torch

    torch.set_num_threads(1)
    # Products of float32 in TF32 would be other sums than the contenders'.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    import measuring
    import parts
    import programs

    from handsss.training.memory import keep_memory

    # As `handsss train` does, for all contenders: else every picture's memory is asked from the system anew.
    keep_memory()
    facts = {"machine": measuring.machine(device), "when": time.strftime("%Y-%m-%d"), "load_before": measuring.load()}
    if name == "loader":
        result = programs.loader(device, quick, store)
    elif name == "photo":
        result = programs.photo(device, quick)
    else:
        result = getattr(parts, name)(device, quick)
    return facts | result


def in_own_process(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """One part's figures, or how it failed."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "part.json"
        command = [sys.executable, __file__, "--part", name, "--device", options.device, "--out", str(target)]
        command += ["--quick"] if options.quick else []
        command += ["--store", str(options.store)] if options.store else []
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            figures: dict[str, Any] = json.loads(target.read_text())
            return figures
    lines = (done.stderr.strip() or f"ended with {done.returncode}").splitlines()
    return {"failed": lines[-1][:500], "log": "\n".join(lines[-30:])}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to measure")
    parser.add_argument("--store", type=Path, help="store to read crops from; otherwise a synthetic one is made")
    parser.add_argument("--out", type=Path, help="figures (docs/benchmarks/DEVICE.json)")
    parser.add_argument("--quick", action="store_true", help="small cases that prove that it runs")
    parser.add_argument("--table", action="store_true", help="measure nothing")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        options.out.write_text(json.dumps(measure_part(options.part, options.device, options.quick, options.store)))
        return 0
    if options.quick and options.out is None:
        parser.error("--quick wants an --out: its figures must not take the place of real ones")
    target = options.out or ROOT / "docs" / "benchmarks" / f"{options.device}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = json.loads(target.read_text()) if target.exists() else {}
    for name in () if options.table else options.only:
        begin = time.perf_counter()
        print(f"{name} ...", flush=True)
        found = in_own_process(name, options)
        if "failed" in found:
            print(f"{name} failed: {found['failed']}\n{found['log']}", file=sys.stderr)
            return 1
        figures[name] = found
        target.write_text(json.dumps(figures, indent=1) + "\n")
        print(f"{name}: {len(found['rows'])} figures in {time.perf_counter() - begin:.0f} s", flush=True)
    import page

    print(page.write(target, ROOT / "docs" if options.out is None else target.parent))
    return 0


if __name__ == "__main__":
    sys.exit(main())
