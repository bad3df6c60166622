"""One HTML page with everything in it: it asks nothing of the network, and needs no script."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from handsss.evaluation.curves import Figure, inline
from handsss.evaluation.report.metric_tables import FIGURES_3D
from handsss.evaluation.report.pictures import ReportSample
from handsss.evaluation.tables import Table, number
from handsss.version import __version__
from handsss.visualize.sheet import as_jpeg

_STYLE = Path(__file__).with_name("page.css")
# Nothing may be fetched, whatever a picture's name or a note may hold.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_LEGEND = (
    "White lines lead from each keypoint to its true place; hollow points are ones that the detector was unsure of. "
    "The last panel shows the aligned joints from the viewer's right, depth growing to the right."
)


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
        tables: of :func:`handsss.evaluation.report.metric_tables.tables_of`; long ones are folded up.
        figures: short name -> heading and figure.
        samples: worst and best.
    """
    about = _about(metrics)
    groups = {kind: [shown for shown in samples if shown.kind == kind] for kind in ("worst", "best")}
    links = [("figures", "Figures"), ("curves", "Curves")]
    links += [(kind, f"{kind.capitalize()} samples") for kind, group in groups.items() if group]
    parts = [
        "<header><h1>Hand reconstruction, evaluated</h1>",
        f'<p class="about">{about}</p>',
        "<nav>" + "".join(f'<a href="#{anchor}">{text}</a>' for anchor, text in links) + "</nav></header>",
        _tiles(metrics),
        _notes(notes),
        '<h2 id="figures">Figures</h2>',
        *(_table(table) for table in tables),
        '<h2 id="curves">Curves</h2>',
        *(
            f'<div class="card figure">{inline(figure.svg, name, heading)}</div>'
            for name, (heading, figure) in figures.items()
        ),
    ]
    for kind, group in groups.items():
        if group:
            parts.append(f'<h2 id="{kind}">{kind.capitalize()} samples by aligned joint error</h2>')
            parts.append(f'<p class="about">{escape(_LEGEND)}</p><br>' if kind == "worst" else "")
            parts += [_sample(shown) for shown in group]
    parts.append(
        f"<footer>handsss {escape(__version__)}. The same figures are in metrics.json beside this page.</footer>"
    )
    style = _STYLE.read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Evaluation of {escape(_short(metrics))}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def _short(metrics: Mapping[str, Any]) -> str:
    source = metrics.get("checkpoint") or metrics.get("predictions") or "hands"
    return Path(str(source)).name


def _about(metrics: Mapping[str, Any]) -> str:
    parts = []
    for key, text in (("checkpoint", "checkpoint"), ("predictions", "predictions"), ("data", "data")):
        if metrics.get(key):
            parts.append(f"{text} <b>{escape(str(metrics[key]))}</b>")
    parts.append(f"protocol <b>{escape(str(metrics.get('protocol', 'freihand')))}</b>")
    parts.append(f"<b>{int(metrics['count']):,}</b> frames".replace(",", " "))
    return " &middot; ".join(parts)


def _tiles(metrics: Mapping[str, Any]) -> str:
    aligned, raw = metrics.get("aligned", {}), metrics.get("raw", {})
    tiles = []
    for key, label, digits, unit in FIGURES_3D:
        if aligned.get(key) is None:
            continue
        beside = f"raw {number(raw.get(key), digits)} {unit}" if raw.get(key) is not None else "&nbsp;"
        tiles.append(
            f'<div class="tile"><div class="what">{label}, aligned</div><div class="value">'
            f'{number(aligned[key], digits)}<span class="unit">{unit}</span></div><div class="raw">{beside}</div></div>'
        )
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _notes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    return '<ul class="notes">' + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>"


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in table.header)
    rows = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in table.rows)
    long = len(table.rows) > 8
    caption = "" if long else f"<caption>{escape(table.title)}</caption>"
    body = f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    if long:
        body = f"<details><summary>{escape(table.title)}</summary>{body}</details>"
    return f'<div class="card">{body}</div>'


def _sample(shown: ReportSample) -> str:
    panels = "".join(
        f'<figure><img alt="{escape(label)} of {escape(shown.name)}" src="data:image/jpeg;base64,'
        f'{base64.b64encode(as_jpeg(panel)).decode("ascii")}"><figcaption>{escape(label)}</figcaption></figure>'
        for label, panel in shown.panels
    )
    return (
        f'<article class="card sample"><header><h3>{shown.place}. {escape(shown.name)}</h3>'
        f'<p>{escape(shown.figures)}</p></header><div class="panels">{panels}</div></article>'
    )
