"""The report as one self-contained HTML page: nothing is fetched, the only scripts are the viewer's."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from handsss.evaluation.curves import Figure, inline
from handsss.evaluation.metric_tables import COLUMNS_3D
from handsss.evaluation.report.pictures import ReportSample
from handsss.evaluation.tables import Table, html, number
from handsss.io.html import render
from handsss.page.shell import policy, scripts, viewer_style
from handsss.version import __version__
from handsss.visualize.sheet import as_jpeg


def render_page(
    metrics: Mapping[str, Any],
    notes: Sequence[str],
    tables: Sequence[Table],
    figures: Mapping[str, tuple[str, Figure]],
    samples: Sequence[ReportSample],
) -> str:
    """Render the page.

    Args:
        metrics: content of metrics.json.
        notes: for the user.
        tables: of :func:`handsss.evaluation.metric_tables.report_tables`.
        figures: short name -> heading and figure.
        samples: worst and best.
    """
    source = metrics.get("checkpoint") or metrics.get("predictions") or "hands"
    groups = [(kind, [_sample(one) for one in samples if one.kind == kind]) for kind in ("worst", "best")]
    return render(
        "handsss.evaluation",
        "report.html.j2",
        title=Path(str(source)).name,
        about=_about(metrics),
        frames=f"{int(metrics['count']):,}".replace(",", " "),
        tiles=_tiles(metrics),
        notes=notes,
        tables=[Markup(html(table)) for table in tables],  # escaped by their own template
        figures=[Markup(inline(figure.svg, name, heading)) for name, (heading, figure) in figures.items()],
        samples=[(kind, group) for kind, group in groups if group],
        version=__version__,
        policy=policy(),
        viewer_style=viewer_style(),
        scripts=scripts(),
    )


def _about(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    about = [(key, str(metrics[key])) for key in ("checkpoint", "predictions", "data") if metrics.get(key)]
    return [*about, ("protocol", str(metrics.get("protocol", "freihand")))]


def _tiles(metrics: Mapping[str, Any]) -> list[dict[str, str]]:
    """The aligned figures in large type, the raw ones below."""
    aligned, raw = metrics.get("aligned", {}), metrics.get("raw", {})
    return [
        {
            "label": column.label,
            "unit": column.unit,
            "aligned": number(aligned[column.key], column.digits),
            "raw": "" if raw.get(column.key) is None else number(raw[column.key], column.digits),
        }
        for column in COLUMNS_3D
        if aligned.get(column.key) is not None
    ]


def _sample(sample: ReportSample) -> dict[str, Any]:
    panels = [(label, base64.b64encode(as_jpeg(panel)).decode("ascii")) for label, panel in sample.panels]
    return {
        "rank": sample.rank,
        "name": sample.name,
        "figures": sample.figures,
        "panels": panels,
        "model": sample.model,
    }
