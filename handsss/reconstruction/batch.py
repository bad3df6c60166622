"""Photos to the content of their files, several at once: network and fit take the hands of all of them together."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from handsss.data.keypoints.files import keypoint_file, read_hands
from handsss.detect.types import Detection
from handsss.errors import InputError, UserError
from handsss.fitting.hand_input import HandView
from handsss.hand.result import HandResult
from handsss.io.camera import CameraChoice, choose_camera
from handsss.io.image import Photo, read_image
from handsss.mesh_io.export import mesh_files
from handsss.mesh_io.obj import png_bytes
from handsss.reconstruction.inputs import Source
from handsss.reconstruction.outcome import BatchOptions, Outcome
from handsss.reconstruction.outputs import Destination, refuse_overwriting
from handsss.reconstruction.result_json import json_bytes, photo_document
from handsss.visualize.overview import picture

_PIXELS = 60_000_000  # of photos that are held at once: ten thousand large ones must not fill the memory


class HandReconstructor(Protocol):
    """What turns pictures into hands, see :class:`handsss.reconstruction.pipeline.Reconstructor`."""

    def look(
        self, image: np.ndarray, intrinsics: np.ndarray, detections: list[Detection] | None = None
    ) -> list[HandView]:
        """Hands of one picture, surest first."""
        ...

    def reconstruct(self, views: Sequence[HandView]) -> list[HandResult]:
        """Hands of any pictures, one result for each."""
        ...


class Made(NamedTuple):
    """One photo's results, not yet written."""

    outcome: Outcome
    files: dict[Path, bytes]


class Job(NamedTuple):
    """One photo of a run."""

    number: int
    source: Source
    destination: Destination


@dataclass
class _Opened:
    """A photo whose hands were found."""

    job: Job
    photo: Photo
    camera: CameraChoice
    keypoints: Path | None  # the file they came from; None: the detector
    views: list[HandView]
    seconds: float

    @property
    def pixels(self) -> int:
        """That are held: a left hand has a mirrored copy of its photo."""
        size: int = self.photo.array.size // 3
        return size * (2 if any(view.left for view in self.views) else 1)


def reconstruct_photos(
    jobs: Sequence[Job], reconstructor: HandReconstructor, options: BatchOptions
) -> Iterator[tuple[int, Made]]:
    """Photos to the content of their files; what goes wrong becomes its photo's outcome, and the others go on.

    Args:
        jobs: photos whose hands are reconstructed together, as far as memory allows.
        reconstructor: see :class:`HandReconstructor`.
        options: see :class:`BatchOptions`.

    Returns:
        the jobs' numbers and results as they are made, in no order. Without a hand there is no mesh among the files.
    """
    opened: list[_Opened] = []
    for job in jobs:
        begin = time.perf_counter()
        try:
            opened.append(_open(job, reconstructor, options))
        except Exception as error:
            yield job.number, _lost(job, error, time.perf_counter() - begin)
        if sum(one.pixels for one in opened) > _PIXELS:
            yield from _finish(opened, reconstructor, options)
            opened = []
    yield from _finish(opened, reconstructor, options)


def _open(job: Job, reconstructor: HandReconstructor, options: BatchOptions) -> _Opened:
    """Read a photo and look for its hands.

    Raises:
        UserError: an input that cannot be used.
    """
    begin = time.perf_counter()
    photo = read_image(job.source.path)
    size = photo.array.shape[1], photo.array.shape[0]
    camera = choose_camera(size, photo.exif, str(job.source.path), options.camera)
    detections, given = None, None
    if options.keypoints is not None:
        given = keypoint_file(options.keypoints, job.source.path)
        detections = read_hands(given, size, hand=options.hand, keypoint_set=options.keypoint_set)
    try:
        views = reconstructor.look(photo.array, camera.intrinsics, detections)
    except InputError as error:
        raise InputError(f"{given or job.source.path}: {error}") from error
    return _Opened(job, photo, camera, given, views, time.perf_counter() - begin)


def _finish(
    opened: Sequence[_Opened], reconstructor: HandReconstructor, options: BatchOptions
) -> Iterator[tuple[int, Made]]:
    """Reconstruct the hands of opened photos together; if that fails, photo by photo, to know which one it is."""
    begin = time.perf_counter()
    views = [view for one in opened for view in one.views]
    try:
        hands = reconstructor.reconstruct(views) if views else []
    except Exception as error:
        if len(opened) > 1:
            tried = (time.perf_counter() - begin) / len(opened)
            for one in opened:
                one.seconds += tried
                yield from _finish([one], reconstructor, options)
            return
        (one,) = opened
        if isinstance(error, InputError):
            error = InputError(f"{one.keypoints or one.job.source.path}: {error}")
        yield one.job.number, _lost(one.job, error, one.seconds + time.perf_counter() - begin)
        return
    a_hand = (time.perf_counter() - begin) / max(len(views), 1)
    left = iter(hands)
    for one in opened:
        own = [next(left) for _ in one.views]
        begin = time.perf_counter()
        try:
            made = _make(one, own, options)
        except Exception as error:
            made = _lost(one.job, error, 0.0)
        made.outcome.seconds = one.seconds + a_hand * len(own) + time.perf_counter() - begin
        yield one.job.number, made


def _make(opened: _Opened, hands: list[HandResult], options: BatchOptions) -> Made:
    """The files of a photo.

    Raises:
        UserError: one of them would overwrite an input.
    """
    source, destination = opened.job.source, opened.job.destination
    exporting = time.perf_counter()
    files: dict[Path, bytes] = mesh_files(hands, destination.mesh) if hands else {}
    if options.picture:
        files[destination.picture] = png_bytes(picture(opened.photo.array, hands))
    for hand in hands:
        hand.seconds["export"] = (time.perf_counter() - exporting) / len(hands)
    document = photo_document(
        source.path.as_posix(),
        (opened.photo.array.shape[1], opened.photo.array.shape[0]),
        opened.camera,
        hands,
        mesh=destination.mesh if hands else None,
        notes=opened.photo.notes,
        vertices=options.vertices,
    )
    files[destination.document] = json_bytes(document)
    refuse_overwriting(files, {path.resolve() for path in (source.path, opened.keypoints) if path is not None})
    outcome = Outcome(
        image=source.path.as_posix(),
        status="done" if hands else "no hand",
        message="" if hands else _no_hand(opened.keypoints, options.hand),
        camera=opened.camera.sentence,
        camera_source=opened.camera.source,
        files=sorted(files, key=lambda path: path != destination.mesh),
        hands=[_figures(hand) for hand in hands],
    )
    return Made(outcome, files)


def _lost(job: Job, error: Exception, seconds: float) -> Made:
    outcome = failed(job.source.path.as_posix(), error)
    outcome.seconds = seconds
    return Made(outcome, {})


def failed(image: str, error: Exception) -> Outcome:
    """What an error makes of a photo. A bug is told with its traceback, but no reason to lose others."""
    if isinstance(error, UserError):
        return Outcome(image, "failed", str(error))
    message = f"internal error: {type(error).__name__}: {error}"
    return Outcome(image, "failed", message, trace="".join(traceback.format_exception(error)))


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
