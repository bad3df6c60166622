"""A table or figure of the paper with its files: markdown, JSON, PNG."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from PIL import Image

from handsss.evaluation.ground_truth import GroundTruth
from handsss.evaluation.paper.runs import TrainedRun
from handsss.evaluation.report.write import finite
from handsss.evaluation.tables import Table, markdown
from handsss.visualize.sheet import as_png


class PaperArtifact(NamedTuple):
    """A table or figure."""

    name: str  # of its files
    title: str
    tables: list[Table]
    used: list[str]  # runs and their cells
    missing: list[str]  # cells without a run, with the command that trains one
    left_out: list[str]  # runs that fit no cell
    notes: list[str]  # on how things were compared
    files: dict[str, bytes]


class ArtifactSources(NamedTuple):
    """Runs and data behind a table or figure."""

    runs: Mapping[str, TrainedRun]  # by the part of the artifact that they fill
    missing: list[str]
    left_out: list[str]
    truth: GroundTruth


def table_artifact(
    name: str,
    tables: list[Table],
    sources: ArtifactSources,
    content: dict[str, Any],
    chart: bytes,
    notes: list[str],
) -> PaperArtifact:
    """A table with a chart.

    Args:
        name: of its files.
        tables: the first gives the title.
        sources: runs and data.
        content: its figures, for the JSON file.
        chart: PNG.
        notes: on how things were compared; repeated ones count once.
    """
    notes = list(dict.fromkeys(notes))
    title = tables[0].title
    text = "\n".join(markdown(table) for table in tables) + f"\n![{title}]({name}.png)\n"
    return _artifact(PaperArtifact(name, title, tables, [], [], [], notes, {}), sources, content, chart, text)


def sheet_artifact(name: str, picture: Image.Image, sources: ArtifactSources, content: dict[str, Any]) -> PaperArtifact:
    """A sheet of pictures.

    Args:
        name: of its files.
        picture: the sheet.
        sources: runs and data.
        content: rows shown, for the JSON file.
    """
    title = f"Figure {name.removeprefix('figure')}, on {sources.truth.path.name}"
    text = f"## {title}\n\n![{title}]({name}.png)\n"
    notes = list(sources.truth.notes)
    return _artifact(PaperArtifact(name, title, [], [], [], [], notes, {}), sources, content, as_png(picture), text)


def _artifact(
    begun: PaperArtifact, sources: ArtifactSources, content: dict[str, Any], png: bytes, text: str
) -> PaperArtifact:
    """Fill in runs and files."""
    name, used = begun.name, _used(sources.runs)
    document = _about(name, sources.truth, sources.runs) | content
    document |= {"missing": sources.missing, "left_out": sources.left_out, "notes": begun.notes}
    text += _lists(used, sources.missing, sources.left_out, begun.notes)
    files = {
        f"{name}.png": png,
        f"{name}.md": text.encode(),
        f"{name}.json": (json.dumps(finite(document), indent=2, allow_nan=False) + "\n").encode(),
    }
    return begun._replace(used=used, missing=sources.missing, left_out=sources.left_out, files=files)


def _used(runs: Mapping[str, TrainedRun]) -> list[str]:
    return [
        f"{part}: {run.path} (" + ", ".join(text for text in (run.describe(), run.training) if text) + ")"
        for part, run in runs.items()
    ]


def _about(name: str, truth: GroundTruth, runs: Mapping[str, TrainedRun]) -> dict[str, Any]:
    described = {
        part: {
            "path": str(run.path),
            "is": run.describe(),
            "step": run.step,
            "begun_with": run.begun_with or None,
            "trained_on": run.data or None,
            "hand_model": run.trained.model,
        }
        for part, run in runs.items()
    }
    return {
        "name": name,
        "data": str(truth.path),
        "dataset": truth.dataset,
        "split": truth.split,
        "frames": int(truth.known.sum()),
        "runs": described,
    }


def _lists(used: list[str], missing: list[str], left_out: list[str], notes: list[str]) -> str:
    text = ""
    for heading, lines in (("Runs", used), ("Missing", missing), ("Left out", left_out), ("Notes", notes)):
        if lines:
            text += f"\n{heading}:\n\n" + "".join(f"- {line}\n" for line in lines)
    return text
