"""Writes a report: metrics, tables, curves, pictures, and one HTML page with all of them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from handsss.evaluation.curves import Figure, draw, keypoint_panels, space_panels
from handsss.evaluation.metric_tables import report_tables
from handsss.evaluation.report.page import render_page
from handsss.evaluation.report.pictures import Redraw, ReportSample, draw_samples
from handsss.evaluation.samples import Evaluation
from handsss.evaluation.tables import escaped, markdown
from handsss.io.atomic import make_folder, write_file
from handsss.visualize.sheet import Line, as_jpeg, sheet


def write_report(
    evaluation: Evaluation,
    folder: Path,
    *,
    redraw: Redraw | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write report.html (everything in one file), report.md, metrics.json, curves as PNG and SVG, and pictures of the
    worst and best samples.

    Each file is whole or absent; report.html comes last.

    Args:
        evaluation: with at least one sample.
        folder: of the report; made if it is not there.
        redraw: the textured hand of a sample, for its picture; meshes of a known numbering are drawn without it.
        progress: told pictures drawn and to draw.

    Returns:
        The files, report.html first.

    Raises:
        UserError: the folder or a file cannot be written.
    """
    metrics = evaluation.metrics
    figures = _figures(evaluation)
    tables = report_tables(metrics)
    shown = draw_samples(evaluation, redraw, progress or (lambda done, total: None))
    files: dict[str, bytes] = {"metrics.json": _json(metrics)}
    for name, (_, figure) in figures.items():
        files |= {f"{name}.png": figure.png, f"{name}.svg": figure.svg}
    files |= {f"samples/{one.file}": _picture(one) for one in shown}
    files["report.md"] = _document(evaluation, [markdown(table) for table in tables], figures, shown)
    files["report.html"] = render_page(metrics, evaluation.notes, tables, figures, shown).encode()
    written = write_all(folder, files)
    _remove_old(folder / "samples", written)
    return written


def write_all(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Write files in their order, each whole or not at all; the last one comes first in the result.

    Raises:
        UserError: one cannot be written.
    """
    paths = [folder / name for name in files]
    for path, content in zip(paths, files.values(), strict=True):
        make_folder(path.parent)
        write_file(path, content)
    return [paths[-1], *paths[:-1]]


def _figures(evaluation: Evaluation) -> dict[str, tuple[str, Figure]]:
    samples = evaluation.samples
    metrics = evaluation.metrics
    reflection = not metrics.get("proper", False)
    space = space_panels(samples, str(metrics.get("protocol", "freihand")), reflection=reflection)
    figures = {"curves_3d": ("Share of joints and vertices within a 3D error", draw(space, "curves_3d"))}
    flat = keypoint_panels(samples)
    if flat:
        figures["curves_2d"] = ("Share of keypoints and frames within a 2D error", draw(flat, "curves_2d"))
    return figures


def _picture(one: ReportSample) -> bytes:
    labels = [label for label, _ in one.panels]
    title = f"{one.kind} {one.rank}: {one.name}"
    return as_jpeg(sheet([Line([panel for _, panel in one.panels])], columns=labels, title=title, notes=[one.figures]))


def _document(
    evaluation: Evaluation, tables: list[str], figures: Mapping[str, tuple[str, Figure]], shown: list[ReportSample]
) -> bytes:
    metrics = evaluation.metrics
    lines = ["# Evaluation", ""]
    for key in ("checkpoint", "predictions", "data", "protocol"):
        if metrics.get(key):
            lines.append(f"- {key}: `{metrics[key]}`")
    lines += [f"- frames: {metrics['count']}", ""]
    if evaluation.notes:
        lines += ["## Notes", "", *(f"- {escaped(note)}" for note in evaluation.notes), ""]
    lines += tables
    lines.append("## Curves")
    lines += [f"\n![{heading}]({name}.png)" for name, (heading, _) in figures.items()]
    for kind in ("worst", "best"):
        group = [one for one in shown if one.kind == kind]
        if group:
            lines += ["", f"## {kind.capitalize()} samples", "", "| | picture | errors |", "|---|---|---|"]
            lines += [f"| {one.rank} | [{_link(one.name)}](samples/{one.file}) | {one.figures} |" for one in group]
    return ("\n".join(lines) + "\n").encode()


def _link(name: str) -> str:
    return re.sub(r"([\\\[\]|`*_])", r"\\\1", escaped(name))


def _remove_old(folder: Path, kept: list[Path]) -> None:
    """Remove pictures of an earlier report in the same folder."""
    for path in folder.glob("*.jpg"):
        if path not in kept and re.fullmatch(r"(worst|best)_\d\d_.*", path.name):
            with suppress(OSError):
                path.unlink()


def _json(metrics: Mapping[str, Any]) -> bytes:
    return (json.dumps(finite(metrics), indent=2, allow_nan=False) + "\n").encode()


def finite(value: Any) -> Any:
    """A JSON value: NaN and infinity become None, paths text."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    return value
