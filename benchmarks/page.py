"""docs/lab/benchmarks.md and its plots from the JSON files of ``all.py``: all figures come from there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

TITLES = {
    "layer": "Hand layer",
    "renderer": "Renderer",
    "encoder": "Encoder",
    "losses": "Losses",
    "step": "Training step",
    "loader": "Loader",
    "photo": "Photos",
}
NOTES = {
    "layer": "Vertices and joints from pose, shape, rotation and translation. *textbook*: blend shapes one after the "
    "other, 4 x 4 transforms joint by joint. Floor: its matrix products and arrays.",
    "renderer": "Hands of 15 % of 224 x 224 pixels, lit, antialiased; backward: gradients of vertices, silhouettes, "
    "colours and light. *torch*: the plain reference. Floor: the pictures and their gradients, once each.",
    "encoder": "Floor: the operations of convolutions and products; three times the forward pass' with gradients.",
    "losses": "Pixel, SSIM, location, orientation and texture terms, forward and backward. *textbook SSIM*: windows of "
    "11 x 11 in one go, the rest the same. Floor: pictures read and gradients written, once.",
    "step": "Last stage: EfficientNet-b3, keypoint branch, hand, renderer, all losses, clipping, Adam. *plain "
    "assembly*: the same network and weights with efficientnet_pytorch as it comes, the textbook layer and the "
    "{plain_renderer} renderer. Floor as for the encoder.",
    "loader": "Crops a second from an HDF5 store, random order, batches of 32; augmentation (upright, cut close, "
    "turned and zoomed at random, colours) is the workers' too.",
    "photo": "The photo that is shipped with the package, in wall time. The fit is part of it. FOLDER: one run, "
    "its start included, time a photo; by default there is a process a core where each has eight photos.",
}


def write(figures: Path, docs: Path) -> str:
    """Write benchmarks.md and plots into a folder; what was written, for the user.

    Args:
        figures: JSON of one device; others beside it get their sections too.
        docs: folder; the page goes to its lab/, plots to its images/.
    """
    page = docs / "lab" / "benchmarks.md"
    page.parent.mkdir(exist_ok=True)
    text = [
        "# Speed",
        "",
        "Made by `python benchmarks/all.py`; every figure is in the JSON file that each section links. Medians after "
        "warming up. On a CPU one thread and the process' own time (photos, commands and the loader: wall time), on "
        "CUDA wall time; freed memory is kept, as `handsss train` does. "
        "*Times* compares with handsss in the same case of the same run, per item; *floor* is the time that the "
        "least bytes or operations take at the rates that this machine reached in copying and in matrix products.",
    ]
    plots = []
    files = sorted(figures.parent.glob("*.json")) if figures.parent.name == "benchmarks" else [figures]
    for file in files:
        content = json.loads(file.read_text())
        link = Path(os.path.relpath(file, page.parent)).as_posix()
        machine = next(iter(content.values()))["machine"]
        text += [
            "",
            f"## {machine.get('gpu', machine['processor'])}",
            "",
            _machine(machine, content),
            f"[{file.name}]({link})",
        ]
        for part, title in TITLES.items():
            if part in content:
                note = NOTES[part].format(plain_renderer=content[part].get("plain_renderer"))
                text += ["", f"### {title}", "", note, "", *_table(content[part]["rows"])]
        if "growth" in content:
            plot = docs / "images" / f"growth_{file.stem}.png"
            plot.parent.mkdir(exist_ok=True)
            _plot(content["growth"]["rows"], plot)
            plots.append(plot)
            text += ["", "### Growth", "", f"![Time against batch, faces, pixels](../images/{plot.name})", ""]
            text += _growth(content["growth"]["rows"])
    page.write_text("\n".join(text) + "\n")
    return "\n".join(f"{path}" for path in (figures, page, *plots))


def _machine(machine: dict[str, Any], content: dict[str, Any]) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items() if version)
    loads = [part["load_before"] for part in content.values() if part.get("load_before") is not None]
    parts = [
        f"{machine['processor']}, {machine['cores']} cores, {machine.get('memory_gb', '?')} GB",
        *([f"{machine['gpu']}, {machine['gpu_memory_gb']} GB, CUDA {machine['cuda']}"] if "gpu" in machine else []),
        f"{machine['system']}, Python {machine['python']}, {packages}",
        f"{', '.join(sorted({part['when'] for part in content.values()}))}",
        *(["short: few calls of each (`--minutes`)"] if any(part.get("short") for part in content.values()) else []),
        *([f"load before the parts {min(loads)} to {max(loads)}"] if loads else []),
    ]
    return "; ".join(parts) + ". "


def _table(rows: list[dict[str, Any]]) -> Iterable[str]:
    if "a_second" in rows[0]:
        yield "| what | a second |"
        yield "|---|---|"
        for row in rows:
            yield f"| {row['what']} | {row['a_second']:g} |"
        return
    yield "| what | by | at once | ms each, median | least | 90 % within | times | floor, ms each | peak, MB |"
    yield "|---|---|---|---|---|---|---|---|---|"
    ours = {
        row["what"]: row["median_ms"] / row.get("count", 1)
        for row in rows
        if row["contender"] in _OURS and "median_ms" in row
    }
    for row in rows:
        count = row.get("count", 1)
        if "median_ms" not in row:
            yield f"| {row['what']} | {row['contender']} | | {_figure(1e3 / row['a_second'])} | | | | | |"
            continue
        each = [_figure(row[name] / count) for name in ("median_ms", "least_ms", "p90_ms")]
        ratio = _figure(row["median_ms"] / count / ours[row["what"]], 3) if row["what"] in ours else ""
        least = f"{row['floor_ms'] / count:.3g}" if "floor_ms" in row else ""
        peak = f"{row['peak_mb']:g}" if row.get("peak_mb") is not None else ""
        yield f"| {row['what']} | {row['contender']} | {count} | {' | '.join(each)} | {ratio} | {least} | {peak} |"


def _figure(value: float, digits: int = 4) -> str:
    return f"{value:,.0f}" if value >= 10 ** (digits - 1) else f"{value:.{digits}g}"


_OURS = ("handsss", "numba", "triton")
_AXES = {"batch": "pictures at once", "faces": "faces", "size": "pixels", "layer": "hands at once, layer"}


def _per_item(row: dict[str, Any]) -> float:
    value: float = row["median_ms"] / (row["count"] if row["what"] in ("faces", "size") else 1)
    return value


def _growth(rows: list[dict[str, Any]]) -> Iterable[str]:
    """Slopes between first and last, in powers."""
    import math

    yield "Power of growth (1: linear) over the upper half of each curve:"
    yield ""
    for name, label in _AXES.items():
        points = [(row["value"] ** (2 if name == "size" else 1), _per_item(row)) for row in rows if row["what"] == name]
        (x0, y0), (x1, y1) = points[len(points) // 2], points[-1]
        if x1 > x0:
            yield f"- {label}: {math.log(y1 / y0) / math.log(x1 / x0):.2f} from {x0:,} to {x1:,}"


def _plot(rows: list[dict[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 4, figsize=(13, 3.4))
    for axis, (name, label) in zip(axes, _AXES.items(), strict=True):
        mine = [row for row in rows if row["what"] == name]
        x = [row["value"] ** (2 if name == "size" else 1) for row in mine]
        y = [_per_item(row) for row in mine]
        axis.loglog(x, y, "o-", label="measured")
        axis.loglog(x, [y[-1] * value / x[-1] for value in x], "--", color="0.6", label="linear")
        single = name in ("faces", "size")
        axis.set(
            xlabel=label,
            ylabel="ms a picture" if single else "ms in all",
            title="layer" if name == "layer" else "renderer",
        )
        axis.set_xticks(x, [f"{value:,}" for value in x], rotation=60, fontsize=7)
        axis.xaxis.minorticks_off()
        axis.grid(alpha=0.3, which="both")
    axes[0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    raise SystemExit("run benchmarks/all.py --table")
