"""Runs all benchmarks on this machine, each beside its baseline, and writes figures, table and plot.

    python -m pip install --no-deps smplx==0.1.28        # to stand beside; PyTorch3D too, where there is one
    OMP_NUM_THREADS=1 python benchmarks/all.py           # about half an hour on a CPU
    python benchmarks/all.py --device cuda
    python benchmarks/all.py --only layer renderer       # these anew; the others stay as they are
    python benchmarks/all.py --device cuda --minutes 3   # fewer calls of each, the largest cases left out
    python benchmarks/all.py --table                     # table and plots anew from the figures there are
    python benchmarks/all.py --device cuda --take gpu-output/benchmarks.json       # figures that `make gpu` measured

Figures go to docs/benchmarks/cpu.json or cuda.json, tables to docs/lab/benchmarks.md, plots to docs/images. Every part
runs in a process of its own, with its contenders taking turns. Nothing else should run meanwhile: the load
is written down. --minutes shares the time out among the parts; one that takes longer is left out and named.
--quick proves in minutes that all of it works; its figures mean nothing, and it wants an --out.
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


# With --minutes: in this order, as what is for the end may be left out, and about so many seconds of three minutes.
SECONDS = {
    "layer": 12,
    "renderer": 25,
    "step": 45,
    "losses": 12,
    "encoder": 20,
    "growth": 25,
    "loader": 25,
    "photo": 20,
}


def measure_part(name: str, device: str, quick: bool, store: Path | None, short: bool = False) -> dict[str, Any]:
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
    measuring.EFFORT.short = short
    facts = {"machine": measuring.machine(device), "when": time.strftime("%Y-%m-%d"), "load_before": measuring.load()}
    facts |= {"short": True} if short else {}
    if name == "loader":
        result = programs.loader(device, quick, store)
    elif name == "photo":
        result = programs.photo(device, quick)
    else:
        result = getattr(parts, name)(device, quick)
    return facts | result


def in_own_process(name: str, options: argparse.Namespace, limit: float | None = None) -> dict[str, Any]:
    """Run one part in a process of its own: its figures, or its failure; it is stopped after ``limit`` seconds."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "part.json"
        command = [sys.executable, __file__, "--part", name, "--device", options.device, "--out", str(target)]
        command += ["--quick"] if options.quick else []
        command += ["--short"] if options.minutes else []
        command += ["--store", str(options.store)] if options.store else []
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
        except subprocess.TimeoutExpired as error:
            words = error.stderr or b""
            text = words.decode(errors="replace") if isinstance(words, bytes) else words
            return {"failed": f"took more than {limit:.0f} s", "log": "\n".join(text.splitlines()[-30:])}
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
    parser.add_argument("--minutes", type=float, help="for all parts together; fewer calls and cases")
    parser.add_argument("--take", type=Path, metavar="FILE", help="figures of `make gpu`; measure nothing")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--short", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        found = measure_part(options.part, options.device, options.quick, options.store, options.short)
        options.out.write_text(json.dumps(found))
        return 0
    if options.quick and options.out is None:
        parser.error("--quick wants an --out: its figures must not take the place of real ones")
    target = options.out or ROOT / "docs" / "benchmarks" / f"{options.device}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = json.loads(target.read_text()) if target.exists() else {}
    if options.take:
        figures |= json.loads(options.take.read_text())["result"]
        target.write_text(json.dumps(figures, indent=1) + "\n")
    names = () if options.table or options.take else options.only
    failed = _measure(tuple(names), figures, target, options)
    if failed and not options.minutes:
        return 1
    import page

    if figures:
        print(page.write(target, ROOT / "docs" if options.out is None else target.parent))
    if failed:
        print(f"without {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


def _measure(names: tuple[str, ...], figures: dict[str, Any], target: Path, options: argparse.Namespace) -> list[str]:
    """Measure parts into ``figures`` and their file; returns failed ones. Without --minutes the first ends it."""
    failed = []
    if options.minutes:
        names = tuple(name for name in SECONDS if name in names)
        end = time.monotonic() + 60 * options.minutes
    for number, name in enumerate(names):
        limit = None
        if options.minutes:
            # A part may take its share of what is left, and half as much again: later ones are often quicker.
            left = end - time.monotonic()
            limit = min(left, 1.5 * left * SECONDS[name] / sum(SECONDS[other] for other in names[number:]))
            if limit < 1:
                failed.append(name)
                continue
        begin = time.perf_counter()
        print(f"{name} ...", flush=True)
        found = in_own_process(name, options, limit)
        if "failed" in found:
            print(f"{name} failed: {found['failed']}\n{found['log']}", file=sys.stderr, flush=True)
            failed.append(name)
            if not options.minutes:
                break
            continue
        figures[name] = found
        target.write_text(json.dumps(figures, indent=1) + "\n")
        print(f"{name}: {len(found['rows'])} figures in {time.perf_counter() - begin:.0f} s", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
