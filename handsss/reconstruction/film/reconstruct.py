"""A film to hands: the stages one after another, each over the whole film, one frame held at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch

from handsss.detect.tracking import HandTracker
from handsss.fitting.fitted_hand import FittedHand
from handsss.fitting.hand_input import hand_inputs
from handsss.fitting.problem import HandParameters
from handsss.hand.result import SharedShape
from handsss.io.camera import CameraChoice, CameraOptions, choose_camera
from handsss.io.film import Film, Frame
from handsss.reconstruction.film.clock import StageClock
from handsss.reconstruction.film.result import FilmHands, HandTrack, track_arrays
from handsss.reconstruction.film.skin import SkinOfTrack
from handsss.reconstruction.film.track_fit import (
    fit_rows,
    frame_priors,
    key_rows,
    likeliest,
    observed,
    one_shape,
    smooth,
)
from handsss.reconstruction.film.tracks import SightingLog, Track, document_of, tracks_of
from handsss.reconstruction.likely_camera import likely_intrinsics
from handsss.reconstruction.shared_shape import without_pixels
from handsss.reconstruction.side import CERTAIN, fits_better

if TYPE_CHECKING:
    from handsss.reconstruction.pipeline import HandPipeline

_KEPT_EVERY = 20.0  # seconds between writes of the detections
_BATCH = 8  # key frames whose hands are fitted at once
_CAMERA_HANDS = 200  # that a likely camera is of
_NO_EXIF = "no focal length in films"

OnStage = Callable[[str, int, int], None]  # name, frames in all (0: not known), frames done before
OnFrame = Callable[[int], None]  # frames done


@dataclass(frozen=True)
class FilmOptions:
    """How a film is reconstructed, beside the pipeline's settings."""

    camera: CameraOptions = field(default_factory=CameraOptions)
    hand: Literal["auto", "left", "right"] = "auto"  # keep tracks of this side only
    kept: Path | None = None  # where detections are kept while it runs
    key: str = ""  # of what film and options they are
    resume: bool = False
    threads: int = 1  # of each detection network


class _Key(NamedTuple):
    """A row that is fitted as photos are."""

    track: int  # place in the list
    row: int


class FilmReconstruction:
    """A run over one film.

    Args:
        pipeline: with the settings; one hand at a time is followed unless they ask for all.
        film: that is read.
        options: see :class:`FilmOptions`.
        on_stage: told of each stage.
        on_frame: told of frames.
    """

    def __init__(
        self,
        pipeline: HandPipeline,
        film: Film,
        options: FilmOptions | None = None,
        on_stage: OnStage = lambda name, total, done: None,
        on_frame: OnFrame = lambda done: None,
    ) -> None:
        self.pipeline, self.film, self.options = pipeline, film, options or FilmOptions()
        self.on_stage, self.on_frame = on_stage, on_frame
        self.clock = StageClock()
        self.interrupted = False
        self.warnings: list[str] = []

    def __call__(self) -> FilmHands:
        """Detect, fit and smooth; no files are written but the kept detections.

        Raises:
            InputError: a film that cannot be read, or a camera that cannot be used.
            KeyboardInterrupt: while hands are fitted; detections are kept. While they are detected, the frames so far
                are fitted, and ``interrupted`` is set.
        """
        log = self.detect()
        camera, tracks = self._camera(log), tracks_of(log)
        settings = self.pipeline.settings
        sides = [track.side if settings.side == "auto" else settings.side for track in tracks]
        wanted = [k for k, side in enumerate(sides) if self.options.hand in ("auto", side)]
        tracks = [tracks[k] for k in wanted]
        hands = self.fit(tracks, camera.intrinsics) if tracks else []
        film = self.film
        return FilmHands(
            path=film.path.as_posix(),
            size=film.size,
            rate=film.rate,
            seconds=np.array(log.seconds),
            intrinsics=camera.intrinsics,
            camera=camera.sentence,
            tracks=sorted(hands, key=lambda hand: hand.number),
            cuts=log.cuts,
            warnings=list(self.warnings),
            interrupted=self.interrupted,
            spent=dict(self.clock.spent),
        )

    def detect(self) -> SightingLog:
        """The first pass: what is seen of hands in every frame."""
        options = self.options
        log = SightingLog()
        if options.resume and options.kept is not None and options.kept.exists():
            log = SightingLog.load(options.kept, options.key) or log
        tracker = HandTracker(None if self.pipeline.settings.all_hands else 1, threads=options.threads)
        done = len(log.seconds)
        if done:
            tracker.resume(log.last(), log.sides(), log.seconds[-1], log.tracks)
        self.on_stage("detecting", self.film.expected, done)
        written = time.monotonic()
        try:
            with self.clock.stage("reading"):
                for frame in self.film.frames(lambda number: number >= done):
                    with self.clock.stage("detecting"):
                        log.add(frame.seconds, tracker(frame.image, frame.seconds))
                    self.on_frame(len(log.seconds))
                    log.cuts, log.tracks = self._cuts(log, tracker), tracker.tracks
                    if options.kept is not None and time.monotonic() - written > _KEPT_EVERY:
                        log.save(options.kept, options.key)
                        written = time.monotonic()
        except KeyboardInterrupt:
            if not log.seconds:
                raise
            self.interrupted = True
        self.warnings = list(self.film.warnings)
        if options.kept is not None:
            log.save(options.kept, options.key)
        return log

    def _cuts(self, log: SightingLog, tracker: HandTracker) -> list[float]:
        return sorted({*log.cuts, *tracker.cuts})

    def _camera(self, log: SightingLog) -> CameraChoice:
        """One camera of all frames: what the user says, or by the size of the hands."""
        size = self.film.size
        choice = choose_camera(size, None, self.film.path.as_posix(), self.options.camera)
        if choice.source != "default":
            return choice
        tracks = tracks_of(log)
        rows = [(track, row) for track in tracks for row in np.flatnonzero(track.seen)]
        some = rows[:: max(1, len(rows) // _CAMERA_HANDS)]
        detections = [track.detection(row, track.side) for track, row in some]
        intrinsics = likely_intrinsics(choice.intrinsics, detections, self.pipeline.model)
        told = choice._replace(sentence=choice.sentence.replace(choice.reason, _NO_EXIF), reason=_NO_EXIF)
        return told.by_hands(intrinsics, size)

    def fit(self, tracks: Sequence[Track], intrinsics: np.ndarray) -> list[HandTrack]:
        """The second pass: key frames with their pixels; then every track as one motion."""
        keys = [key_rows(track) for track in tracks]
        skins = [SkinOfTrack(track, rows) for track, rows in zip(tracks, keys, strict=True)]
        fitted, others = self._key_hands(tracks, keys, skins, intrinsics)
        hands = []
        self.on_stage("fitting", sum(len(track.frames) for track in tracks), 0)
        done = 0
        for place, track in enumerate(tracks):
            side = track.side if self.pipeline.settings.side == "auto" else self.pipeline.settings.side
            own = fitted[place]
            if others[place] and self._other_fits_better(own, others[place], track, side):
                side, own = "left" if side == "right" else "right", others[place]
                skins[place].results.clear()  # they are of the wrong side
            hands.append(self._fit_track(track, side, keys[place], own, skins[place], intrinsics))
            done += len(track.frames)
            self.on_frame(done)
        return hands

    def _key_hands(
        self,
        tracks: Sequence[Track],
        keys: Sequence[Sequence[int]],
        skins: Sequence[SkinOfTrack],
        intrinsics: np.ndarray,
    ) -> tuple[list[list[FittedHand]], list[list[FittedHand]]]:
        """Hands at the key frames of each track; and, where the side is doubtful, as the other side too."""
        wanted: dict[int, list[_Key]] = {}
        for place, (track, rows) in enumerate(zip(tracks, keys, strict=True)):
            for row in rows:
                wanted.setdefault(int(track.frames[row]), []).append(_Key(place, row))
        fitted: list[list[FittedHand]] = [[] for _ in tracks]
        others: list[list[FittedHand]] = [[] for _ in tracks]
        waiting: list[tuple[Frame, list[_Key]]] = []

        def run() -> None:
            with self.clock.stage("fitting"):
                self._fit_keys(waiting, tracks, skins, intrinsics, fitted, others)
            waiting.clear()

        self.on_stage("fitting key frames", len(wanted), 0)
        with self.clock.stage("reading"):
            for done, frame in enumerate(self.film.frames(lambda number: number in wanted), 1):
                waiting.append((frame, wanted.pop(frame.number)))
                if sum(len(some) for _, some in waiting) >= _BATCH:
                    run()
                    self.on_frame(done)
                if not wanted:
                    break
            run()
        return fitted, others

    def _fit_keys(
        self,
        waiting: Sequence[tuple[Frame, list[_Key]]],
        tracks: Sequence[Track],
        skins: Sequence[SkinOfTrack],
        intrinsics: np.ndarray,
        fitted: list[list[FittedHand]],
        others: list[list[FittedHand]],
    ) -> None:
        settings = self.pipeline.settings
        for target, other in ((fitted, False), (others, True)):
            inputs, places = [], []
            for frame, some in waiting:
                for place, row in some:
                    track = tracks[place]
                    side = track.side if settings.side == "auto" else settings.side
                    if other:
                        if settings.side != "auto" or max(track.right, 1 - track.right) >= CERTAIN:
                            continue
                        side = "left" if side == "right" else "right"
                    detection = _certain(track, row, side, depth=settings.depth)
                    inputs += hand_inputs(frame.image, intrinsics, [detection])
                    places.append(_Key(place, row))
            hands = self.pipeline.fit(inputs) if inputs else []
            for key, hand in zip(places, hands, strict=True):
                target[key.track].append(without_pixels(hand))
            if not other and settings.appearance:
                with self.clock.stage("texture"):
                    chosen = [k for k, key in enumerate(places) if key.row in skins[key.track].rows]
                    shared = [hands[k]._replace(shared=SharedShape(1, 1, 1.0)) for k in chosen]
                    for k, result in zip(chosen, self.pipeline.finish(shared) if shared else [], strict=True):
                        skins[places[k].track].results.append(result)

    def _other_fits_better(
        self, own: Sequence[FittedHand], other: Sequence[FittedHand], track: Track, side: str
    ) -> bool:
        """Whether a track of a doubtful side is of the other one, by all its key frames."""
        probability = track.right if side == "right" else 1 - track.right
        costs = [float(np.median([hand.fit.cost for hand in hands])) for hands in (own, other)]
        return fits_better(costs[0], costs[1], probability)

    def _fit_track(
        self,
        track: Track,
        side: str,
        keys: Sequence[int],
        hands: Sequence[FittedHand],
        skin: SkinOfTrack,
        intrinsics: np.ndarray,
    ) -> HandTrack:
        pipeline, width = self.pipeline, self.film.size[0]
        name = hands[0].keypoint_set
        problem = pipeline.fitter.problem(name)
        with self.clock.stage("fitting"):
            observation = observed(track, side, intrinsics, width, depth=pipeline.settings.depth)
            index = torch.as_tensor(list(keys))
            alone = self._alone(track, keys, hands, name)
            score = (track.presence * np.nan_to_num(track.values[:, :, 2]).mean(1))[list(keys)]
            shape, weights = one_shape(problem, alone, observation.select(index), score)
            alone = alone._replace(shape=shape.expand(len(keys), -1).clone())
            priors = frame_priors(pipeline.fitter, name, observation, track, keys, hands)
            rows = fit_rows(problem, observation, track, keys, alone, priors)
        with self.clock.stage("smoothing"):
            parameters = smooth(problem, rows, observation, track)
        arrays = track_arrays(track, side, parameters, problem, intrinsics, width)
        with self.clock.stage("texture"):
            appearance = skin.shared(pipeline)
        figures = document_of(track) | {"shape_frames": len(weights), "shape_weight": round(float(weights.mean()), 4)}
        return HandTrack(
            number=track.number,
            hand=side,
            right=track.right,
            model=pipeline.model.name,
            model_source=pipeline.model_source,
            keypoint_set=name,
            intrinsics=intrinsics,
            uv=pipeline.uv,
            uv_faces=pipeline.uv_faces,
            figures=figures,
            **arrays,
            **appearance,
        )

    def _alone(self, track: Track, keys: Sequence[int], hands: Sequence[FittedHand], name: str) -> HandParameters:
        """The hands of key frames, of each the hypothesis that goes with its neighbours'."""
        problem = self.pipeline.fitter.problem(name)
        parts = []
        for number in np.unique(track.segment[list(keys)]):
            some = [k for k, row in enumerate(keys) if track.segment[row] == number]
            fits = [hands[k].fit for k in some]
            parts.append(likeliest(problem, fits, track.seconds[[keys[k] for k in some]]))
        return HandParameters.concat(parts)


def _certain(track: Track, row: int, side: str, *, depth: bool) -> Any:
    """A row's detection as a hand of this side, about which the fit of single frames is not to decide."""
    from dataclasses import replace

    detection = track.detection(row, side)
    return replace(detection, side_from="option", world=detection.world if depth else None)


def frames_with_hands(film: Film, hands: FilmHands) -> Iterator[tuple[Frame, list[tuple[HandTrack, int]]]]:
    """The film's frames again, each with its hands: track and row. Frames that were not detected are left out."""
    rows: list[dict[int, int]] = [{int(frame): row for row, frame in enumerate(track.frames)} for track in hands.tracks]
    count = len(hands.seconds)
    for frame in film.frames(lambda number: number < count):
        yield (
            frame,
            [(track, own[frame.number]) for track, own in zip(hands.tracks, rows, strict=True) if frame.number in own],
        )
