"""What ``handsss reconstruct`` does with its options. Nothing heavy is loaded before they are known to be right."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from handsss.cli.compiling import compile_kernels
from handsss.cli.console import INPUT_FAILED, show_error, waiting
from handsss.cli.progress import progress_bar
from handsss.cli.reconstruct_report import Printer
from handsss.detect.boxes import box_of
from handsss.detect.types import check_sides
from handsss.errors import InputError, UserError
from handsss.io.atomic import check_writable
from handsss.io.camera import camera_options
from handsss.io.image import check_image, is_stream
from handsss.io.table_file import check_table
from handsss.reconstruction.inputs import BatchOptions, Inputs, Source
from handsss.reconstruction.outputs import Outcome, OutputPlan, refuse_overwriting

if TYPE_CHECKING:
    from handsss.reconstruction.pipeline import HandPipeline
    from handsss.reconstruction.settings import PipelineSettings

_PHOTOS_A_PROCESS = 8
_SETTINGS = ("all_hands", "refine", "depth", "precision", "start", "texture_size")  # that results depend on


def processes_for(photos: int, cores: int) -> int:
    """So many that each has enough photos to be worth its start of a few seconds."""
    return max(1, min(cores, photos // _PHOTOS_A_PROCESS))


def run(
    inputs: Inputs,
    plan: OutputPlan,
    options: BatchOptions,
    model: str,
    settings: dict[str, Any],
    *,
    batch: int,
    workers: int | None,
    resume: bool,
    table: Path | None = None,
    quiet: bool,
) -> int:
    """Reconstruct photos, say what becomes of them, and return the exit code.

    Args:
        inputs: the photos.
        plan: of the result files.
        options: of the photos.
        model: name or path of the hand model.
        settings: of :class:`handsss.reconstruction.pipeline.PipelineSettings`.
        batch: photos per batch.
        workers: processes; None: see :func:`processes_for`.
        resume: leave out photos whose results are complete.
        table: of all hands, .csv or .parquet.
        quiet: errors only.
    """
    if table is not None:
        check_table(table, "table")
        refuse_overwriting([table], {source.path.resolve() for source in inputs.sources})
        check_writable(table.parent)
    if not inputs.several and (mistake := unreadable(inputs.sources[0])):
        show_error(mistake)  # before libraries and networks are loaded, which takes seconds
        return INPUT_FAILED
    printer = Printer(quiet=quiet, several=inputs.several)
    with waiting(printer.errors, "loading libraries, networks and the hand model", shown=not quiet):
        from handsss.reconstruction.hand_table import write_hand_table
        from handsss.reconstruction.resume import results_of_absent_photos
        from handsss.reconstruction.run import exit_code, reconstruct_all
        from handsss.reconstruction.settings import PipelineSettings

        made = PipelineSettings(**settings)
        pipeline = make_pipeline(model, made)
    if options.keypoint_set is not None:
        pipeline.model.keypoint_set(options.keypoint_set)  # an unknown name is an error, before any work
    options = with_run_options(options, pipeline, plan)
    compile_kernels("crops", "renderer", quiet=quiet)
    count = len(inputs.sources)
    processes = min(workers or processes_for(count, os.cpu_count() or 1), count)
    if any(is_stream(source.path) for source in inputs.sources):
        processes = 1  # pipes are this process's own
    work = partial(reconstruct_all, inputs.sources, plan, pipeline, options, resume=resume)
    if inputs.several:
        with progress_bar(printer.errors, unit="photo", shown=not quiet, description="reconstructing") as progress:
            progress.update(0, count)

            def skip(skipped: int) -> None:
                progress.stage("reconstructing", count, done=skipped)
                printer.skipped(skipped, count)

            def show(outcome: Outcome) -> None:
                progress.advance()
                printer.show(outcome)

            make = partial(make_pipeline, model, made)

            def stage(name: str) -> None:
                progress.stage(name, count, done=progress.pace.done)

            outcomes = work(batch=batch, workers=processes, make=make, on_end=show, on_resume=skip, on_stage=stage)
    else:
        ended: list[Outcome] = []
        with waiting(printer.errors, f"reconstructing {inputs.sources[0].path}", shown=not quiet):
            outcomes = work(on_end=ended.append, on_resume=lambda skipped: printer.skipped(skipped, 1))
        for outcome in ended:
            printer.show(outcome)
    printer.finish(outcomes, plan)
    if table is not None:
        printer.table_written(table, write_hand_table(table, outcomes))
    if resume and plan.summary is not None:
        printer.absent(results_of_absent_photos(inputs.sources, plan))
    return exit_code(outcomes)


def unreadable(source: Source) -> str:
    """Why a photo cannot be read, from its header; empty if it seems that it can."""
    try:
        check_image(source.path)
    except InputError as error:
        return str(error)
    return ""


def make_pipeline(model: str, settings: PipelineSettings) -> HandPipeline:
    """The pipeline of one run, computing in one thread unless OMP_NUM_THREADS says otherwise.

    A fit is thousands of small operations. Threads gain nothing there, and beside other work each operation waits for
    the thread whose core is taken.
    """
    import torch

    from handsss.reconstruction.pipeline import HandPipeline

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
    return HandPipeline(model, settings)


def with_run_options(options: BatchOptions, pipeline: HandPipeline, plan: OutputPlan) -> BatchOptions:
    """The options with what their results are recorded by, see :func:`handsss.reconstruction.resume.run_options`."""
    from handsss.fitting.network_prediction import NetworkPredictor
    from handsss.reconstruction.resume import run_options

    settings, predictor = pipeline.settings, pipeline.fitter.predictor
    network = predictor.loaded.path if isinstance(predictor, NetworkPredictor) else None
    own = {name: getattr(settings, name) for name in _SETTINGS}
    if options.same_hand:
        own["same_hand"] = True
    return replace(options, run_options=run_options(pipeline.model, network, options, plan, **own))


def batch_options(
    intrinsics: str | None,
    intrinsics_file: Path | None,
    keypoints: Path | None,
    keypoint_set: str | None,
    *,
    fov: float | None,
    hand: Literal["auto", "left", "right"],
    side: Literal["auto", "left", "right"],
    box: str | None,
    vertices: bool,
    picture: bool,
    static: bool,
    max_error: float | None,
    refine: bool,
    same_hand: bool = False,
) -> BatchOptions:
    """What the command line says of photos and their files.

    Raises:
        UserError: options that contradict each other, or name what is not there.
    """
    camera = camera_options(intrinsics, intrinsics_file, fov)
    if keypoint_set is not None and keypoints is None:
        raise UserError("--keypoint-set says what --keypoints follow, but no --keypoints were given.")
    if keypoints is not None and not keypoints.exists():
        raise UserError(f"--keypoints {keypoints}: no such file or folder. Expected JSON.")
    if box is not None and keypoints is not None:
        raise UserError("--box says where the detector looks, but --keypoints replace it. Leave one of them out.")
    if max_error is not None and not 0 < max_error < float("inf"):
        raise UserError(f"--max-error {max_error:g}: expected millimetres above 0.")
    if max_error is not None and not refine:
        raise UserError("--max-error needs the fit, whose traces the error is expected by. Leave --no-refine out.")
    check_sides(hand, side)
    return BatchOptions(
        camera=camera,
        keypoints=keypoints,
        keypoint_set=keypoint_set,
        hand=hand,
        side=side,
        box=None if box is None else box_of(box),
        vertices=vertices,
        picture=picture,
        static=static,
        max_error=max_error,
        same_hand=same_hand,
    )


def check_same_hand(options: BatchOptions, inputs: Inputs, *, refine: bool, resume: bool) -> None:
    """That nothing contradicts photos of one hand.

    Raises:
        UserError: an option does.
    """
    if not options.same_hand:
        return
    if not refine:
        raise UserError(
            "--same-hand fits one shape to all photos, but --no-refine fits nothing. Leave one of them out."
        )
    if resume:
        raise UserError("--same-hand needs all photos at once, but --resume leaves some out. Leave one of them out.")
    if any(is_stream(source.path) for source in inputs.sources):
        raise UserError("--same-hand reads photos several times, which standard input and pipes cannot. Give files.")
