"""A training within a time: the preset open on pictures that the GPU paints while it trains, with photos among them
where a folder is given; the weights are exported in half precision."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu.stage import ROOT, keep, stage_parser
from benchmarks.gpu.weights import split
from handsss.data.dataset import HandDataset
from handsss.errors import UserError
from handsss.network.encoder import LITE0
from handsss.training.imagenet import packaged_weights

PHOTOS = 0.45  # of a step's rows, where there are photos
ONLINE_ROWS = 16384  # that count as an epoch
AFTER = 0.12  # of the stage for evaluation, curve and export
RECIPE = ("--ssl", "--preset", "open", "--batch", "256", "--set", "schedule.precision=bfloat16")
TINY = (
    "--ssl",
    "--preset",
    "open",
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
    """``evaluation.h5``, with true joints, and ``photos.h5`` where there are photos."""
    backgrounds = ["--backgrounds", work.options.backgrounds.resolve()] if work.options.backgrounds else []
    detect = ["--keypoints", "detect", "--quiet"]
    some = 2 if work.tiny else 200
    work.did("synthesize", "-n", 1, "--eval", some, "-o", "others", "--seed", 0, "--quiet", *backgrounds)
    work.did("preprocess", "freihand", "others", "--split", "evaluation", *detect, "-o", "evaluation.h5")
    counts = {"evaluation": some}
    if work.options.photos:
        work.did("preprocess", "images", work.options.photos.resolve(), *detect, "--skip-bad", "-o", "photos.h5")
        counts["photos"] = len(HandDataset(work.options.work / "photos.h5"))
    work.keep(pictures=counts)


def trained(work: Work) -> None:
    """``run/``, for all the time that is left."""
    minutes = (work.left() - AFTER * work.options.limit) / 60
    if work.tiny:
        minutes = min(minutes, 1.2)
    rows = 32 if work.tiny else ONLINE_ROWS
    recipe = [*(TINY if work.tiny else RECIPE), "--set", f"data.online_rows={rows}"]
    try:
        packaged_weights(LITE0)
    except UserError:
        recipe += ["--set", 'data.imagenet=""']  # told by the run: random weights
    folder = work.options.backgrounds
    data = ["--data", f"online:{folder.resolve()}" if folder else "online"]
    photos = work.result["pictures"].get("photos", 0)
    if photos:
        data += ["--data", f"photos.h5:{PHOTOS / (1 - PHOTOS) * rows / photos:.3g}"]
    data += ["--val", "evaluation.h5", "--out", "run", "--device", work.options.device]
    workers = ["--workers", 0] if work.tiny else []
    more = work.options.train.split()
    work.did("train", *recipe, *more, *data, *workers, "--no-tensorboard", "--minutes", f"{max(minutes, 0.05):.2f}")


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
    parser.add_argument("--photos", type=Path)
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
