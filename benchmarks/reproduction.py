"""The paper's claims on open data: one run for every row, scored, and the tables of docs/lab/reproduction.md.

    python benchmarks/reproduction.py --data TRAIN.h5 --val EVAL.h5 --out runs/reproduction [--steps 960] [--only NAME]

All runs share data and seed, and each begins where the stages end that it shares with others: a warm-up of the encoder
is the same for all, a longer stage "keypoints" for all that have a 2D branch, and the stage "shape" for rows that
differ in the last stage's terms. With one thread a run, as many run at once as there are cores (--jobs). A run that was
interrupted goes on; one that is finished is not made again. Figures go to docs/results/reproduction/NAME.json, and the
part of docs/lab/reproduction.md between its two marks is written anew; rows without such a file say "not run".
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from reproduction_page import DOCS, write_page
from reproduction_runs import BY_NAME, COMMON, ROWS, RUNS, ReproductionRun

LAST = 1 / 6  # share of the last stage of a row's steps


class Series(NamedTuple):
    """The series' settings."""

    data: Path
    evaluation: Path
    out: Path
    steps: int  # of stages shape and finetune
    warm_up: int  # of the small preset's stages warm-up and keypoints
    keypoints: int  # of the stage keypoints after them
    threads: int  # of a run

    def folder(self, run: ReproductionRun) -> Path:
        """Of a run; those that are no rows lie apart, so that `out/*` are rows."""
        return self.out / run.name if run.title else self.out.with_name(f"{self.out.name}-starts") / run.name

    def options(self, run: ReproductionRun) -> list[str]:
        """For `handsss train`."""
        last = round(LAST * self.steps)
        steps = {
            "warm-up,keypoints": self.warm_up,
            "keypoints": self.keypoints,
            "shape": self.steps - last,
            "finetune": last,
        }
        more = f"--stages {run.stages} --steps {steps.get(run.stages, self.steps)}"
        if not run.title:
            more += " --set schedule.ema_decay=0"  # the average would hold on to what a stage has just changed
        if run.stages == "shape,finetune":
            more += f" --set shape.epochs={self.steps - last} --set finetune.epochs={last}"  # shares of the steps
        words = shlex.split(f"{run.options} {COMMON} {more}")
        if run.begin:
            words += ["--weights", str(self.folder(BY_NAME[run.begin]) / "latest.pt")]
        return [*words, "--data", str(self.data), "--val", str(self.evaluation)]


def handsss(threads: int, *arguments: object) -> None:
    """Run a command of the program, printing it."""
    words = [str(argument) for argument in arguments]
    print("handsss " + shlex.join(words), flush=True)
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    subprocess.run([sys.executable, "-m", "handsss", *words], check=True, env=environment)


def train(series: Series, run: ReproductionRun, threads: int) -> None:
    """Train a run to its end, resuming it if it exists."""
    folder = series.folder(run)
    if (folder / "final.pt").exists():
        return
    if (folder / "latest.pt").exists():
        handsss(threads, "train", "--resume", "--out", folder, "--quiet")
        return
    handsss(threads, "train", *series.options(run), "--out", folder, "--quiet")


def chain(run: ReproductionRun) -> list[ReproductionRun]:
    """The runs whose weights led to a run, itself last."""
    return [*(chain(BY_NAME[run.begin]) if run.begin else []), run]


def own_stages(series: Series, run: ReproductionRun) -> list[dict[str, Any]]:
    """The stages of a run alone."""
    stages: list[dict[str, Any]] = json.loads((series.folder(run) / "run.json").read_text())["stages"]
    return stages


def stages_of(series: Series, run: ReproductionRun) -> list[dict[str, Any]]:
    """All stages that a run's network went through."""
    return [stage for one in chain(run) for stage in own_stages(series, one)]


def validations_of(series: Series, run: ReproductionRun) -> list[dict[str, Any]]:
    """Validations during training; steps counted over all runs of the chain."""
    found, before = [], 0
    for one in chain(run):
        for line in map(json.loads, (series.folder(one) / "metrics.jsonl").read_text().splitlines()):
            if line["kind"] == "validation":
                kept = ("aligned_mpjpe_mm", "mpjpe_mm", "projected_px", "predicted_px")
                found.append({"step": before + line["step"], "run": one.name} | {k: line[k] for k in kept if k in line})
        before += sum(stage["steps"] for stage in own_stages(series, one))
    return found


def score(series: Series, run: ReproductionRun) -> None:
    """Evaluate a run, once, and keep its figures, without the folders of this machine."""
    folder = series.folder(run)
    report = folder / "report"
    if not (report / "metrics.json").exists():
        command = "evaluate", "--checkpoint", folder, "--data", series.evaluation, "--report", report, "--quiet"
        handsss(series.threads, *command)
    metrics = json.loads((report / "metrics.json").read_text())
    kept = ("count", "about", "aligned", "root_aligned", "raw", "keypoints_2d", "keypoints_2d_definition")
    figures: dict[str, Any] = {"row": run.name, "options": run.options}
    figures |= {key: metrics[key] for key in kept if key in metrics}
    places = ("data", "validation")
    figures["about"] = {k: Path(v).name if k in places else v for k, v in metrics["about"].items()}
    figures["stages"] = stages_of(series, run)
    figures["validations"] = validations_of(series, run)
    target = DOCS / "results" / "reproduction" / f"{run.name}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(figures, indent=1) + "\n")


def make(series: Series, runs: list[ReproductionRun], jobs: int, cores: int) -> None:
    """Train and score, several runs at once; each begins when the one is done that it begins with."""
    done: dict[str, Future[None]] = {}

    def one(run: ReproductionRun) -> None:
        if run.begin:
            done[run.begin].result()
        alone = not run.begin  # all others wait for it
        train(series, run, cores if alone else series.threads)
        if run.title:
            score(series, run)

    with ThreadPoolExecutor(jobs) as pool:  # takes them in order, and a run stands behind the one that it waits for
        for run in runs:
            done[run.name] = pool.submit(one, run)
        try:
            for future in done.values():
                future.result()
                write_page()  # here alone: runs that end together would write over each other
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def with_beginnings(names: list[str]) -> list[ReproductionRun]:
    """The rows' runs and all that they begin with, in the order of the table above."""
    wanted = set(names)
    for run in reversed(RUNS):
        if run.name in wanted and run.begin:
            wanted.add(run.begin)
    return [run for run in RUNS if run.name in wanted]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="training store, detected keypoints and truth; none: page alone")
    parser.add_argument("--val", type=Path, help="evaluation store")
    parser.add_argument("--out", type=Path, default=Path("runs/reproduction"))
    parser.add_argument("--steps", type=int, default=960, help="of a row, in the stages shape and finetune")
    parser.add_argument("--warm-up", type=int, default=1020, help="steps of the warm-up before them")
    parser.add_argument("--keypoints", type=int, default=400, help="steps of the 2D branch alone before them")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="runs at once, each on its share of cores"
    )
    parser.add_argument("--only", nargs="*", choices=ROWS, help="rows by name")
    options = parser.parse_args()
    if (options.data is None) != (options.val is None):
        parser.error("--data and --val belong together")
    if options.data is not None:
        cores = os.cpu_count() or 1
        threads = max(1, cores // options.jobs)
        series = Series(
            options.data, options.val, options.out, options.steps, options.warm_up, options.keypoints, threads
        )
        make(series, with_beginnings(options.only or list(ROWS)), options.jobs, cores)
    write_page()


if __name__ == "__main__":
    main()
