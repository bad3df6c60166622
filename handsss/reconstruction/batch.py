"""Batches of photos to the contents of their result files: network and fit process all hands of a batch at once."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from handsss.data.keypoints.document import KEYPOINTS
from handsss.data.keypoints.files import PictureKeypoints
from handsss.detect.types import Detection
from handsss.errors import InputError, UserError
from handsss.fitting.hand_input import HandInput
from handsss.hand.result import HandResult
from handsss.io.camera import CameraChoice, choose_camera
from handsss.io.image import Photo, read_image
from handsss.mesh_io.export import mesh_files
from handsss.mesh_io.formats import PAGE, is_rigged
from handsss.mesh_io.obj import png_bytes
from handsss.mesh_io.rig import Rig, rigs_of
from handsss.reconstruction.inputs import BatchOptions, Source
from handsss.reconstruction.outputs import Destination, Outcome, refuse_overwriting, status_of
from handsss.reconstruction.result_json import json_bytes, photo_document
from handsss.reconstruction.resume import photo_facts, run_record
from handsss.reconstruction.side import FoundHands, left_out_note
from handsss.visualize.overview import picture

_PIXELS = 60_000_000  # held in memory at once, at most


class Pipeline(Protocol):
    """Images to hands, see :class:`handsss.reconstruction.pipeline.HandPipeline`."""

    def find_hands(
        self,
        image: np.ndarray,
        intrinsics: np.ndarray,
        detections: list[Detection] | None = None,
        *,
        box: np.ndarray | None = None,
        assumed: bool = False,
    ) -> FoundHands:
        """The hands of one image, highest score first, the sides of those left out, and the intrinsics."""
        ...

    def reconstruct(self, inputs: Sequence[HandInput]) -> list[HandResult]:
        """One result per hand; hands may be of different images."""
        ...


class PhotoOutputs(NamedTuple):
    """One photo's outcome and the contents of its result files, not yet written."""

    outcome: Outcome
    files: dict[Path, bytes]


class PhotoJob(NamedTuple):
    """One photo of a run."""

    number: int
    source: Source
    destination: Destination
    keypoints: PictureKeypoints | InputError | None = None  # of a file; why there are none; None: the detector's


@dataclass
class OpenedPhoto:
    """A photo that was read, and its detected hands."""

    job: PhotoJob
    photo: Photo
    camera: CameraChoice
    keypoints: Path | None  # the keypoint file; None: the built-in detector
    keypoint_source: str  # what kind of file that is
    inputs: list[HandInput]
    note: str  # on the keypoint file
    left_out: list[str]  # sides of hands that were not asked for
    seconds: float

    @property
    def pixels(self) -> int:
        """Pixels held in memory: left hands need a mirrored copy of the photo."""
        size: int = self.photo.array.size // 3
        return size * (2 if any(hand_input.left for hand_input in self.inputs) else 1)


def reconstruct_photos(
    jobs: Sequence[PhotoJob], pipeline: Pipeline, options: BatchOptions
) -> Iterator[tuple[int, PhotoOutputs]]:
    """Reconstruct photos. An error becomes the outcome of its photo; the others continue.

    Args:
        jobs: photos whose hands are reconstructed as one batch, as far as memory allows.
        pipeline: see :class:`Pipeline`.
        options: see :class:`BatchOptions`.

    Yields:
        job number and outputs of each photo, in any order. Photos without a hand have no mesh file.
    """
    opened: list[OpenedPhoto] = []
    for job in jobs:
        begin = time.perf_counter()
        try:
            opened.append(open_photo(job, pipeline, options))
        except Exception as error:
            yield job.number, failed_outputs(job, error, time.perf_counter() - begin)
        if sum(one.pixels for one in opened) > _PIXELS:
            yield from _finish(opened, pipeline, options)
            opened = []
    yield from _finish(opened, pipeline, options)


def open_photo(job: PhotoJob, pipeline: Pipeline, options: BatchOptions) -> OpenedPhoto:
    """Read a photo and detect its hands.

    Raises:
        UserError: an unreadable photo, camera or keypoint file.
    """
    begin = time.perf_counter()
    photo = read_image(job.source.path)
    size = photo.array.shape[1], photo.array.shape[0]
    camera = choose_camera(size, photo.exif, str(job.source.path), options.camera)
    detections, given, kind, note = None, None, "", ""
    if isinstance(job.keypoints, InputError):
        raise job.keypoints
    side = None if options.side == "auto" else options.side
    if job.keypoints is not None:
        given = job.keypoints.path
        reading = job.keypoints.read(size, hand=options.hand, side=side, keypoint_set=options.keypoint_set)
        detections = reading.hands
        note = reading.note
        kind = f"{reading.source}, {KEYPOINTS} points" + (f"; {note}" if note else "")
    try:
        assumed = camera.source == "default"
        found = pipeline.find_hands(photo.array, camera.intrinsics, detections, box=options.box, assumed=assumed)
    except InputError as error:
        raise InputError(f"{given or job.source.path}: {error.template}", options=error.options) from error
    camera = camera.by_hands(found.intrinsics, size)
    return OpenedPhoto(job, photo, camera, given, kind, found.inputs, note, found.left_out, time.perf_counter() - begin)


def _finish(
    opened: Sequence[OpenedPhoto], pipeline: Pipeline, options: BatchOptions
) -> Iterator[tuple[int, PhotoOutputs]]:
    """Reconstruct the hands of opened photos as one batch; if that fails, photo by photo, to attribute the error."""
    begin = time.perf_counter()
    inputs = [hand_input for one in opened for hand_input in one.inputs]
    try:
        hands = pipeline.reconstruct(inputs) if inputs else []
    except Exception as error:
        if len(opened) > 1:
            tried = (time.perf_counter() - begin) / len(opened)
            for one in opened:
                one.seconds += tried
                yield from _finish([one], pipeline, options)
            return
        (one,) = opened
        if isinstance(error, InputError):
            error = InputError(f"{one.keypoints or one.job.source.path}: {error.template}", options=error.options)
        yield one.job.number, failed_outputs(one.job, error, one.seconds + time.perf_counter() - begin)
        return
    seconds_per_hand = (time.perf_counter() - begin) / max(len(inputs), 1)
    remaining = iter(hands)
    for one in opened:
        own = [next(remaining) for _ in one.inputs]
        begin = time.perf_counter()
        try:
            outputs = photo_outputs(one, own, options)
        except Exception as error:
            outputs = failed_outputs(one.job, error, 0.0)
        outputs.outcome.seconds = one.seconds + seconds_per_hand * len(own) + time.perf_counter() - begin
        yield one.job.number, outputs


def photo_outputs(opened: OpenedPhoto, hands: list[HandResult], options: BatchOptions) -> PhotoOutputs:
    """Outcome and file contents of a photo.

    Raises:
        UserError: one of them would overwrite an input.
    """
    source, destination = opened.job.source, opened.job.destination
    exporting = time.perf_counter()
    rigs = rigs_of(hands) if is_rigged(destination.mesh.suffix, static=options.static) else None
    files: dict[Path, bytes] = _hand_files(opened, hands, rigs) if hands else {}
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
        rigs=rigs,
    )
    if options.run_options:
        facts = photo_facts(source, opened.job.keypoints, options)
        document["run"] = run_record(options, facts, files)
    files[destination.document] = json_bytes(document)
    refuse_overwriting(files, {path.resolve() for path in (source.path, opened.keypoints) if path is not None})
    note = (
        _contradictions(hands, left_out_note(opened.left_out)) if hands else _no_hand(opened, options, destination.mesh)
    )
    outcome = Outcome(
        image=source.path.as_posix(),
        status=status_of([hand.expected_error for hand in hands], options.max_error),
        message="" if note is None else str(note),
        error=note,
        camera=opened.camera.sentence,
        camera_source=opened.camera.source,
        keypoints=opened.keypoint_source,
        notes=list(opened.photo.notes),
        files=sorted(files, key=lambda path: path != destination.mesh),
        hands=[_figures(hand, rig) for hand, rig in zip(hands, rigs or repeat(None, len(hands)), strict=True)],
    )
    return PhotoOutputs(outcome, files)


def _hand_files(opened: OpenedPhoto, hands: Sequence[HandResult], rigs: Sequence[Rig] | None) -> dict[Path, bytes]:
    """The mesh, or the page that shows it."""
    path = opened.job.destination.mesh
    if path.suffix.lower() != PAGE:
        return mesh_files(hands, path, rigs)
    from handsss.page.photo import photo_page

    name, camera = opened.job.source.path.name, f"Camera: {opened.camera.sentence}."
    return {path: photo_page(opened.photo.array, hands, name, rigs=rigs, about=camera, notes=opened.photo.notes)}


def failed_outputs(job: PhotoJob, error: Exception, seconds: float) -> PhotoOutputs:
    outcome = failed(job.source.path.as_posix(), error)
    outcome.seconds = seconds
    return PhotoOutputs(outcome, {})


def failed(image: str, error: Exception) -> Outcome:
    """The outcome of a photo whose reconstruction raised an error. Internal errors keep their traceback."""
    if isinstance(error, UserError):
        told = UserError(error.template, options=error.options)  # without its traceback, which holds pictures
        return Outcome(image, "failed", str(error), error=told)
    message = f"internal error: {type(error).__name__}: {error}"
    return Outcome(image, "failed", message, trace="".join(traceback.format_exception(error)))


def _contradictions(hands: Sequence[HandResult], other: UserError | None) -> UserError | None:
    """Which hands do not agree with those of their person's other photos, and what else is to be said."""
    told = [] if other is None else [other.template]
    for hand in hands:
        if hand.shared_shape is not None and hand.shared_shape.contradicts:
            weight = f"weight {hand.shared_shape.weight:.2f} of 1"
            told.append(
                f"the {hand.hand} hand does not agree with those of the other photos ({weight}): another person's, or "
                "a wrong fit"
            )
    return UserError("; ".join(told), options=() if other is None else other.options) if told else None


def _figures(hand: HandResult, rig: Rig | None) -> dict[str, Any]:
    figures: dict[str, Any] = {"hand": hand.hand, "score": round(float(hand.score), 4), "network": hand.network}
    figures |= {"handedness": round(float(hand.handedness), 4), "side_from": hand.side_from}
    figures |= {key: round(float(value), 5) for key, value in hand.fit.items()}
    if hand.shared_shape is not None:
        figures["shared_shape"] = hand.shared_shape.to_json()
    if hand.expected_error is not None:
        figures["expected_error_mm"] = round(hand.expected_error, 2)
    if rig is not None:
        figures["rig"] = rig.to_json()
    return figures | {"seconds": {key: round(value, 4) for key, value in hand.seconds.items()}}


def _no_hand(opened: OpenedPhoto, options: BatchOptions, mesh: Path) -> UserError:
    side = "" if options.hand == "auto" else f"{options.hand} "
    hidden = left_out_note(opened.left_out)
    if opened.keypoints is not None:
        text = f"{opened.keypoints} shows no {side}hand" + (f": {opened.note}" if opened.note else "")
    else:
        text = f"no {side}hand found" + ("" if options.box is None else " in the box")
    if mesh.exists():
        text += f" ({mesh.name} there is of an earlier run)"
    if hidden is not None:
        return UserError(f"{text}: {hidden.template}", options=hidden.options)
    return UserError(text if opened.keypoints else f"{text}; a larger, sharper photo of the whole hand may help")
