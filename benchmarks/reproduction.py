"""The paper's claims on open data: one run for every row, scored, and the tables of docs/reproduction.md.

    python benchmarks/reproduction.py --data TRAIN.h5 --val EVAL.h5 --out runs/reproduction [--steps 2400] [--only NAME]

All runs share data, seed and one warm-up, in which the encoder learns keypoints before any of them begins. A run that
was interrupted goes on; one that is finished is not made again. Figures go to docs/results/reproduction/NAME.json, and
the part of docs/reproduction.md between its two marks is written anew; rows without such a file say "not run".
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

DOCS = Path(__file__).parents[1] / "docs"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
WARM_UP = "warm-up"
# Of the small preset; the last stage has the photometric and consistency terms and so its share of the steps.
COMMON = (
    "--set", "keypoints.epochs=8", "--set", "shape.epochs=60", "--set", "finetune.epochs=16",
    "--set", "watch.validate_every=200", "--set", "watch.picture_every=0",
    "--set", "network.guided=false", "--set", "losses.w_lifted=0",  # the paper's terms are compared
)  # fmt: skip


class Row(NamedTuple):
    """One run and what it stands for."""

    name: str
    title: str
    options: str
    published: str = ""  # aligned MPJPE / MPVPE on FreiHAND, cm


ROWS = (
    Row("ours-ssl", "ours, self-supervised", "--ssl", "1.18 / 1.19"),
    Row("ours-fsl", "ours, fully supervised", "--fsl"),
    Row("mano-cnn-ssl", "MANO-CNN, self-supervised", "--ssl --baseline mano-cnn", "1.54 / 1.58"),
    Row("mano-cnn-fsl", "MANO-CNN, fully supervised", "--fsl --baseline mano-cnn"),
    Row(
        "bones",
        "joints, regularisers, bone directions",
        "--ssl --set losses.w_photo=0 --set losses.w_2d=0 --set losses.w_con=0 --set network.stacks=0 "
        "--set network.appearance=false --stages shape,finetune",
        "1.24 / 1.26",
    ),
    Row(
        "bones-branch",
        "the same with 2D branch and E_con, without photometric terms",
        "--ssl --set losses.w_photo=0",
        "1.19 / 1.20",
    ),
    Row("without-con", "ours without E_con", "--ssl --set losses.w_con=0"),
    Row("average", "ours, average pose prior", "--ssl --pose-prior average"),
)
LOSSES_IN_TURN = ("mano-cnn-ssl", "bones", "bones-branch", "ours-ssl")


def handsss(*arguments: object) -> None:
    """Run a command of the program, seen by the user."""
    words = [str(argument) for argument in arguments]
    print("handsss " + shlex.join(words), flush=True)
    subprocess.run([sys.executable, "-m", "handsss", *words], check=True)


def train(folder: Path, data: list[object], options: list[str]) -> None:
    """A run to its end, from wherever it stands."""
    if (folder / "final.pt").exists():
        return
    if (folder / "latest.pt").exists():
        handsss("train", "--resume", "--out", folder, "--quiet")
        return
    handsss("train", *options, *data, "--preset", "small", "--out", folder, "--quiet")


def score(row: Row, folder: Path, evaluation: Path) -> None:
    """Evaluate a run and keep its figures, without the folders of this machine."""
    report = folder / "report"
    handsss("evaluate", "--checkpoint", folder, "--data", evaluation, "--report", report, "--quiet")
    metrics = json.loads((report / "metrics.json").read_text())
    kept = ("count", "about", "aligned", "root_aligned", "raw", "keypoints_2d", "keypoints_2d_definition")
    figures: dict[str, Any] = {"row": row.name, "options": row.options}
    figures |= {key: metrics[key] for key in kept if key in metrics}
    places = ("data", "validation")
    figures["about"] = {k: Path(v).name if k in places else v for k, v in metrics["about"].items()}
    run = json.loads((folder / "run.json").read_text())
    figures["stages"] = run["stages"]
    target = DOCS / "results" / "reproduction" / f"{row.name}.json"
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
    for row in ROWS:
        figures = figures_of(row.name)
        if figures is None:
            text.append(f"| {row.title} (`{row.options}`) | not run | | | | | | |")
            continue
        near, far, points = figures["aligned"], figures["raw"], figures.get("keypoints_2d", {})
        cells = [f"{near['mpjpe_mm']:.2f} / {near['mpvpe_mm']:.2f}", f"{far['mpjpe_mm']:.1f} / {far['mpvpe_mm']:.1f}"]
        cells += [f"{near['auc_j']:.3f}", f"{near['f5']:.3f} / {near['f15']:.3f}"]
        cells += [f"{points[kind]['per_joint']:.3f}" if kind in points else "" for kind in ("projected", "predicted")]
        cells.append(f"{figures['about']['step']:,}")
        text.append(f"| [{row.title}](results/reproduction/{row.name}.json) | " + " | ".join(cells) + " |")
    text += [
        "",
        "Each loss added in turn, aligned:",
        "",
        "| terms | here, cm | paper (FreiHAND), cm |",
        "|---|---|---|",
    ]
    for name in LOSSES_IN_TURN:
        row = next(row for row in ROWS if row.name == name)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="training store, detected keypoints and truth; none: page alone")
    parser.add_argument("--val", type=Path, help="evaluation store")
    parser.add_argument("--out", type=Path, default=Path("runs/reproduction"))
    parser.add_argument("--steps", type=int, default=2400, help="of each run, after the warm-up")
    parser.add_argument("--warm-up", type=int, default=900, help="steps of the shared warm-up")
    parser.add_argument("--only", nargs="*", help="rows by name: " + ", ".join(row.name for row in ROWS))
    options = parser.parse_args()
    if (options.data is None) != (options.val is None):
        parser.error("--data and --val belong together")
    if options.data is not None:
        data: list[object] = ["--data", options.data, "--val", options.val]
        warm = options.out.with_name(f"{options.out.name}-{WARM_UP}")  # no row of any table
        train(warm, data, ["--ssl", *COMMON, "--stages", WARM_UP, "--steps", str(options.warm_up)])
        for row in ROWS:
            if options.only and row.name not in options.only:
                continue
            folder = options.out / row.name
            if figures_of(row.name) is not None and (folder / "final.pt").exists():
                continue
            stages = [] if "--stages" in row.options else ["--stages", "keypoints,shape,finetune"]
            more = [*shlex.split(row.options), *COMMON, *stages, "--steps", str(options.steps)]
            train(folder, data, [*more, "--weights", str(warm / "latest.pt")])
            score(row, folder, options.val)
            write_page()
    write_page()


if __name__ == "__main__":
    main()
