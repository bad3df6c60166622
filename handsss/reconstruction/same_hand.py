"""Photos of one person's hands in one run: each is fitted alone, then with the shape of all, then gets the skin of
all.

Photos are read once a stage, since their pixels are not kept: a hand takes some kilobytes, and its texture lies in a
temporary file.
"""

from __future__ import annotations

import pickle
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

import numpy as np

from handsss.fitting.fitted_hand import FittedHand
from handsss.hand.result import HandResult
from handsss.io.image import read_image
from handsss.io.pool import run_jobs
from handsss.reconstruction.batch import (
    OpenedPhoto,
    PhotoJob,
    PhotoOutputs,
    failed_outputs,
    open_photo,
    photo_outputs,
)
from handsss.reconstruction.inputs import BatchOptions
from handsss.reconstruction.shared_shape import share_shape, with_pixels, without_pixels
from handsss.reconstruction.shared_skin import Cells, SharedSkin, cells_of, share_skin, with_skin
from handsss.reconstruction.worker import DIED, pipeline_of_worker

if TYPE_CHECKING:
    from handsss.reconstruction.pipeline import HandPipeline

Numbered = tuple[int, PhotoOutputs]


class _Fitted(NamedTuple):
    """A photo whose hands were fitted, without its pixels."""

    opened: OpenedPhoto
    hands: list[FittedHand]


class _Finished(NamedTuple):
    """A photo and its results, pickled: torch would hand their arrays from process to process by open files."""

    opened: OpenedPhoto
    results: bytes


class _Results:
    """Results in a temporary file, in the order of their photos' numbers."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._spans: dict[int, tuple[int, int]] = {}

    def add(self, number: int, results: bytes) -> None:
        self._file.seek(0, 2)
        self._spans[number] = self._file.tell(), len(results)
        self._file.write(results)

    def read(self, number: int) -> bytes:
        begin, length = self._spans[number]
        self._file.seek(begin)
        return self._file.read(length)

    def hands(self) -> Iterator[HandResult]:
        for number in sorted(self._spans):
            yield from pickle.loads(self.read(number))


class Sharing:
    """A run over photos of one person.

    Args:
        pipeline: of this process.
        options: see :class:`BatchOptions`.
        workers: processes.
        make: makes a pipeline in a worker process.
        on_stage: called with the name of each stage.
    """

    def __init__(
        self,
        pipeline: HandPipeline,
        options: BatchOptions,
        workers: int,
        make: Callable[[], Any] | None,
        on_stage: Callable[[str], None],
    ) -> None:
        self.pipeline, self.options, self.on_stage = pipeline, options, on_stage
        self.workers = workers if make is not None else 1
        self.own = partial(pipeline_of_worker, make) if self.workers > 1 and make is not None else lambda: pipeline

    def outputs(
        self, split: Callable[[Sequence[Any]], list[Sequence[Any]]], jobs: Sequence[PhotoJob]
    ) -> Iterator[list[Numbered]]:
        """Outputs of all photos, in any order: first those without a hand and those that failed.

        Args:
            split: photos into batches.
            jobs: the photos.
        """
        self.on_stage("fitting each photo alone")
        fitted: list[_Fitted] = []
        for raw in self._run(partial(_fit, own=self.own, options=self.options), split(jobs)):
            ended, some = pickle.loads(raw)
            fitted += some
            yield ended
        fitted.sort(key=lambda one: one.opened.job.number)
        if len(fitted) > 1:
            fitted = self._shared(fitted)
        self.on_stage("fitting with one shape" if len(fitted) > 1 else "fitting")
        with tempfile.TemporaryFile() as file:
            results, opened = _Results(file), []
            for raw in self._run(partial(_finish, own=self.own), split(fitted)):
                ended, some = pickle.loads(raw)
                for one in some:
                    results.add(one.opened.job.number, one.results)
                    opened.append(one.opened)
                yield ended
            opened.sort(key=lambda one: one.job.number)
            skin = common_skin(self.pipeline, results.hands) if len(fitted) > 1 else None
            self.on_stage("writing")
            write = partial(_write, options=self.options, skin=skin)
            first, parts = 0, []
            counts = {one.opened.job.number: len(one.hands) for one in fitted}
            for part in split(opened):
                parts.append((part, first))
                first += sum(counts[one.job.number] for one in part)
            lazily = (([_Finished(one, results.read(one.job.number)) for one in part], begin) for part, begin in parts)
            yield from self._run(write, lazily)

    def _run(self, work: Callable[[Any], Any], parts: Iterable[Any]) -> Iterator[Any]:
        return run_jobs(work, parts, self.workers, died=DIED)

    def _shared(self, fitted: list[_Fitted]) -> list[_Fitted]:
        remaining = iter(share_shape(self.pipeline.fitter, [hand for one in fitted for hand in one.hands], len(fitted)))
        return [one._replace(hands=[next(remaining) for _ in one.hands]) for one in fitted]


def common_skin(pipeline: HandPipeline, hands: Callable[[], Iterator[HandResult]]) -> SharedSkin | None:
    """The skin of hands of one person; None without textures.

    Args:
        pipeline: that made them.
        hands: iterates over them.
    """
    cells: list[Cells] = []
    trust: list[float] = []
    for hand in hands():
        if hand.texture is None:
            return None
        cells.append(cells_of(hand))
        trust.append(1.0 if hand.shared_shape is None else hand.shared_shape.weight)
    if not cells:
        return None
    faces = pipeline.model.faces
    return share_skin(cells, np.array(trust), hands, pipeline.atlas, faces, pipeline.uv, pipeline.uv_faces)


def _without_photo(opened: OpenedPhoto) -> OpenedPhoto:
    photo = opened.photo._replace(array=opened.photo.array[:0].copy())
    return replace(opened, photo=photo, inputs=[])


def _fit(jobs: Sequence[PhotoJob], own: Callable[[], HandPipeline], options: BatchOptions) -> bytes:
    """Ended photos, and fitted ones."""
    pipeline = own()
    ended: list[Numbered] = []
    fitted: list[_Fitted] = []
    for job in jobs:
        begin = time.perf_counter()
        try:
            one = open_photo(job, pipeline, options)
            if one.inputs:
                # Each alone: pixels of one photo are held at a time.
                hands = [without_pixels(hand) for hand in pipeline.fit(one.inputs)]
                bare = replace(_without_photo(one), seconds=time.perf_counter() - begin)
                fitted.append(_Fitted(bare, hands))
            else:
                ended.append((job.number, photo_outputs(one, [], options)))
        except Exception as error:
            ended.append((job.number, failed_outputs(job, error, time.perf_counter() - begin)))
    return pickle.dumps((ended, fitted))


def _finish(parts: Sequence[_Fitted], own: Callable[[], HandPipeline]) -> bytes:
    """Ended photos, and those with their results."""
    pipeline = own()
    ended: list[Numbered] = []
    finished: list[_Finished] = []
    for opened, hands in parts:
        begin = time.perf_counter()
        try:
            results = pipeline.finish(with_pixels(hands, read_image(opened.job.source.path).array))
            spent = opened.seconds + time.perf_counter() - begin
            finished.append(_Finished(replace(opened, seconds=spent), pickle.dumps(results)))
        except Exception as error:
            spent = opened.seconds + time.perf_counter() - begin
            ended.append((opened.job.number, failed_outputs(opened.job, error, spent)))
    return pickle.dumps((ended, finished))


def _write(part: tuple[Sequence[_Finished], int], options: BatchOptions, skin: SharedSkin | None) -> list[Numbered]:
    """The contents of the result files of photos whose hands count from a number."""
    finished, number = part
    ended: list[Numbered] = []
    for opened, pickled in finished:
        begin = time.perf_counter()
        hands = cast(list[HandResult], pickle.loads(pickled))
        if skin is not None:
            for hand in hands:
                with_skin(hand, skin, skin.gains[number])
                number += 1
        try:
            outputs = photo_outputs(replace(opened, photo=read_image(opened.job.source.path)), hands, options)
        except Exception as error:
            outputs = failed_outputs(opened.job, error, 0.0)
        outputs.outcome.seconds = opened.seconds + time.perf_counter() - begin
        ended.append((opened.job.number, outputs))
    return ended
