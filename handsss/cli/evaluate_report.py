"""What ``handsss evaluate`` prints, and where its report goes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handsss.cli.console import error_console, output_console, plain, progress_bar
from handsss.evaluation.report.write import write_report
from handsss.evaluation.tables import ALIGNMENTS, SPACE_COLUMNS, Table, number

if TYPE_CHECKING:
    import torch

    from handsss.evaluation.evaluate import Submission
    from handsss.evaluation.samples import Evaluation


def report_folder(source: Path, data: Path, split: str | None) -> Path:
    """Where the report goes by default: beside the checkpoint or the predictions, named after the data.

    Args:
        source: checkpoint, run's folder or prediction file.
        data: store or dataset folder.
        split: asked for.
    """
    name = data.stem if data.is_file() else data.resolve().name
    return (source if source.is_dir() else source.parent) / f"evaluation_{name}{f'_{split}' if split else ''}"


def _space_row(label: str, values: dict[str, float | None]) -> list[str]:
    return [label, *(number(values[key], digits) for key, _, digits in SPACE_COLUMNS)]


def space_table(metrics: dict[str, Any]) -> Table:
    """Every alignment."""
    rows = [_space_row(label, metrics[key]) for key, label in ALIGNMENTS]
    return Table("3D", ["", *(label for _, label, _ in SPACE_COLUMNS)], rows)


def camera_space_table(metrics: dict[str, Any]) -> Table:
    """Unaligned errors in cm, as table 4 has them."""
    raw = metrics["raw"]
    row = [number(None if raw[key] is None else raw[key] / 10, 2) for key in ("mpjpe_mm", "mpvpe_mm")]
    return Table("Camera space, nothing aligned (table 4)", ["", "MPJPE cm", "MPVPE cm"], [["raw", *row]])


def reflection_table(metrics: dict[str, Any]) -> Table:
    """Aligned errors with mirroring allowed and forbidden, and the difference."""
    official, proper = metrics["aligned_official"], metrics["aligned_proper"]
    difference = {key: None if proper[key] is None else proper[key] - official[key] for key, _, _ in SPACE_COLUMNS}
    rows = [
        _space_row("allowed (official)", official),
        _space_row("forbidden (proper)", proper),
        _space_row("difference", difference),
    ]
    return Table("Reflections in the Procrustes alignment", ["", *(label for _, label, _ in SPACE_COLUMNS)], rows)


def keypoint_table(metrics: dict[str, Any]) -> Table:
    """Areas under the 2D curves."""
    keys = (("per_joint", 3), ("frame_mean", 3), ("frame_max", 3), ("mean_px", 1), ("median_px", 1))
    rows = [
        [name, *(number(values[key], digits) for key, digits in keys)]
        for name, values in metrics["keypoints_2d"].items()
    ]
    header = ["keypoints", "per joint", "frame mean", "frame max", "mean px", "median px"]
    return Table("2D, AUC over 0 to 50 px", header, rows)


def joint_table(metrics: dict[str, Any]) -> Table:
    """Mean errors of each joint."""
    keys = [("aligned_mm", "aligned mm", 2), ("raw_mm", "raw mm", 2)]
    keys += [(f"{name}_px", f"{name} px", 1) for name in metrics["keypoints_2d"]]
    rows = [[row["name"], *(number(row[key], digits) for key, _, digits in keys)] for row in metrics["per_joint"]]
    return Table("Joints", ["", *(label for _, label, _ in keys)], rows)


class Printer:
    """Prints to the terminal, with a bar for what takes long.

    Args:
        quiet: errors only.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._output = output_console(quiet=quiet)

    def say(self, text: str) -> None:
        """One line, not wrapped."""
        self._output.print(plain(text), soft_wrap=True)

    @contextmanager
    def progress(self, what: str = "starting") -> Iterator[dict[str, Any]]:
        """A bar; gives the ``progress`` and ``announce`` of the functions that work.

        Args:
            what: is done first.
        """
        with progress_bar(error_console(), unit="picture", shown=not self._quiet) as shown:
            task = shown.add_task(what, total=None)

            def announce(text: str) -> None:
                shown.reset(task, total=None, description=text)

            def progress(done: int, total: int) -> None:
                shown.update(task, completed=done, total=total)

            yield {"progress": progress, "announce": announce}

    def figures(self, metrics: dict[str, Any], *, camera_space: bool) -> None:
        """The summary.

        Args:
            metrics: content of metrics.json.
            camera_space: unaligned figures alone, in cm.
        """
        self.say(
            f"{metrics['count']} frames of {metrics['dataset']}, {metrics['split']}; protocol {metrics['protocol']}"
        )
        if camera_space:
            self.table(camera_space_table(metrics))
            return
        self.table(space_table(metrics))
        if metrics["proper"] or metrics["reflections"]["joints"] or metrics["reflections"]["vertices"]:
            self.table(reflection_table(metrics))
        if metrics["keypoints_2d"]:
            self.table(keypoint_table(metrics))
            self.say(f"2D truth: {metrics['keypoints_2d_definition']}")
        self.table(joint_table(metrics))

    def table(self, table: Table) -> None:
        """One table."""
        from rich import box
        from rich.table import Table as RichTable

        self.say(table.title)  # a title of the table itself would be wrapped at its width
        shown = RichTable(box=box.SIMPLE)
        for column, name in enumerate(table.header):
            shown.add_column(name, justify="left" if column == 0 else "right", no_wrap=column == 0)
        for row in table.rows:
            shown.add_row(*(plain(text) for text in row))
        self._output.print(shown)

    def notes(self, notes: Sequence[str]) -> None:
        """What the figures say about the predictions."""
        for note in notes:
            self._output.print(f"[yellow]note:[/yellow] {plain(note)}", soft_wrap=True)

    def submission(self, submitted: Submission) -> None:
        """What was written for the benchmark's server."""
        self.say(f"submission: {submitted.path} ({submitted.frames} frames)")
        self.notes(submitted.notes)
        if submitted.evaluation is None:
            self.say("not scored: the truth of these pictures is not known")

    def report(
        self, evaluation: Evaluation, folder: Path, checkpoint: Path | None, device: torch.device, precision: str
    ) -> None:
        """Write the report and say where it is.

        Args:
            evaluation: to report.
            folder: of the report.
            checkpoint: the network, which draws its textures; None for predictions of others.
            device: that draws.
            precision: of the network.
        """
        redraw = None
        if checkpoint is not None:
            from handsss.evaluation.network_hand import TexturedHands
            from handsss.training.trained_network import load_trained_network

            redraw = TexturedHands(load_trained_network(checkpoint, device, precision), evaluation.samples)
        with self.progress("drawing samples") as steps:
            files = write_report(evaluation, folder, redraw=redraw, progress=steps["progress"])
        self.say(f"report: {files[0]} (all figures: {folder / 'metrics.json'})")
