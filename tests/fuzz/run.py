"""Fuzzes one kind of input in this process: ``python -m tests.fuzz.run pictures --seed 3 --count 1000``.

Input number N of a seed is the same whatever ran before it: ``--first N --count 1`` repeats it. Prints a JSON object:
inputs, seconds, the slowest input, the largest memory, and each kind of fault with its inputs.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import re
import sys
import tempfile
import time
import zlib
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz.guard import Guard
from tests.fuzz.target import Target

TARGETS = ("pictures", "keypoints", "pickles", "weights", "checkpoints", "stores", "settings", "tables", "onnx")
_NAMED = 8  # inputs of a kind of fault


def target_of(name: str) -> Target:
    target: Target = import_module(f"tests.fuzz.{name}").TARGET
    return target


def fuzz(name: str, folder: Path, *, seed: int, first: int, count: int, seconds: float) -> dict[str, object]:
    """Run inputs; see the module."""
    target = target_of(name)
    guard = Guard(folder, target.seconds, target.megabytes)
    inputs = folder / "inputs"
    inputs.mkdir()
    os.environ["HANDSSS_CACHE"] = str(folder / "cache")
    draw = target.prepare(inputs)
    begin = time.monotonic()
    faults: dict[str, dict[str, Any]] = {}
    done = 0
    for number in range(first, first + count):
        if time.monotonic() - begin > seconds:
            break
        check = draw(np.random.default_rng([zlib.crc32(name.encode()), seed, number]))
        if number == first:
            guard.wall()
        sys.stderr.write(f"input {number}\n")  # the last one, if the interpreter itself crashes
        faulthandler.dump_traceback_later(10 * target.seconds, exit=True)
        text = guard.fault(check)
        faulthandler.cancel_dump_traceback_later()
        done += 1
        if text:
            faults.setdefault(_kind(text), {"inputs": [], "fault": text})["inputs"].append(number)
    took = time.monotonic() - begin
    return {
        "target": name,
        "seed": seed,
        "inputs": done,
        "seconds": round(took, 1),
        "slowest_s": round(guard.slowest, 2),
        "largest_MB": round(guard.largest),
        "faults": [{**fault, "inputs": fault["inputs"][:_NAMED]} for fault in faults.values()],
    }


def _kind(text: str) -> str:
    """Equal for faults that happen at one place of this package."""
    places = re.findall(r'File "[^"]*handsss/([^"]+)", line (\d+)', text)
    return str(places[-1]) + text.strip().splitlines()[-1].partition(":")[0][:40] if places else text[:14]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=None, help="default: as in the slow tests")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop then, whatever the count")
    options = parser.parse_args()
    count = target_of(options.target).count if options.count is None else options.count
    with tempfile.TemporaryDirectory() as folder:
        result = fuzz(
            options.target,
            Path(folder),
            seed=options.seed,
            first=options.first,
            count=count,
            seconds=options.seconds,
        )
    sys.stdout.write(json.dumps(result, indent=1) + "\n")
    sys.exit(1 if result["faults"] else 0)


if __name__ == "__main__":
    main()
