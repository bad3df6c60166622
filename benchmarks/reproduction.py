"""The paper's claims on open data: one run for every row, scored, and the tables of docs/reproduction.md.

    python benchmarks/reproduction.py --data TRAIN.h5 --val EVAL.h5 --out runs/reproduction [--steps 960] [--only NAME]

All runs share data and seed, and each begins where the stages end that it shares with others: a warm-up of the encoder
is the same for all, a longer stage "keypoints" for all that have a 2D branch, and the stage "shape" for rows that
differ in the last stage's terms. With one thread a run, as many run at once as there are cores (--jobs). A run that was
interrupted goes on; one that is finished is not made again. Figures go to docs/results/reproduction/NAME.json, and the
part of docs/reproduction.md between its two marks is written anew; rows without such a file say "not run".
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

DOCS = Path(__file__).parents[1] / "docs"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
# Of the small preset, but the paper's terms are compared, and its rate of the last stage.
COMMON = (
    "--preset small --set network.guided=false --set losses.w_lifted=0 --set finetune.rate=2.5e-4 "
    "--set finetune.halvings=2 --set watch.validate_every=320 --set watch.picture_every=0"
)
BONES = (
    "--set losses.w_photo=0 --set losses.w_2d=0 --set losses.w_con=0 --set network.stacks=0 "
    "--set network.appearance=false"
)


class Run(NamedTuple):
    """One run and what it stands for."""

    name: str
    title: str  # empty: no row of the tables, others begin with it
    options: str
    stages: str
    begin: str = ""  # run whose end it begins with
    published: str = ""  # aligned MPJPE / MPVPE on FreiHAND, cm


RUNS = (
    Run("start", "", "--ssl", "warm-up,keypoints"),
    Run("keypoints", "", "--ssl --set keypoints.halvings=2", "keypoints", "start"),
    Run(
        "mano-cnn-ssl",
        "MANO-CNN, self-supervised",
        "--ssl --baseline mano-cnn",
        "shape,finetune",
        "start",
        "1.54 / 1.58",
    ),
    Run("mano-cnn-fsl", "MANO-CNN, fully supervised", "--fsl --baseline mano-cnn", "shape,finetune", "start"),
    Run("shape-ssl", "", "--ssl", "shape", "keypoints"),
    Run("shape-fsl", "", "--fsl", "shape", "keypoints"),
    Run("shape-average", "", "--ssl --pose-prior average", "shape", "keypoints"),
    Run("bones", "joints, regularisers, bone directions", f"--ssl {BONES}", "finetune", "shape-ssl", "1.24 / 1.26"),
    Run(
        "bones-branch",
        "the same with 2D branch and E_con, without photometric terms",
        "--ssl --set losses.w_photo=0",
        "finetune",
        "shape-ssl",
        "1.19 / 1.20",
    ),
    Run("ours-ssl", "ours, self-supervised", "--ssl", "finetune", "shape-ssl", "1.18 / 1.19"),
    Run("without-con", "ours without E_con", "--ssl --set losses.w_con=0", "finetune", "shape-ssl"),
    Run("ours-fsl", "ours, fully supervised", "--fsl", "finetune", "shape-fsl"),
    Run("average", "ours, average pose prior", "--ssl --pose-prior average", "finetune", "shape-average"),
)
BY_NAME = {run.name: run for run in RUNS}
ROWS = ("ours-ssl", "ours-fsl", "mano-cnn-ssl", "mano-cnn-fsl", "bones", "bones-branch", "without-con", "average")
LOSSES_IN_TURN = ("mano-cnn-ssl", "bones", "bones-branch", "ours-ssl")
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

    def folder(self, run: Run) -> Path:
        """Of a run; those that are no rows lie apart, so that `out/*` are rows."""
        return self.out / run.name if run.title else self.out.with_name(f"{self.out.name}-starts") / run.name

    def options(self, run: Run) -> list[str]:
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
            more += " --set schedule.averaging=0"  # the average would hold on to what a stage has just changed
        if run.stages == "shape,finetune":
            more += f" --set shape.epochs={self.steps - last} --set finetune.epochs={last}"  # shares of the steps
        words = shlex.split(f"{run.options} {COMMON} {more}")
        if run.begin:
            words += ["--weights", str(self.folder(BY_NAME[run.begin]) / "latest.pt")]
        return [*words, "--data", str(self.data), "--val", str(self.evaluation)]


def handsss(threads: int, *arguments: object) -> None:
    """Run a command of the program, seen by the user."""
    words = [str(argument) for argument in arguments]
    print("handsss " + shlex.join(words), flush=True)
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    subprocess.run([sys.executable, "-m", "handsss", *words], check=True, env=environment)


def train(series: Series, run: Run, threads: int) -> None:
    """A run to its end, from wherever it stands."""
    folder = series.folder(run)
    if (folder / "final.pt").exists():
        return
    if (folder / "latest.pt").exists():
        handsss(threads, "train", "--resume", "--out", folder, "--quiet")
        return
    handsss(threads, "train", *series.options(run), "--out", folder, "--quiet")


def stages_of(series: Series, run: Run) -> list[dict[str, Any]]:
    """All stages that a run's network went through."""
    before = stages_of(series, BY_NAME[run.begin]) if run.begin else []
    return [*before, *json.loads((series.folder(run) / "run.json").read_text())["stages"]]


def score(series: Series, run: Run) -> None:
    """Evaluate a run and keep its figures, without the folders of this machine."""
    folder = series.folder(run)
    report = folder / "report"
    handsss(
        series.threads,
        *("evaluate", "--checkpoint", folder, "--data", series.evaluation, "--report", report, "--quiet"),
    )
    metrics = json.loads((report / "metrics.json").read_text())
    kept = ("count", "about", "aligned", "root_aligned", "raw", "keypoints_2d", "keypoints_2d_definition")
    figures: dict[str, Any] = {"row": run.name, "options": run.options}
    figures |= {key: metrics[key] for key in kept if key in metrics}
    places = ("data", "validation")
    figures["about"] = {k: Path(v).name if k in places else v for k, v in metrics["about"].items()}
    figures["stages"] = stages_of(series, run)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    figures["validations"] = [
        {key: line[key] for key in ("step", "aligned_mpjpe_mm", "projected_px", "predicted_px") if key in line}
        for line in lines
        if line["kind"] == "validation"
    ]
    target = DOCS / "results" / "reproduction" / f"{run.name}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(figures, indent=1) + "\n")


def figures_of(name: str) -> dict[str, Any] | None:
    """What a row's run reached, if it was made."""
    file = DOCS / "results" / "reproduction" / f"{name}.json"
    return json.loads(file.read_text()) if file.exists() else None


def tables() -> str:
    """The tables, from the files alone."""
    text = [
        "| run | aligned MPJPE / MPVPE, mm | unaligned MPJPE / MPVPE, mm | AUC J | F@5 / F@15 | 2D AUC, projected | "
        "2D AUC, predicted | steps |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in (BY_NAME[name] for name in ROWS):
        figures = figures_of(row.name)
        if figures is None:
            text.append(f"| {row.title} (`{row.options}`) | not run | | | | | | |")
            continue
        near, far, points = figures["aligned"], figures["raw"], figures.get("keypoints_2d", {})
        cells = [f"{near['mpjpe_mm']:.2f} / {near['mpvpe_mm']:.2f}", f"{far['mpjpe_mm']:.1f} / {far['mpvpe_mm']:.1f}"]
        cells += [f"{near['auc_j']:.3f}", f"{near['f5']:.3f} / {near['f15']:.3f}"]
        cells += [f"{points[kind]['per_joint']:.3f}" if kind in points else "" for kind in ("projected", "predicted")]
        cells.append(f"{sum(stage['steps'] for stage in figures['stages']):,}")
        text.append(f"| [{row.title}](results/reproduction/{row.name}.json) | " + " | ".join(cells) + " |")
    text += [
        "",
        "Each loss added in turn, aligned:",
        "",
        "| terms | here, cm | paper (FreiHAND), cm |",
        "|---|---|---|",
    ]
    for name in LOSSES_IN_TURN:
        row = BY_NAME[name]
        figures = figures_of(name)
        here = "not run"
        if figures is not None:
            here = " / ".join(f"{0.1 * figures['aligned'][key]:.2f}" for key in ("mpjpe_mm", "mpvpe_mm"))
        title = "joints and regularisers (MANO-CNN)" if name == LOSSES_IN_TURN[0] else row.title
        text.append(f"| {title} | {here} | {row.published} |")
    return "\n".join(text)


def write_page() -> None:
    """The part of docs/reproduction.md between its marks."""
    page = DOCS / "reproduction.md"
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{tables()}\n{END}{after}")


def make(series: Series, runs: list[Run], jobs: int, cores: int) -> None:
    """Train and score, several runs at once; each begins when the one is done that it begins with."""
    done: dict[str, Future[None]] = {}

    def one(run: Run) -> None:
        if run.begin:
            done[run.begin].result()
        alone = not run.begin  # all others wait for it
        train(series, run, cores if alone else series.threads)
        if run.title:
            score(series, run)
            write_page()

    with ThreadPoolExecutor(jobs) as pool:  # takes them in order, and a run stands behind the one that it waits for
        for run in runs:
            done[run.name] = pool.submit(one, run)
        try:
            for future in done.values():
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def with_beginnings(names: list[str]) -> list[Run]:
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
        made = [name for name in options.only or ROWS if figures_of(name) is not None]
        left = [
            name for name in options.only or ROWS if name not in made or not (options.out / name / "final.pt").exists()
        ]
        make(series, with_beginnings(left), options.jobs, cores)
    write_page()


if __name__ == "__main__":
    main()
