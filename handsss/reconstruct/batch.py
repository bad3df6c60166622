"""From photos to files, in this process or in several: whatever single photos are like, the others go on."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from handsss.detect.types import Detection
from handsss.errors import InputError, UserError
from handsss.pool import run_jobs
from handsss.reconstruct.atomic import check_writable, write_files
from handsss.reconstruct.camera_choice import CameraOptions, choose_camera
from handsss.reconstruct.documents import json_bytes, photo_document
from handsss.reconstruct.export import mesh_files
from handsss.reconstruct.export_obj import png_bytes
from handsss.reconstruct.images import read_image
from handsss.reconstruct.inputs import Source
from handsss.reconstruct.keypoint_files import keypoint_file, read_hands
from handsss.reconstruct.outputs import Destination, OutputPlan, refuse_overwriting
from handsss.reconstruct.overlay import picture
from handsss.reconstruct.results import HandResult

Status = Literal["done", "no hand", "failed", "not started"]
_DIED = (
    "a worker process died, perhaps for want of memory. Results that were written are kept: run the rest with fewer "
    "--workers."
)
_SUMMARY_EVERY = 1.0  # seconds: rewriting it for each of ten thousand photos would cost more than the photos


class HandReconstructor(Protocol):
    """What turns a picture into hands, see :class:`handsss.reconstruct.pipeline.Reconstructor`."""

    def __call__(
        self, image: np.ndarray, intrinsics: np.ndarray, detections: list[Detection] | None = None
    ) -> list[HandResult]:
        """Hands of one picture, surest first."""
        ...


@dataclass(frozen=True)
class BatchOptions:
    """How photos are read and what is written."""

    camera: CameraOptions = field(default_factory=CameraOptions)
    keypoints: Path | None = None  # file or folder of OpenPose JSON; None: the built-in detector
    keypoint_set: str | None = None
    hand: Literal["auto", "left", "right"] = "auto"
    vertices: bool = False  # write vertices into the JSON


@dataclass
class Outcome:
    """What became of one photo."""

    image: str
    status: Status
    message: str = ""  # why not, or what to know
    camera: str = ""  # sentence
    camera_source: str = ""
    files: list[Path] = field(default_factory=list)  # the mesh first
    hands: list[dict[str, Any]] = field(default_factory=list)  # side, score, reprojection of the box
    seconds: float = 0.0
    trace: str = ""  # of a bug

    def to_json(self) -> dict[str, Any]:
        """The photo's entry of summary.json."""
        entry: dict[str, Any] = {"image": self.image, "status": self.status}
        if self.message:
            entry["message"] = self.message
        if self.files:
            entry["files"] = [path.name for path in self.files]
        if self.camera:
            entry["camera"] = self.camera
        return entry | {"hands": self.hands, "seconds": round(self.seconds, 3)}


class Made(NamedTuple):
    """One photo's results, not yet written."""

    outcome: Outcome
    files: dict[Path, bytes]


def reconstruct_photo(
    source: Source, destination: Destination, reconstructor: HandReconstructor, options: BatchOptions
) -> Made:
    """One photo to the content of its files. Without a hand these are the JSON and the picture only.

    Args:
        source: the photo.
        destination: of its files.
        reconstructor: see :class:`HandReconstructor`.
        options: see :class:`BatchOptions`.

    Raises:
        UserError: an input that cannot be used, or is a file that would be overwritten.
    """
    photo = read_image(source.path)
    size = photo.array.shape[1], photo.array.shape[0]
    camera = choose_camera(size, photo.exif, str(source.path), options.camera)
    detections, given = None, None
    if options.keypoints is not None:
        given = keypoint_file(options.keypoints, source.path)
        detections = read_hands(given, size, hand=options.hand, keypoint_set=options.keypoint_set)
    try:
        hands = reconstructor(photo.array, camera.intrinsics, detections)
    except InputError as error:
        raise InputError(f"{given or source.path}: {error}") from error
    exporting = time.perf_counter()
    files: dict[Path, bytes] = mesh_files(hands, destination.mesh) if hands else {}
    files[destination.picture] = png_bytes(picture(photo.array, hands))
    for hand in hands:
        hand.seconds["export"] = (time.perf_counter() - exporting) / len(hands)
    document = photo_document(
        source.path.as_posix(),
        size,
        camera,
        hands,
        mesh=destination.mesh if hands else None,
        notes=photo.notes,
        vertices=options.vertices,
    )
    files[destination.document] = json_bytes(document)
    refuse_overwriting(files, {path.resolve() for path in (source.path, given) if path is not None})
    outcome = Outcome(
        image=source.path.as_posix(),
        status="done" if hands else "no hand",
        message="" if hands else _no_hand(given, options.hand),
        camera=camera.sentence,
        camera_source=camera.source,
        files=sorted(files, key=lambda path: path != destination.mesh),
        hands=[_figures(hand) for hand in hands],
    )
    return Made(outcome, files)


def reconstruct_all(
    sources: Sequence[Source],
    plan: OutputPlan,
    reconstructor: HandReconstructor,
    options: BatchOptions,
    *,
    workers: int = 1,
    make: Callable[[], HandReconstructor] | None = None,
    on_end: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Every photo to its files, and summary.json where results go into a folder.

    A photo that fails is reported in its outcome and the rest go on; a bug does the same, with its traceback in the
    outcome. An interruption (Ctrl-C) ends the run cleanly: photos not yet done are "not started".

    Args:
        sources: the photos.
        plan: of the results.
        reconstructor: works in this process.
        options: see :class:`BatchOptions`.
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
        refuse_overwriting(plan.of(source), protected)
    check_writable(plan.folder)
    if workers > 1 and make is not None:
        work: Callable[[_Job], tuple[int, Made]] = partial(_in_worker, make=make, options=options)
    else:
        work, workers = partial(_work, reconstructor=reconstructor, options=options), 1
    ended: dict[int, Outcome] = {}
    saved = 0.0
    jobs = (_Job(number, source, plan.of(source)) for number, source in enumerate(sources))
    try:
        for number, made in run_jobs(work, jobs, workers, died=_DIED):
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


class _Job(NamedTuple):
    number: int
    source: Source
    destination: Destination


def _work(job: _Job, reconstructor: HandReconstructor, options: BatchOptions) -> tuple[int, Made]:
    """One photo; what goes wrong becomes its outcome."""
    begin = time.perf_counter()
    try:
        made = reconstruct_photo(job.source, job.destination, reconstructor, options)
    except Exception as error:
        made = Made(_failed(job.source.path.as_posix(), error), {})
    made.outcome.seconds = time.perf_counter() - begin
    return job.number, made


_own: list[HandReconstructor] = []  # of a worker process, made with its first photo


def _in_worker(job: _Job, make: Callable[[], HandReconstructor], options: BatchOptions) -> tuple[int, Made]:
    if not _own:
        _own.append(make())
    return _work(job, _own[0], options)


def _write(made: Made, protected: Collection[Path]) -> Outcome:
    """Write a photo's files; what cannot be written is a failure of this photo."""
    begin = time.perf_counter()
    outcome, before = made.outcome, made.outcome.seconds
    try:
        refuse_overwriting(made.files, protected)
        write_files(made.files)
    except Exception as error:
        outcome = _failed(outcome.image, error)
    outcome.seconds = before + time.perf_counter() - begin
    return outcome


def _failed(image: str, error: Exception) -> Outcome:
    """What the error being handled makes of a photo. A bug is told with its traceback, but no reason to lose others."""
    if isinstance(error, UserError):
        return Outcome(image, "failed", str(error))
    message = f"internal error: {type(error).__name__}: {error}"
    return Outcome(image, "failed", message, trace=traceback.format_exc())


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


def _figures(hand: HandResult) -> dict[str, Any]:
    figures: dict[str, Any] = {"hand": hand.hand, "score": round(float(hand.score), 4), "network": hand.network}
    figures |= {key: round(float(value), 5) for key, value in hand.fit.items()}
    return figures | {"seconds": {key: round(value, 4) for key, value in hand.seconds.items()}}


def _no_hand(keypoints: Path | None, hand: str) -> str:
    side = "" if hand == "auto" else f"{hand} "
    if keypoints is not None:
        return f"{keypoints} shows no {side}hand"
    tip = "" if hand == "auto" else f" (--hand {hand} leaves the other side out)"
    return f"no {side}hand found{tip}; a larger picture of the hand, in full and sharp, may help"
