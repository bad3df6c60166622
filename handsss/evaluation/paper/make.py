"""Makes each table and figure of the paper from trained runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from handsss.evaluation.curves import draw
from handsss.evaluation.defaults import default_evaluation_data
from handsss.evaluation.ground_truth import GroundTruth
from handsss.evaluation.options import StageProgress
from handsss.evaluation.paper import table4, table5
from handsss.evaluation.paper.artifact import ArtifactSources, PaperArtifact, sheet_artifact, table_artifact
from handsss.evaluation.paper.bars import draw_bars
from handsss.evaluation.paper.qualitative import PRIORS, figure1, figure3, figure6
from handsss.evaluation.paper.runs import AssignedRuns, TrainedRun, assign_runs, find_runs, read_runs, training_command
from handsss.evaluation.paper.score import (
    GroundTruthCache,
    describe_data,
    errors_2d,
    mean_errors_3d,
    predict_run,
    training_data,
)
from handsss.evaluation.paper.sequences import choose_sequences, parse_rows, spread_rows
from handsss.evaluation.tables import Table


@dataclass(frozen=True)
class PaperRequest:
    """Options of a table or figure."""

    runs: Sequence[Path] = ()  # folders or checkpoints; none: all in runs/
    data: Path | None = None
    limit: int | None = None  # first pictures only
    device: str | torch.device = "cpu"
    samples: str | None = None  # rows of a sheet, "3,17"
    count: int = 8  # rows of a sheet where none are named
    progress: StageProgress = field(default_factory=StageProgress)

    def read(self) -> list[TrainedRun]:
        """The runs."""
        paths = self.runs or find_runs()
        self.progress.begin("reading the runs")
        return read_runs(paths, self.device)

    def source(self) -> GroundTruthCache:
        """Ground truth, read once per dataset."""
        return GroundTruthCache(self.limit, self.progress)


def make_table4(request: PaperRequest) -> PaperArtifact:
    """Unaligned errors of both methods under full and self-supervision.

    Raises:
        UserError, InputError: no run fills a cell, or the data has no truth.
    """
    assigned = assign_runs(request.read(), table4.CELLS, table4.cell_of, "table 4")
    source = request.source()
    truth = source.truth(request.data or default_evaluation_data())
    scores = {cell: mean_errors_3d(predict_run(run, truth, source).samples) for cell, run in assigned.runs.items()}
    notes = list(truth.notes)
    if any(score.vertices is None for score in scores.values()):
        notes.append(
            "No MPVPE where the true meshes are missing or numbered otherwise than those of the run's hand model."
        )
    notes += [
        f"{run.path} is self-supervised by ground-truth keypoints, not by detected ones."
        for run in assigned.runs.values()
        if run.on_truth
    ]
    data = describe_data(truth)
    tables = [table4.table4(scores, data), table4.aligned_table(scores)]
    missing = table4.missing(assigned.runs, _trained_on(assigned.runs.values()))
    runs = {f"{cell[0]} {cell[1]}": run for cell, run in assigned.runs.items()}
    chart = draw_bars(table4.bars(scores), tables[0].title, "cm, unaligned", 2)
    sources = ArtifactSources(runs, missing, assigned.left_out, truth)
    return table_artifact("table4", tables, sources, table4.document(scores), chart, notes)


def make_table5(request: PaperRequest) -> PaperArtifact:
    """2D areas under the curve of the three kinds of keypoints on the training images.

    Raises:
        UserError, InputError: no run fills a column, or the data is not there or has no truth.
    """
    errors, assigned, truth, data, notes = _keypoints(request, "table 5")
    areas = table5.areas_of(errors)
    missing = table5.missing(assigned.runs, areas, _trained_on(assigned.runs.values()))
    table = table5.table5(areas, data)
    chart = draw_bars(table5.bars(areas), table.title, "area under the curve, 0 to 50 px", 3)
    sources = ArtifactSources(_consistency(assigned), missing, assigned.left_out, truth)
    return table_artifact("table5", [table], sources, table5.document(areas), chart, notes)


def make_figure2(request: PaperRequest) -> PaperArtifact:
    """Curves of the share of frames within a largest 2D error, on the training images.

    Raises:
        UserError, InputError: as :func:`make_table5`.
    """
    errors, assigned, truth, data, notes = _keypoints(request, "figure 2")
    areas = table5.areas_of(errors)
    missing = table5.missing(assigned.runs, areas, _trained_on(assigned.runs.values()))
    panel = table5.figure2(errors, data)
    figure = draw([panel], "figure2", size=(6.4, 4.2))
    rows = [[line.label, f"{line.area:.3f}"] for line in panel.curves]
    table = Table(panel.title, ["keypoints", "area under the curve, 0 to 50 px"], rows)
    content = {"areas": {line.label: line.area for line in panel.curves}}
    sources = ArtifactSources(_consistency(assigned), missing, assigned.left_out, truth)
    artifact = table_artifact("figure2", [table], sources, content, figure.png, notes)
    return artifact._replace(files={**artifact.files, "figure2.svg": figure.svg})


def make_figure1(request: PaperRequest) -> PaperArtifact:
    """Both pose priors on the same pictures.

    Raises:
        UserError, InputError: no run fits, or the pictures cannot be read.
    """

    def consistency_of(run: TrainedRun) -> str | None:
        whole = run.method == "ours" and run.supervision == "ssl" and run.consistency and not run.without
        return run.prior if whole else None

    assigned = assign_runs(request.read(), PRIORS, consistency_of, "figure 1")
    truth = _pictures(request)
    rows = _rows(request, truth)
    request.progress.begin("drawing")
    picture = figure1(assigned.runs, truth, rows, request.progress)
    data = _trained_on(assigned.runs.values())
    missing = [f"{PRIORS[p]}: {training_command(data, prior=p)}" for p in PRIORS if p not in assigned.runs]
    runs = {PRIORS[prior]: run for prior, run in assigned.runs.items()}
    return sheet_artifact("figure1", picture, ArtifactSources(runs, missing, assigned.left_out, truth), {"rows": rows})


def make_figure3(request: PaperRequest) -> PaperArtifact:
    """One run's joints and meshes, seven views of each (figures 3 to 5).

    Raises:
        UserError, InputError: as :func:`make_figure1`.
    """
    run, left_out = _best(request.read(), "figure 3")
    truth = _pictures(request)
    rows = _rows(request, truth)
    request.progress.begin("drawing")
    picture = figure3(run, truth, rows, request.progress)
    return sheet_artifact("figure3", picture, ArtifactSources({"shown": run}, [], left_out, truth), {"rows": rows})


def make_figure6(request: PaperRequest) -> PaperArtifact:
    """One run over frames of four sequences.

    Raises:
        UserError, InputError: as :func:`make_figure1`; too few rows.
    """
    run, left_out = _best(request.read(), "figure 6")
    truth = _pictures(request)
    chosen = choose_sequences(truth.names)
    request.progress.begin("drawing")
    picture = figure6(run, truth, chosen, request.progress)
    content = {"sequences": [s._asdict() for s in chosen.sequences], "note": chosen.note}
    return sheet_artifact("figure6", picture, ArtifactSources({"shown": run}, [], left_out, truth), content)


def _keypoints(
    request: PaperRequest, what: str
) -> tuple[table5.RunErrors, AssignedRuns[bool], GroundTruth, str, list[str]]:
    """2D errors of the runs without and with E_con on their training images, the images in words, and notes."""
    assigned = assign_runs(request.read(), table5.CONSISTENCIES, table5.consistency_of, what)
    source = request.source()
    errors, truths = {}, {}
    notes: list[str] = []
    for consistency, run in assigned.runs.items():
        path = request.data or training_data(run)
        truth = source.truth(path, "training" if path.is_dir() else None)
        truths[path.resolve()] = truth
        prepared = predict_run(run, truth, source)
        errors[consistency] = errors_2d(prepared.samples)
        notes += prepared.notes
        if prepared.keypoints_definition:
            notes.append(f"2D truth of {run.name}: {prepared.keypoints_definition}.")
    data = " and ".join(describe_data(truth) for truth in truths.values())
    if len(truths) > 1:
        notes.append(
            "The runs were trained on different data, so their columns do not compare. Score them on the same data."
        )
    return errors, assigned, truth, data, notes


def _consistency(assigned: AssignedRuns[bool]) -> dict[str, TrainedRun]:
    return {"with E_con" if consistency else "without E_con": run for consistency, run in assigned.runs.items()}


def _best(runs: Sequence[TrainedRun], what: str) -> tuple[TrainedRun, list[str]]:
    """The run to show: the whole self-supervised method if it is among them, else the first."""

    def rank(run: TrainedRun) -> tuple[bool, ...]:
        whole = run.consistency and not run.without and run.prior == "limits"
        return run.method != "ours", not whole, run.supervision != "ssl"

    best = min(runs, key=rank)
    return best, [f"{run.path}: {run.describe()}; {what} shows one run." for run in runs if run is not best]


def _pictures(request: PaperRequest) -> GroundTruth:
    return request.source().truth(request.data or default_evaluation_data(), scored=False)


def _rows(request: PaperRequest, truth: GroundTruth) -> list[int]:
    if request.samples is not None:
        return parse_rows(request.samples, len(truth))
    return spread_rows(len(truth), request.count)


def _trained_on(runs: Any) -> str:
    """The data that most of the runs were trained on: for the command that trains what is missing."""
    counted = Counter(run.data for run in runs if run.data)
    return counted.most_common(1)[0][0] if counted else ""


MAKERS: dict[str, Callable[[PaperRequest], PaperArtifact]] = {
    "table4": make_table4,
    "table5": make_table5,
    "figure1": make_figure1,
    "figure2": make_figure2,
    "figure3": make_figure3,
    "figure6": make_figure6,
}
