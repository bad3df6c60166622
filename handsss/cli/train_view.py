"""Displays of ``handsss train``: the start, a live table, profiles, replays, the summary."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from handsss.cli.console import error_console, output_console, plain
from handsss.cli.progress import clock_time
from handsss.cli.tables import show_table
from handsss.data.mixture import MixedDataset
from handsss.data.online.dataset import is_online
from handsss.training.launch import TrainResult
from handsss.training.profile import PARTS, Profile
from handsss.training.progress import Progress
from handsss.training.recipe import keypoint_origin
from handsss.training.replay import ReplayResult
from handsss.training.run import TrainingRun

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

_SMOOTH = 0.95  # of the shown means
_LINE_SECONDS = 30.0  # between lines where there is no terminal
_RARE = 1.0  # per cent of the rows, under which a store teaches next to nothing
_FIGURES = {
    "aligned_mpjpe_mm": "aligned MPJPE, mm",
    "mpjpe_mm": "MPJPE, mm",
    "projected_px": "projected joints, px",
    "predicted_px": "keypoint branch, px",
}


class TrainingView:
    """A live table on a terminal, a line now and then elsewhere. To be used as a context.

    Args:
        quiet: show nothing.
        writes: the run writes into its folder; a profile does not.
    """

    def __init__(self, *, quiet: bool = False, writes: bool = True) -> None:
        self._writes = writes
        self.run: TrainingRun | None = None  # that is shown, once it starts
        self.quiet = quiet
        self._means: dict[str, float] = {}
        self._stage = ""
        self._line = time.monotonic()
        self._console = error_console()
        self._live: Live | None = None

    def start(self, run: TrainingRun) -> None:
        """Say what is trained on what, and show the run from now on."""
        from rich.live import Live

        self.run = run
        self._line = time.monotonic()
        show_start(output_console(quiet=self.quiet), run, writes=self._writes)
        # A dumb terminal cannot be drawn over: it gets lines, like a file.
        if sys.stderr.isatty() and not self._console.is_dumb_terminal and not self.quiet:
            self._live = Live(console=self._console, refresh_per_second=4, transient=True)
            self._live.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, progress: Progress) -> None:
        """Show a step."""
        if self.quiet or self.run is None:
            return
        if progress.stage != self._stage:
            self._stage, self._means = progress.stage, {}
        for name, value in {"E": progress.total_loss, **progress.parts}.items():
            self._means[name] = _SMOOTH * self._means.get(name, value) + (1 - _SMOOTH) * value
        if progress.warning and progress.validation is not None and progress.validation["step"] == progress.step:
            self._console.print(plain(f"note: {progress.warning}"), soft_wrap=True)
        if self._live is not None:
            self._live.update(self._table(progress))
        elif time.monotonic() - self._line > _LINE_SECONDS or progress.step == progress.total:
            self._line = time.monotonic()
            self._console.print(plain(self._text(progress)), soft_wrap=True)

    def _text(self, p: Progress) -> str:
        text = f"step {p.step}/{p.total} {p.stage}: E {self._means['E']:.4g}, {p.images_per_second:.1f} images/s"
        if p.validation is not None:
            figures = {k: v for k, v in p.validation.items() if k in _FIGURES}
            shown = ", ".join(f"{_FIGURES[name]} {value:.1f}" for name, value in figures.items())
            text += f"; at step {p.validation['step']:.0f}: {shown}"
        return f"{text}; {clock_time(p.elapsed)} elapsed, {_left(p)} left"

    def _table(self, p: Progress) -> Table:
        from rich import box
        from rich.table import Table

        assert self.run is not None
        table = Table(box=box.SIMPLE, show_header=False, title=plain(str(self.run.folder)), title_justify="left")
        table.add_column(style="dim")
        table.add_column(justify="right")
        table.add_column(style="dim")
        table.add_column(justify="right")
        left = [
            ("step", f"{p.step} of {p.total}"),
            ("stage", p.stage),
            ("learning rate", f"{p.lr:.2e}"),
            ("images/s", f"{p.images_per_second:.1f}"),
            ("elapsed", clock_time(p.elapsed)),
            ("time left", _left(p)),
            ("gradient", f"{p.gradient:.3g}"),
        ]
        if p.health is not None:
            left.append(("bone 9-10", f"{1000 * p.health.bone:.1f} mm"))
            left.append(("2D size", f"{100 * p.health.size_ratio:.0f} %"))
            if p.health.area is not None:
                left.append(("silhouette", f"{100 * p.health.area:.1f} %"))
        right = [(name, f"{value:.4g}") for name, value in self._means.items()]
        if p.validation is not None:
            right.append(("validated at step", f"{p.validation['step']:.0f}"))
            right += [(_FIGURES[k], f"{v:.2f}") for k, v in p.validation.items() if k in _FIGURES]
        for number in range(max(len(left), len(right))):
            a = left[number] if number < len(left) else ("", "")
            b = right[number] if number < len(right) else ("", "")
            table.add_row(*a, *b)
        return table


def _left(p: Progress) -> str:
    return f"{'about ' if p.remaining.rough and p.step < p.total else ''}{clock_time(p.remaining.seconds)}"


def show_start(output: Console, run: TrainingRun, *, writes: bool = True) -> None:
    """Print what is trained on what, and where it is written."""
    recipe, trainer = run.recipe, run.trainer
    what = "MANO-CNN" if recipe.baseline else "S2HAND"
    own = f"{keypoint_origin(run.data.attributes)} alone"
    how = "true keypoints and joints" if recipe.supervision == "fsl" else own
    stages = ", ".join(f"{stage.name} {stage.steps}" for stage in trainer.stages)
    lines = [
        f"{what} ({run.config.network.encoder}) from {how}, on {trainer.device}",
        f"data: {recipe.data_words}, {len(run.data)} rows, keypoints of the set {trainer.objective.keypoint_set}",
        *_share_lines(run),
        f"validation: {recipe.validation or 'none (give --val FILE for figures while it trains)'}",
        f"initial weights: {run.start}; hand model: {recipe.model}",
        f"average bone 9-10: {100 * trainer.objective.mean_bone:.2f} cm",
        f"steps of {trainer.batch} samples: {stages}" + (f"; resuming at step {trainer.step}" if trainer.step else ""),
        f"run: {run.folder}" if writes else "a profile: nothing is written",
    ]
    for line in lines:
        output.print(plain(line), soft_wrap=True)


def _share_lines(run: TrainingRun) -> list[str]:
    """How often each of several stores is drawn, and what to do where one hardly is."""
    if not isinstance(run.data, MixedDataset):
        return []
    counts = run.data.counts
    shares = [100 * count / sum(counts) for count in counts]
    paths = [store.path for store in run.recipe.stores]
    lines = ["drawn: " + ", ".join(f"{share:.2g} % {path}" for path, share in zip(paths, shares, strict=True))]
    if rare := [path for path, share in zip(paths, shares, strict=True) if share < _RARE]:
        advice = f"raise the weight (--data {rare[0]}:WEIGHT)"
        if any(map(is_online, paths)):
            advice += ", or lower data.online_rows"
        lines.append(f"note: {', '.join(map(str, rare))}: hardly drawn; {advice}")
    return lines


def show_summary(output: Console, result: TrainResult) -> None:
    """Metrics and paths at the end."""
    if result.history:
        first, last = result.history[0], result.history[-1]
        header = ["on the validation data", f"step {first['step']}", f"step {last['step']}"]
        rows = [
            [title, f"{first[name]:.2f}" if name in first else "", f"{last[name]:.2f}"]
            for name, title in _FIGURES.items()
            if name in last
        ]
        show_table(output, header, rows, right=(1, 2))
    folder = result.folder
    if result.best is not None and 0 < result.best_step < result.steps:
        text = f"best aligned MPJPE: step {result.best_step}, kept in {result.best}"
        output.print(plain(f"{text}; {result.checkpoint.name} is of step {result.steps}"), soft_wrap=True)
    if result.steps < result.total:
        done = f"the time was up after step {result.steps} of {result.total}, before the end of the schedule"
        output.print(plain(f"{done}; --resume trains the remaining steps"), soft_wrap=True)
    whole = f", {clock_time(result.elapsed)} with what went before" if result.elapsed > result.seconds + 1 else ""
    output.print(plain(f"trained in {clock_time(result.seconds)}{whole}: {result.checkpoint}"), soft_wrap=True)
    output.print(plain(f"figures: {folder / 'metrics.jsonl'}; pictures: {folder / 'pictures'}"), soft_wrap=True)
    output.print(plain(f"next: handsss evaluate --checkpoint {folder}"), soft_wrap=True)


def show_profile(output: Console, profile: Profile) -> None:
    """Where a step's time goes."""
    output.print(f"stage {profile.stage}: {profile.steps} steps of {profile.batch} samples", soft_wrap=True)
    rows = [
        [name, f"{1000 * value:.1f}", f"{100 * value / profile.total:.1f} %"]
        for name in PARTS
        if (value := profile.seconds[name]) > 0
    ]
    rows.append(["total", f"{1000 * profile.total:.1f}", ""])
    show_table(output, ["part", "ms a step", "share"], rows, right=(1, 2))
    output.print(f"neither encoder nor keypoint branch: {100 * profile.rest:.1f} % of the step (without loading)")


def show_replay(output: Console, path: Path, result: ReplayResult) -> None:
    """Terms and gradients of a kept batch."""
    output.print(plain(f"{path}: step {result.step}, stage {result.stage}"), soft_wrap=True)
    output.print(plain(f"message then: {result.reason}"), soft_wrap=True)
    rows = [
        [name, f"{value:.6g}", "not finite" if name in result.broken_gradients else "finite"]
        for name, value in result.terms.items()
    ]
    show_table(output, ["term", "value", "gradient"], rows, right=(1,))
    if result.data:
        output.print(plain(f"the batch's {', '.join(result.data)}: NaN or infinity, in the samples {result.samples}"))
    output.print(plain(f"now: {result.message or 'all terms and gradients are finite'}"), soft_wrap=True)
