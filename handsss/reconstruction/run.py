"""Photos to result files, in one process or several. A failing photo does not stop the others."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from handsss.data.keypoints.files import PictureKeypoints, match_keypoints
from handsss.data.keypoints.names import Picture
from handsss.errors import InputError
from handsss.io.atomic import check_writable, write_files
from handsss.io.pool import run_jobs
from handsss.reconstruction.batch import PhotoJob, PhotoOutputs, Pipeline, failed, reconstruct_photos
from handsss.reconstruction.gallery import write_gallery
from handsss.reconstruction.inputs import BatchOptions, Source
from handsss.reconstruction.outputs import Outcome, OutputPlan, refuse_overwriting
from handsss.reconstruction.result_json import json_bytes
from handsss.reconstruction.resume import complete_results
from handsss.reconstruction.same_hand import Sharing
from handsss.reconstruction.worker import DIED, pipeline_of_worker

if TYPE_CHECKING:
    from handsss.reconstruction.pipeline import HandPipeline

_Work = Callable[[Sequence[PhotoJob]], Iterable[tuple[int, PhotoOutputs]]]
_SUMMARY_EVERY = 1.0  # seconds: rewriting it for each of ten thousand photos would take longer than the photos


def reconstruct_all(
    sources: Sequence[Source],
    plan: OutputPlan,
    pipeline: Pipeline,
    options: BatchOptions,
    *,
    batch: int = 1,
    workers: int = 1,
    make: Callable[[], Pipeline] | None = None,
    on_end: Callable[[Outcome], None] = lambda outcome: None,
    resume: bool = False,
    on_resume: Callable[[int], None] = lambda skipped: None,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> list[Outcome]:
    """Reconstruct photos and write their files, and summary.json if the results go into a folder.

    Errors, internal ones too, are reported in the outcome of their photo; the others continue. Ctrl-C ends the run
    cleanly: photos that were not written yet, including those of the current batch, are "not started".

    Args:
        sources: the photos.
        plan: of the result files.
        pipeline: for this process.
        options: see :class:`BatchOptions`.
        batch: photos per batch, at most.
        workers: processes. Each makes its own pipeline; this process writes all files.
        make: makes a pipeline in a worker process; must be picklable. Required for several processes.
        on_end: called with the outcome of each photo.
        resume: leave out photos whose results are complete: written with the same options, of the same photo.
        on_resume: called with the number of photos left out, before the work.
        on_stage: called with the name of each stage of a run with ``same_hand``.

    Returns:
        one outcome per source, in the order of the sources.

    Raises:
        UserError: the output folder cannot be written, a result would overwrite an input, a worker died, or the
            results to resume were made with other options.
    """
    protected = {source.path.resolve() for source in sources}
    for source in sources:
        destination = plan.of(source)
        written = destination if options.picture else (destination.mesh, destination.document)
        refuse_overwriting(written, protected)
    check_writable(plan.folder)
    if workers > 1 and make is not None:
        work: _Work = partial(_in_worker, make=make, options=options)
    else:
        work, workers = partial(reconstruct_photos, pipeline=pipeline, options=options), 1
    saved = 0.0
    produced: Iterable[Iterable[tuple[int, PhotoOutputs]]]
    own = _keypoints(sources, options)
    ended: dict[int, Outcome] = complete_results(sources, plan, own, options) if resume else {}
    if resume:
        on_resume(len(ended))
    protected |= {path.resolve() for outcome in ended.values() for path in outcome.files}
    jobs = [
        PhotoJob(number, source, plan.of(source), own[number])
        for number, source in enumerate(sources)
        if number not in ended
    ]
    try:
        if options.same_hand:
            shared = Sharing(cast("HandPipeline", pipeline), options, workers, make, on_stage)
            produced = shared.outputs(partial(batches, batch=batch, workers=workers), jobs)
        else:
            produced = run_jobs(work, batches(jobs, batch, workers), workers, died=DIED)
        for together in produced:
            for number, outputs in together:
                outcome = ended[number] = _write(outputs, protected)
                protected |= {path.resolve() for path in outcome.files}
                on_end(outcome)
            if plan.summary is not None and time.perf_counter() - saved > _SUMMARY_EVERY:
                _write_summary(plan.summary, [ended[number] for number in sorted(ended)])
                saved = time.perf_counter()
    except KeyboardInterrupt:
        pass
    finally:
        outcomes = [
            ended.get(number, Outcome(source.path.as_posix(), "not started")) for number, source in enumerate(sources)
        ]
        if plan.summary is not None:
            _write_summary(plan.summary, outcomes)
        if plan.gallery is not None:
            write_gallery(plan, outcomes)
    return outcomes


def _keypoints(sources: Sequence[Source], options: BatchOptions) -> list[PictureKeypoints | InputError | None]:
    """The keypoints of each photo in the user's files; why a photo has none.

    Raises:
        InputError: files that no photo, or two photos, would use; see
            :func:`handsss.data.keypoints.files.match_keypoints`.
    """
    location = options.keypoints
    if location is None:
        return [None] * len(sources)
    try:
        found = match_keypoints(location, [Picture(source.path, source.path.as_posix()) for source in sources])
    except InputError as error:
        if len(sources) > 1:
            raise
        return [error]  # of this photo
    return [
        found.get(number) or InputError(f"{location}: no keypoints of {source.path.name} in it.")
        for number, source in enumerate(sources)
    ]


def batches(jobs: Sequence[PhotoJob], batch: int, workers: int) -> list[Sequence[PhotoJob]]:
    """Split jobs into batches whose sizes differ by at most one, the same number of batches for each worker."""
    count = -(-len(jobs) // max(batch, 1))
    count = min(-(-count // workers) * workers, len(jobs))
    size, rest = divmod(len(jobs), max(count, 1))
    borders = [number * size + min(number, rest) for number in range(count + 1)]
    return [jobs[begin:end] for begin, end in itertools.pairwise(borders)]


def _in_worker(
    jobs: Sequence[PhotoJob], make: Callable[[], Pipeline], options: BatchOptions
) -> list[tuple[int, PhotoOutputs]]:
    return list(reconstruct_photos(jobs, pipeline_of_worker(make), options))


def _write(outputs: PhotoOutputs, protected: Collection[Path]) -> Outcome:
    """Write a photo's files; if that fails, the photo failed."""
    begin = time.perf_counter()
    outcome, before = outputs.outcome, outputs.outcome.seconds
    try:
        refuse_overwriting(outputs.files, protected)
        write_files(outputs.files)
    except Exception as error:
        outcome = failed(outcome.image, error)
    outcome.seconds = before + time.perf_counter() - begin
    return outcome


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """0 all done, 1 some input failed, 4 a hand is doubtful, 3 none showed a hand, 130 interrupted."""
    statuses = {outcome.status for outcome in outcomes}
    if "not started" in statuses:
        return 130
    if "failed" in statuses:
        return 1
    if "doubtful" in statuses:
        return 4
    return 0 if "done" in statuses else 3


def _write_summary(path: Path, outcomes: Sequence[Outcome]) -> None:
    write_files({path: json_bytes([outcome.to_json() for outcome in outcomes])})
