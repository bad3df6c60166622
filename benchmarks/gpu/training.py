"""A training within a time: pictures are drawn on the machine's cores, the recipe of the weights that come along is
followed as far as the time goes (docs/lab/open-b0.md), and the weights are exported in half precision."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu.stage import ROOT, keep, stage_parser
from benchmarks.gpu.weights import split

PICTURES = 0.4  # of the stage for making them
AFTER = 0.12  # of the stage for evaluation, curve and export
RECIPE = ("--ssl", "--preset", "small", "--batch", "64", "--set", "schedule.precision=bfloat16")
TINY = (
    "--ssl",
    "--preset",
    "small",
    "--batch",
    "4",
    "--set",
    "logging.validate_rows=2",
    "--set",
    "logging.picture_every=0",
)
LINES = 12  # of a command's output that are kept


class Work:
    """The stage's commands, each with what is left of the stage's time."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.tiny = options.device == "cpu"
        self.begin = time.monotonic()
        self.end = self.begin + options.limit - 6.0  # the stage's own grace and this program's end
        self.result: dict[str, Any] = {"commands": []}

    def left(self) -> float:
        """Seconds."""
        return self.end - time.monotonic()

    def did(self, *words: object, program: tuple[str, ...] = ("-m", "handsss"), until: float = 0.0) -> float:
        """Run a command; its seconds.

        Raises:
            RuntimeError: it failed, or took longer than all but ``until`` seconds of what is left.
        """
        command = [sys.executable, *program, *map(str, words)]
        begin, limit = time.monotonic(), max(self.left() - until, 1.0)
        try:
            done = subprocess.run(
                command,
                cwd=self.options.work,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=limit,
            )
            text, code = done.stdout, done.returncode
        except subprocess.TimeoutExpired as error:
            raw = error.stdout or b""
            text, code = raw.decode(errors="replace") if isinstance(raw, bytes) else raw, None
        seconds = round(time.monotonic() - begin, 1)
        print(f"$ {' '.join(map(str, words))}  ({seconds} s)\n{text}", flush=True)
        self.result["commands"].append({"command": " ".join(map(str, words)), "seconds": seconds, "exit": code})
        self.result["commands"][-1]["output"] = [line.rstrip() for line in text.splitlines() if line.strip()][-LINES:]
        self.keep()
        if code != 0:
            raise RuntimeError(
                f"{words[0]}: {'ended with ' + str(code) if code is not None else f'over {limit:.0f} s'}"
            )
        return seconds

    def keep(self, **more: Any) -> None:
        """Write what there is."""
        self.result |= more
        keep(self.options.target, self.result)


def pictures(work: Work) -> None:
    """``evaluation.h5``, and as many training pictures as the time allows in ``train.h5``."""
    cores = os.cpu_count() or 1
    extra = ["--backgrounds", work.options.backgrounds.resolve()] if work.options.backgrounds else []
    quiet = ["--seed", 0, "--quiet", *extra]
    detect = ["--keypoints", "detect", "--quiet"]
    budget = PICTURES * work.options.limit

    def make(name: str, split_: str, count: int, store: str) -> float:
        counts = ["-n", count, "--eval", 0] if split_ == "training" else ["-n", 1, "--eval", count]
        return work.did("synthesize", *counts, "-o", name, *quiet) + work.did(
            "preprocess", "freihand", name, "--split", split_, *detect, "-o", store
        )

    if work.tiny:
        make("others", "evaluation", 2, "evaluation.h5")
        make("synthetic", "training", 8, "train.h5")
        work.keep(pictures={"training": 8, "evaluation": 2, "cores": cores})
        return
    start = make("first", "training", 1, "first.h5")  # programs start and kernels are compiled, once on a machine
    some = 200
    taken = make("others", "evaluation", some, "evaluation.h5")
    # What a start costs was not measured well where kernels were compiled meanwhile.
    start = min(start, 0.7 * taken)
    each = (taken - start) / some
    rest = budget - (time.monotonic() - work.begin)
    count = int(min(max(0.85 * (rest - start) / each, 256), 50_000))
    taken = make("synthetic", "training", count, "train.h5")
    work.keep(pictures={"training": count, "evaluation": some, "cores": cores, "a_second": round(count / taken, 1)})


def trained(work: Work) -> None:
    """``run/``, for all the time that is left."""
    minutes = (work.left() - AFTER * work.options.limit) / 60
    if work.tiny:
        minutes = min(minutes, 1.2)
    recipe = [*(TINY if work.tiny else RECIPE), *work.options.train.split()]
    data = ["--data", "train.h5", "--val", "evaluation.h5", "--out", "run", "--device", work.options.device]
    workers = ["--workers", 0] if work.tiny else []
    work.did("train", *recipe, *data, *workers, "--no-tensorboard", "--minutes", f"{max(minutes, 0.05):.2f}")


def results(work: Work) -> None:
    """Figures, curve and weights of the run, into the output folder."""
    run, folder = work.options.work / "run", work.options.target.parent
    facts: list[object] = []
    problems = []
    try:
        evaluate = ["--checkpoint", "run", "--data", "evaluation.h5", "--report", "report", "--quiet"]
        work.did("evaluate", *evaluate, "--device", work.options.device, until=0.4 * work.left())
        work.keep(evaluation=json.loads((work.options.work / "report" / "metrics.json").read_text()))
        facts = ["--evaluation", "report/metrics.json"]
    except (RuntimeError, OSError, ValueError) as error:
        problems.append(str(error))
    name = "handsss-gpu.safetensors"
    work.did("export", "weights", "run", "-o", name, "--licence", "Apache-2.0", "--quiet", *facts)
    split(work.options.work / name, folder)
    curve = ROOT / "benchmarks" / "training_curve.py"
    work.did(run, "--json", "curve.json", "--png", folder / "training.png", program=(str(curve),))
    work.keep(curve=json.loads((work.options.work / "curve.json").read_text()))
    if problems:
        raise RuntimeError("; ".join(problems))


def main() -> int:
    parser = stage_parser(__doc__)
    parser.add_argument("--backgrounds", type=Path)
    parser.add_argument("--train", default="", help="further words for handsss train")
    work = Work(parser.parse_args())
    failures = []
    for part in (pictures, trained, results):
        try:
            part(work)
        except (RuntimeError, OSError, ValueError, KeyError, IndexError) as error:
            print(f"{part.__name__}: {error}", file=sys.stderr, flush=True)
            failures.append(f"{part.__name__}: {error}")
            work.keep(failures=failures)
            # A training that broke off may have left a state whose weights are worth keeping.
            if not list((work.options.work / "run").glob("*.pt")):
                break
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
