"""``handsss reconstruct`` of a film: run it, show how far it is, and write what was asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handsss.cli.console import (
    DONE,
    INTERRUPTED,
    NOTHING_FOUND,
    error_console,
    output_console,
    plain,
    show_error,
    typed_command,
    waiting,
)
from handsss.cli.progress import progress_bar
from handsss.io.camera import CameraOptions
from handsss.io.film import FilmSelection, open_film

if TYPE_CHECKING:
    from handsss.reconstruction.film.result import FilmHands

_STAGES = {
    "reading": "read",
    "detecting": "detected",
    "fitting": "fitted",
    "smoothing": "smoothed",
    "texture": "textured",
    "drawing": "drawn",
    "writing": "written",
}


def run_film(
    path: Path,
    output: str | None,
    film_format: str | None,
    selection: FilmSelection,
    camera: CameraOptions,
    model: str,
    settings: Mapping[str, Any],
    *,
    live: bool,
    picture: bool,
    vertices: bool,
    resume: bool,
    quiet: bool,
) -> int:
    """Reconstruct the hands of a film and return the exit code.

    Args:
        path: of the film.
        output, film_format: as the user gave them.
        selection: of frames.
        camera: of all frames.
        model: name or path of the hand model.
        settings: of :class:`handsss.reconstruction.settings.PipelineSettings`.
        live: smooth without looking ahead.
        picture: write the overlay film.
        vertices: of .npz, those too.
        resume: go on with detections that an interrupted run kept.
        quiet: errors only.
    """
    from handsss.io.atomic import check_writable, write_files

    film = open_film(path, selection)
    errors, console = error_console(), output_console(quiet=quiet)
    with waiting(errors, "loading libraries, networks and the hand model", shown=not quiet):
        from handsss.cli.compiling import compile_kernels
        from handsss.cli.reconstruct_run import make_pipeline
        from handsss.reconstruction.film.outputs import beside, film_files, film_output
        from handsss.reconstruction.film.overlay import write_overlay
        from handsss.reconstruction.film.reconstruct import FilmOptions, FilmReconstruction
        from handsss.reconstruction.outputs import refuse_overwriting
        from handsss.reconstruction.settings import PipelineSettings

        target = film_output(path, output, film_format)
        shown, kept = beside(target, "_overlay.mp4"), beside(target, "_tracking.npz")
        refuse_overwriting([target, shown, kept, beside(target, ".json")], {path.resolve()})
        check_writable(target.parent)
        pipeline = make_pipeline(model, PipelineSettings(**settings))
    compile_kernels("crops", "renderer", quiet=quiet)
    options = FilmOptions(camera, settings["hand"], kept, _key(path, selection, settings), resume)
    with progress_bar(errors, unit="frame", shown=not quiet, description="reading") as progress:

        def stage(name: str, total: int, done: int) -> None:
            progress.stage(name, total, done=done)

        run = FilmReconstruction(pipeline, film, options, stage, progress.update)
        try:
            hands = run.live() if live else run()
            stage("writing", 0, 0)
            files = film_files(hands, target, vertices=vertices)
            with run.clock.stage("writing"):
                write_files(files)
            written = list(files)
            if picture and hands.tracks:
                stage("drawing", len(hands.seconds), 0)
                written.append(write_overlay(film, hands, shown, run.clock, progress.update))
            hands.spent = dict(run.clock.spent)
        except KeyboardInterrupt:
            show_error(f"interrupted. Detections are kept in {kept}. Go on with: {typed_command('--resume')}")
            return INTERRUPTED
    for warning in hands.warnings:
        errors.print(plain(f"warning: {warning}"), soft_wrap=True)
    _show(hands, written, lambda line: console.print(plain(line), soft_wrap=True))
    if hands.interrupted:
        show_error(
            f"interrupted: the results are of the first {len(hands.seconds)} frames. Go on with: "
            f"{typed_command('--resume')}"
        )
        return INTERRUPTED
    with suppress(OSError):
        kept.unlink(missing_ok=True)
    if not hands.tracks:
        side = "" if settings["hand"] == "auto" else f"{settings['hand']} "
        show_error(f"{path}: no {side}hand found in {len(hands.seconds)} frames.")
        return NOTHING_FOUND
    return DONE


def _key(path: Path, selection: FilmSelection, settings: Mapping[str, Any]) -> str:
    """Of what film and options detections are."""
    facts = path.stat() if path.exists() else None
    of_file = [facts.st_size, facts.st_mtime_ns] if facts is not None and path.is_file() else []
    selected = [selection.start, selection.end, selection.every, selection.rate]
    return json.dumps([path.name, *of_file, *selected, bool(settings["all_hands"])])


def _show(hands: FilmHands, written: list[Path], line: Any) -> None:
    count = max(len(hands.seconds), 1)
    line(f"film: {hands.size[0]} x {hands.size[1]}, {len(hands.seconds)} frames, {hands.rate:.4g} a second")
    if hands.cuts:
        line("cuts at " + ", ".join(f"{cut:.2f} s" for cut in hands.cuts))
    line(f"camera: {hands.camera}")
    for track in hands.tracks:
        facts = track.figures
        filled = f", {facts['filled']} of them filled" if facts["filled"] else ""
        line(
            f"{track.hand} hand {track.number}: {facts['frames']} frames{filled}, {facts['from_seconds']:.2f} to "
            f"{facts['to_seconds']:.2f} s; one shape, of {facts['shape_frames']} frames"
        )
    spent = {_STAGES.get(name, name): both for name, both in hands.spent.items()}
    each = ", ".join(
        f"{name} in {1e3 * wall / count:.0f} ({1e3 * cpu / count:.0f})" for name, (wall, cpu) in spent.items()
    )
    line(f"milliseconds a frame (of the processor): {each}")
    total = sum(wall for wall, _ in spent.values())
    line(f"wrote {', '.join(str(path) for path in written)} in {total:.1f} s, {count / max(total, 1e-9):.1f} frames/s")
