"""Bar charts of measured and published figures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

from handsss.evaluation.curves import BLUE, GREY


class Bar(NamedTuple):
    """One bar of a chart: measured and published."""

    label: str
    here: float | None  # None: missing
    paper: float


def draw_bars(groups: Sequence[tuple[str, Sequence[Bar]]], title: str, unit: str, digits: int) -> bytes:
    """A PNG with one chart a group; the same input gives the same bytes.

    Args:
        groups: heading and bars of each.
        title: of the whole.
        unit: of the axis.
        digits: decimals of the figures above the bars.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    settings: Any = {"font.size": 9, "font.family": "sans-serif"}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(max(4.2, 0.9 * len(groups[0][1])) * len(groups), 3.9), layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(title, fontsize=10)
        all_axes = figure.subplots(1, len(groups), squeeze=False, sharey=True)[0]
        for axes, (heading, bars) in zip(all_axes, groups, strict=True):
            _draw(axes, heading, bars, digits)
        all_axes[0].set_ylabel(unit)
        figure.legend(*all_axes[0].get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=2)
        top = max(
            (value for _, bars in groups for bar in bars for value in (bar.here, bar.paper) if value), default=1.0
        )
        all_axes[0].set_ylim(0, 1.25 * top)
        target = io.BytesIO()
        figure.savefig(target, format="png", dpi=150, facecolor="white", metadata={"Software": None})
    return target.getvalue()


def _draw(axes: Any, heading: str, bars: Sequence[Bar], digits: int) -> None:
    for shift, colour, label, values in (
        (-0.2, BLUE, "here", [bar.here for bar in bars]),
        (0.2, GREY, "paper", [bar.paper for bar in bars]),
    ):
        positions = [index + shift for index in range(len(bars))]
        drawn = axes.bar(positions, [value or 0.0 for value in values], 0.38, color=colour, label=label)
        texts = ["missing" if value is None else f"{value:.{digits}f}" for value in values]
        axes.bar_label(drawn, texts, fontsize=7, padding=2, rotation=90 if len(bars) > 4 else 0)
    axes.set_xticks(range(len(bars)), [bar.label.replace(" ", "\n", 1) for bar in bars], fontsize=8)
    axes.set_title(heading, fontsize=9)
    for edge in ("top", "right"):
        axes.spines[edge].set_visible(False)
