"""From photos to files, in this process or in several: whatever single photos are like, the others go on."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from pathlib import Path

from handsss.io.atomic import check_writable, write_files
from handsss.io.pool import run_jobs
from handsss.reconstruction.batch import HandReconstructor, Job, Made, failed, reconstruct_photos
from handsss.reconstruction.inputs import Source
from handsss.reconstruction.outcome import BatchOptions, Outcome
from handsss.reconstruction.outputs import OutputPlan, refuse_overwriting
from handsss.reconstruction.result_json import json_bytes

_DIED = (
    "a worker process died, perhaps for want of memory. Results that were written are kept: run the rest with fewer "
    "--workers or a smaller --batch."
)
_SUMMARY_EVERY = 1.0  # seconds: rewriting it for each of ten thousand photos would cost more than the photos


def reconstruct_all(
    sources: Sequence[Source],
    plan: OutputPlan,
    reconstructor: HandReconstructor,
    options: BatchOptions,
    *,
    batch: int = 1,
    workers: int = 1,
    make: Callable[[], HandReconstructor] | None = None,
    on_end: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Every photo to its files, and summary.json where results go into a folder.

    A photo that fails is reported in its outcome and the rest go on; a bug does the same, with its traceback in the
    outcome. An interruption (Ctrl-C) ends the run cleanly: photos not yet written, those of a batch under way too, are
    "not started".

    Args:
        sources: the photos.
        plan: of the results.
        reconstructor: works in this process.
        options: see :class:`BatchOptions`.
        batch: photos whose hands are reconstructed together, at most.
        workers: processes; each makes a reconstructor of its own, and this one writes all files.
        make: makes one there, and can be pickled; needed for several processes.
        on_end: told of every photo as it ends.

    Returns:
        one outcome per source, in their order.

    Raises:
        UserError: the output folder cannot be written, a result would overwrite an input, or a worker died.
    """
    protected = {source.path.resolve() for source in sources}
    for source in sources:
        destination = plan.of(source)
        written = destination if options.picture else (destination.mesh, destination.document)
        refuse_overwriting(written, protected)
    check_writable(plan.folder)
    if workers > 1 and make is not None:
        work: Callable[[Sequence[Job]], Iterable[tuple[int, Made]]] = partial(_in_worker, make=make, options=options)
    else:
        work, workers = partial(reconstruct_photos, reconstructor=reconstructor, options=options), 1
    ended: dict[int, Outcome] = {}
    saved = 0.0
    jobs = [Job(number, source, plan.of(source)) for number, source in enumerate(sources)]
    try:
        for together in run_jobs(work, batches(jobs, batch, workers), workers, died=_DIED):
            for number, made in together:
                outcome = ended[number] = _write(made, protected)
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
    return outcomes


def batches(jobs: Sequence[Job], batch: int, workers: int) -> list[Sequence[Job]]:
    """Jobs in batches of one size or one less, as many for each worker where there are enough jobs."""
    count = -(-len(jobs) // max(batch, 1))
    count = min(-(-count // workers) * workers, len(jobs))
    size, rest = divmod(len(jobs), max(count, 1))
    borders = [number * size + min(number, rest) for number in range(count + 1)]
    return [jobs[begin:end] for begin, end in itertools.pairwise(borders)]


_own: list[HandReconstructor] = []  # of a worker process, made with its first photo


def _in_worker(
    jobs: Sequence[Job], make: Callable[[], HandReconstructor], options: BatchOptions
) -> list[tuple[int, Made]]:
    if not _own:
        _own.append(make())
    return list(reconstruct_photos(jobs, _own[0], options))


def _write(made: Made, protected: Collection[Path]) -> Outcome:
    """Write a photo's files; what cannot be written is a failure of this photo."""
    begin = time.perf_counter()
    outcome, before = made.outcome, made.outcome.seconds
    try:
        refuse_overwriting(made.files, protected)
        write_files(made.files)
    except Exception as error:
        outcome = failed(outcome.image, error)
    outcome.seconds = before + time.perf_counter() - begin
    return outcome


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """0 all done, 1 some input failed, 3 none failed but none showed a hand, 130 interrupted."""
    statuses = {outcome.status for outcome in outcomes}
    if "not started" in statuses:
        return 130
    if "failed" in statuses:
        return 1
    return 0 if "done" in statuses else 3


def _write_summary(path: Path, outcomes: Sequence[Outcome]) -> None:
    write_files({path: json_bytes([outcome.to_json() for outcome in outcomes])})
