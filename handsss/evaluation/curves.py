"""PCK curves: share of errors within a threshold (as the supplement's figure 2), as PNG and SVG."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from handsss.evaluation.metrics import LIMIT_2D, LIMIT_3D, curve, distances, thresholds
from handsss.evaluation.protocols import PROTOCOLS
from handsss.evaluation.samples import Samples
from handsss.evaluation.score import score_2d
from handsss.geometry.procrustes import Similarity, no_alignment, procrustes, root_alignment

# Bright enough for dark pages and dark enough for light ones.
GREY, BLUE, RED, GREEN, VIOLET = "#8a8f98", "#3b82f6", "#e8590c", "#2f9e44", "#9c5fd6"
INK = "#5b6068"  # of axes and text; pages that embed a figure replace it by their own colour
_STYLES = {
    "detector": ("detector", GREY, (0, (1, 1.2))),
    "predicted": ("predicted, 2D branch", BLUE, (0, (5, 1.5))),
    "projected": ("projected, 3D branch", RED, "solid"),
}
_WAYS = ("Procrustes-aligned", "root-aligned", "raw, camera space")
_WAY_COLOURS = (RED, BLUE, GREY)
_WAY_STYLES = ("solid", (0, (5, 1.5)), (0, (1, 1.2)))
_CHUNK = 256  # frames at a time, so that big datasets need no big memory


class Curve(NamedTuple):
    """One line of a figure."""

    label: str
    share: np.ndarray  # [100] of errors within each threshold from 0 to the panel's limit
    colour: str
    style: Any = "solid"  # as matplotlib has it

    @property
    def area(self) -> float:
        """Area under the curve, 0..1."""
        return float((self.share.sum() - (self.share[0] + self.share[-1]) / 2) / (len(self.share) - 1))


class Panel(NamedTuple):
    """One pair of axes, its curves over 0 to its limit."""

    title: str
    across: str  # label of the x axis, with its unit
    up: str  # label of the y axis
    limit: float  # of the x axis
    curves: Sequence[Curve]


def keypoint_panels(samples: Samples) -> list[Panel]:
    """2D errors per joint, per-frame mean and per-frame maximum, 0 to 50 px; none without true keypoints."""
    if samples.true_keypoints is None or not samples.keypoints:
        return []
    errors = {
        name: score_2d(samples.keypoints[name], samples.true_keypoints).errors
        for name in _STYLES
        if name in samples.keypoints
    }

    def curves(reduce: Any) -> list[Curve]:
        return [
            Curve(_STYLES[name][0], curve(reduce(found), LIMIT_2D)[1], *_STYLES[name][1:])
            for name, found in errors.items()
        ]

    across = "2D error, px of the crop"
    return [
        Panel("2D, per joint", across, "share of keypoints", LIMIT_2D, curves(np.ravel)),
        Panel("2D, per-frame mean", across, "share of frames", LIMIT_2D, curves(lambda e: e.mean(1))),
        Panel("2D, per-frame maximum", across, "share of frames", LIMIT_2D, curves(lambda e: e.max(1))),
    ]


def space_panels(samples: Samples, protocol: str, *, reflection: bool) -> list[Panel]:
    """3D errors of joints and, where meshes correspond, of vertices, 0 to 50 mm.

    Args:
        samples: any number.
        protocol: names the root joint.
        reflection: alignment may mirror, as the official evaluations allow.
    """
    root = PROTOCOLS[protocol].root
    meshes = samples.corresponding and samples.vertices is not None and samples.true_vertices is not None
    sums: dict[str, list[np.ndarray]] = {"joints": [], "vertices": []}
    for first in range(0, len(samples), _CHUNK):
        rows = slice(first, first + _CHUNK)
        joints, truth = _metres(samples.joints[rows]), _metres(samples.true_joints[rows])
        by_root, still = root_alignment(joints, truth, root), no_alignment(len(joints))
        ways = (procrustes(joints, truth, reflection=reflection), by_root, still)
        sums["joints"].append(_shares(joints, truth, ways))
        if meshes and samples.vertices is not None and samples.true_vertices is not None:
            points, true_points = _metres(samples.vertices[rows]), _metres(samples.true_vertices[rows])
            ways = (procrustes(points, true_points, reflection=reflection), by_root, still)
            sums["vertices"].append(_shares(points, true_points, ways))
    return [
        Panel(
            f"3D, {what}",
            "3D error, mm",
            f"share of {what}",
            1000 * LIMIT_3D,
            [
                Curve(*line)
                for line in zip(_WAYS, np.sum(found, axis=0) / len(samples), _WAY_COLOURS, _WAY_STYLES, strict=True)
            ],
        )
        for what, found in sums.items()
        if found
    ]


def _metres(points: np.ndarray) -> np.ndarray:
    return np.asarray(points, dtype=np.float64)


def _shares(points: np.ndarray, truth: np.ndarray, ways: Sequence[Similarity]) -> np.ndarray:
    """[W, 100] sums over frames of the share of points within each threshold, for each alignment."""
    return np.stack([len(points) * curve(distances(way(points), truth), LIMIT_3D)[1] for way in ways])


class Figure(NamedTuple):
    """A figure in both forms."""

    png: bytes
    svg: bytes


def draw(panels: Sequence[Panel], name: str, *, columns: int = 3, size: tuple[float, float] = (4.2, 3.5)) -> Figure:
    """Draw panels side by side. The same panels give the same bytes.

    Args:
        panels: at least one.
        name: short; keeps the ids of several SVGs on one page apart.
        columns: at most so many panels beside each other.
        size: of a panel, inches.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    settings: Any = {
        "svg.hashsalt": name,
        "svg.fonttype": "none",
        "font.size": 9,
        "font.family": "sans-serif",
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": INK,
        "axes.titlecolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "grid.color": INK,
    }
    with matplotlib.rc_context(settings):
        figure = Canvas(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(rows, columns, squeeze=False)
        for index, axes in enumerate(grid.flat):
            if index >= len(panels):
                axes.set_axis_off()
                continue
            _draw_panel(axes, panels[index])
        png, svg = io.BytesIO(), io.BytesIO()
        figure.savefig(png, format="png", dpi=150, facecolor="white", metadata={"Software": None})
        nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(svg, format="svg", transparent=True, metadata=nothing)
    return Figure(png.getvalue(), svg.getvalue())


def _draw_panel(axes: Any, panel: Panel) -> None:
    for line in panel.curves:
        label = f"{line.label}: {line.area:.3f}"
        style = {"color": line.colour, "linestyle": line.style, "linewidth": 1.8}
        axes.plot(thresholds(panel.limit), line.share, label=label, **style)
    axes.set(xlabel=panel.across, ylabel=panel.up, xlim=(0, panel.limit), ylim=(0, 1.005))
    axes.set_title(panel.title, fontsize=10)
    axes.grid(alpha=0.22, linewidth=0.6)
    for edge in ("top", "right"):
        axes.spines[edge].set_visible(False)
    axes.legend(loc="best", fontsize=8, frameon=False, title="area under the curve", title_fontsize=8)


def inline(svg: bytes, name: str, text: str) -> str:
    """An SVG as an element of an HTML page: its text takes the page's colour, its ids are its own.

    Args:
        svg: a file of :func:`draw`.
        name: prefix of ids.
        text: what the figure shows, for those who cannot see it.
    """
    body = svg.decode("utf-8")
    body = body[body.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.S)
    body = re.sub(r'\s(xmlns(:\w+)?|version)="[^"]*"', "", body)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = body.replace("url(#", f"url(#{name}-").replace('href="#', f'href="#{name}-').replace("xlink:href", "href")
    body = body.replace(INK, "currentColor").replace(">*{", ">svg *{")
    label = text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return body.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
