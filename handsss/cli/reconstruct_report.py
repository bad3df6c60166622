"""What ``handsss reconstruct`` prints."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from handsss.cli.console import error_console, flag, output_console, plain, show_error, show_note, typed_command
from handsss.cli.tables import show_table, shown_path
from handsss.reconstruction.outputs import Outcome, OutputPlan

_NAMED = 3  # files of a note
_ROWS = 30  # of the table; longer runs are read in summary.json
_CAMERA_WORDS = {
    "option": "--intrinsics or --fov",
    "file": "--intrinsics-file",
    "exif": "EXIF focal length",
    "default": "none given: chosen by the size of the hand",
}


class Printer:
    """Prints outcomes as they come and sums them up.

    Args:
        quiet: errors only.
        several: results go into a folder; a table sums them up.
    """

    def __init__(self, *, quiet: bool = False, several: bool = False) -> None:
        self.output = output_console(quiet=quiet)
        self.errors = error_console()
        self._quiet = quiet
        self._several = several

    def show(self, outcome: Outcome) -> None:
        """Report one photo: problems always, a single photo in full."""
        if outcome.trace:
            self.errors.print(outcome.trace, markup=False, highlight=False, soft_wrap=True)
        if outcome.status == "failed":
            show_error(outcome.error.text(flag) if outcome.error else outcome.message)
        elif outcome.message and not self._quiet:
            told = outcome.error.text(flag) if outcome.error else outcome.message
            self.errors.print(plain(f"{outcome.image}: {told}."), soft_wrap=True)
        if self._several or outcome.status == "failed":
            return
        tip = ", which --intrinsics or --fov gives" if outcome.camera_source == "default" else ""
        if outcome.keypoints:
            self._line(f"keypoints: {outcome.keypoints}")
        for note in outcome.notes:
            self._line(f"photo: {note}")
        self._line(f"camera: {outcome.camera}{tip}")
        for hand in outcome.hands:
            self._line(_hand_line(hand))
            self._line(_time_line(hand))
            if rig := hand.get("rig"):
                self._line(_rig_line(rig))
            if note := _contradiction(hand):
                self._line(note)
        if outcome.status == "doubtful":
            self._line("doubtful: the expected error is above --max-error")
        names = ", ".join(str(path) for path in outcome.files)
        self._line(f"wrote {names} in {outcome.seconds:.1f} s")

    def skipped(self, count: int, total: int) -> None:
        """How many photos were complete already."""
        if not self._quiet:
            photos = "photo" if total == 1 else "photos"
            self.errors.print(f"skipped: {count} of {total} {photos}, complete already", soft_wrap=True)

    def absent(self, documents: Sequence[Path]) -> None:
        """Results of an earlier run that no photo of this one has."""
        if not documents or self._quiet:
            return
        named = ", ".join(shown_path(path) for path in documents[:_NAMED])
        more = f" and {len(documents) - _NAMED} more" if len(documents) > _NAMED else ""
        show_note(f"no photo here belongs to {named}{more}: of an earlier run, and not in the summary")

    def finish(self, outcomes: Sequence[Outcome], plan: OutputPlan) -> None:
        """The table of several photos, and what an interruption left."""
        undone = sum(outcome.status == "not started" for outcome in outcomes)
        if undone:
            done = len(outcomes) - undone
            where = plan.single or plan.folder
            kept = f"; their results are in {where}" if done else ""
            again = f" Go on with: {typed_command('--resume')}" if self._several else ""
            show_error(f"interrupted: {done} of {len(outcomes)} photos done{kept}.{again}")
        if not self._several:
            return
        self._table(outcomes, plan)
        counts = Counter(outcome.status for outcome in outcomes)
        skipped = sum(outcome.skipped for outcome in outcomes)
        of_those = f" ({skipped} of them before)" if skipped else ""
        self._line(", ".join(f"{count} {status}" for status, count in counts.items()) + of_those)
        against = sum(bool(_contradiction(hand)) for outcome in outcomes for hand in outcome.hands)
        if against:
            hands = "hand" if against == 1 else "hands"
            self._line(f"predictions left out, contradicted by the keypoints: of {against} {hands}")
        for line in _shared_lines(outcomes):
            self._line(line)
        cameras = Counter(outcome.camera_source for outcome in outcomes if outcome.camera_source)
        for kind, count in Counter(outcome.keypoints for outcome in outcomes if outcome.keypoints).items():
            self._line(f"keypoints: {kind} ({count} photo{'s' if count > 1 else ''})")
        for source, count in cameras.items():
            self._line(f"camera: {_CAMERA_WORDS[source]} ({count} photo{'s' if count > 1 else ''})")
        self._line(f"summary: {plan.summary}")
        if plan.gallery is not None:
            self._line(f"gallery: {plan.gallery}")

    def table_written(self, table: Path, rows: int) -> None:
        """The table of all hands."""
        self._line(f"table: {table}, {rows} {'row' if rows == 1 else 'rows'}")

    def _table(self, outcomes: Sequence[Outcome], plan: OutputPlan) -> None:
        rows = [outcome for outcome in outcomes if outcome.status != "not started" and not outcome.skipped]
        if not rows:
            return
        header = ["photo", "hands", "keypoint error, % of the box", "expected error, mm", "seconds", "result"]
        cells = []
        for outcome in rows[:_ROWS]:
            expected = [h["expected_error_mm"] for h in outcome.hands if "expected_error_mm" in h]
            errors = [h["reprojection_of_box"] for h in outcome.hands if "reprojection_of_box" in h]
            doubt = " doubtful" if outcome.status == "doubtful" else ""
            cells.append(
                [
                    shown_path(outcome.image),
                    ", ".join(hand["hand"] for hand in outcome.hands) or outcome.status,
                    ", ".join(f"{100 * error:.1f}" for error in errors),
                    ", ".join(f"{error:.0f}" for error in expected) + doubt,
                    f"{outcome.seconds:.1f}",
                    shown_path(outcome.files[0]) if outcome.hands else "",
                ]
            )
        show_table(self.output, header, cells, right=(2, 3, 4), paths=(0, 5))
        if len(rows) > _ROWS:
            self._line(f"and {len(rows) - _ROWS} more, see {plan.summary}")

    def _line(self, text: str) -> None:
        self.output.print(plain(text), soft_wrap=True)


def _shared_lines(outcomes: Sequence[Outcome]) -> list[str]:
    """Over what the shape is shared, and which photos contradict the others."""
    hands = [
        (outcome.image, hand["shared_shape"])
        for outcome in outcomes
        for hand in outcome.hands
        if "shared_shape" in hand
    ]
    if not hands:
        return []
    _, first = hands[0]
    lines = [f"one shape and skin: of {first['hands']} hands in {first['photos']} photos"]
    against = list(dict.fromkeys(image for image, shared in hands if shared["contradicts"]))
    if against:
        verb = "does" if len(against) == 1 else "do"
        lines.append(f"{', '.join(against)}: {verb} not agree with the others (another person's hand, or a wrong fit)")
    return lines


def _hand_line(hand: dict[str, object]) -> str:
    text = f"{hand['hand']} hand{_side_words(hand)}: score {hand['score']:.2f}"
    error, overlap = hand.get("reprojection_of_box"), hand.get("silhouette_iou")
    if isinstance(error, float):
        text += f", joints {100 * error:.1f} % of the hand's box from the keypoints"
    if isinstance(overlap, float):
        text += f", silhouette overlap {100 * overlap:.0f} %"
    expected = hand.get("expected_error_mm")
    if isinstance(expected, float):
        text += f", expected error {expected:.0f} mm"
    return text


def _rig_line(rig: dict[str, Any]) -> str:
    """What the skeleton is, and what skinning alone would miss in this pose."""
    mean, most = rig["correctives_mean_mm"], rig["correctives_max_mm"]
    return (
        f"rig: {len(rig['joints'])} joints, at most {rig['influences']} a vertex; pose correctives of this pose "
        f"{mean:.1f} mm on average, at most {most:.1f} mm"
    )


def _contradiction(hand: dict[str, object]) -> str:
    """That the network's hand was left out, where the keypoints contradict it; empty otherwise."""
    from handsss.fitting.keypoint_fit import (
        CONTRADICTED,
        is_contradicted,
    )  # loads torch: not before the options are known to be right

    off = hand.get("prediction_of_box")
    if not isinstance(off, float) or not is_contradicted(off):
        return ""
    percent = math.ceil(1000 * off) / 10  # rounded down, 12.04 would look like one that is believed
    where = f"{percent:.1f} % of the hand's box from the keypoints (at most {100 * CONTRADICTED:.0f} % is believed)"
    return f"note: {hand.get('network')} predicts a hand {where}: left out"


def _side_words(hand: dict[str, object]) -> str:
    """Who says which side it is, where that is not the detector, sure of it."""
    source, probability = hand.get("side_from"), hand.get("handedness")
    if source == "fit" and isinstance(probability, float):
        return f" (the detector: {100 * probability:.0f} %; both sides were fitted, this one fits better)"
    return " (as --side says)" if source == "option" else ""


def _time_line(hand: dict[str, object]) -> str:
    times, network = hand.get("seconds"), hand.get("network")
    assert isinstance(times, dict)
    words = {"detect": "detected", "predict": f"predicted by {network}", "fit": "fitted", "texture": "textured"}
    # What was not done took no time.
    return ", ".join(f"{word} in {times[key]:.2f} s" for key, word in words.items() if times.get(key, 0) > 0)
