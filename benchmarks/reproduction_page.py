"""The tables and curves of docs/lab/reproduction.md, from docs/results/reproduction/*.json alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reproduction_runs import BY_NAME, LOSSES_IN_TURN, ROWS

DOCS = Path(__file__).parents[1] / "docs"
SPACES = {"unaligned": "raw", "root-aligned": "root_aligned", "aligned": "aligned"}
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


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
        text.append(f"| [{row.title}](../results/reproduction/{row.name}.json) | " + " | ".join(cells) + " |")
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
    text += [
        "",
        "By how much MPJPE grows from full to self-supervision:",
        "",
        "| | MANO-CNN | ours |",
        "|---|---|---|",
        *(f"| {title} | {growth('mano-cnn', key)} | {growth('ours', key)} |" for title, key in SPACES.items()),
        "| unaligned, paper (FreiHAND) | +46.2 % | +22.1 % |",
    ]
    return "\n".join(text)


def growth(method: str, space: str) -> str:
    """From a method's fully supervised run to its self-supervised one."""
    full, own = figures_of(f"{method}-fsl"), figures_of(f"{method}-ssl")
    if full is None or own is None:
        return "not run"
    return f"{100 * (own[space]['mpjpe_mm'] / full[space]['mpjpe_mm'] - 1):+.1f} %"


def draw_curves(path: Path) -> bool:
    """Aligned MPJPE of the evaluation rows against steps, a line a row; whether there was anything to draw."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    made = {name: figures for name in ROWS if (figures := figures_of(name)) is not None and figures.get("validations")}
    if not made:
        return False
    figure, axis = plt.subplots(figsize=(8, 4.5))
    for name, figures in made.items():
        points = [(one["step"], one["aligned_mpjpe_mm"]) for one in figures["validations"]]
        dashed = name.startswith("mano-cnn") or name == "average"
        axis.plot(*zip(*points, strict=True), "o--" if dashed else "o-", markersize=3, label=BY_NAME[name].title)
    axis.set(xlabel="steps, shared stages before included", ylabel="aligned MPJPE, mm")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=7)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return True


def write_page() -> None:
    """The part of docs/lab/reproduction.md between its marks, and its curves."""
    page = DOCS / "lab" / "reproduction.md"
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    drawn = draw_curves(DOCS / "images" / "reproduction.png")
    curves = "\n\n![Aligned MPJPE against steps](../images/reproduction.png)" if drawn else ""
    page.write_text(f"{before}{BEGIN}\n{tables()}{curves}\n{END}{after}")
