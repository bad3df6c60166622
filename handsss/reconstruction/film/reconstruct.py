"""A film to hands: the stages one after another, each over the whole film, one frame held at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from handsss.detect.tracking import HandTracker
from handsss.fitting.fitted_hand import FittedHand
from handsss.fitting.problem import HandParameters
from handsss.io.camera import CameraChoice, CameraOptions, choose_camera
from handsss.io.film import Film, Frame
from handsss.reconstruction.film.clock import StageClock
from handsss.reconstruction.film.key_frames import KeyFrames, other_fits_better
from handsss.reconstruction.film.live import SHAPE_FRAMES, LiveHand
from handsss.reconstruction.film.live_run import LiveRows, live_frames
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

if TYPE_CHECKING:
    from handsss.reconstruction.pipeline import HandPipeline

_KEPT_EVERY = 20.0  # seconds between writes of the detections
_CAMERA_HANDS = 200  # that a likely camera is of
_UNKNOWN = "films tell no focal length"

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
        imposed = self.pipeline.settings.side
        tracks = [track for track in tracks if self.options.hand in ("auto", track.side_under(imposed))]
        hands = self.fit(tracks, camera.intrinsics) if tracks else []
        return self._result(np.array(log.seconds), camera, hands, log.cuts)

    def _result(
        self, seconds: np.ndarray, camera: CameraChoice, hands: Sequence[HandTrack], cuts: list[float]
    ) -> FilmHands:
        film = self.film
        return FilmHands(
            path=film.path.as_posix(),
            size=film.size,
            rate=film.rate,
            seconds=seconds,
            intrinsics=camera.intrinsics,
            camera=camera.sentence,
            tracks=sorted(hands, key=lambda hand: hand.number),
            cuts=cuts,
            warnings=list(self.warnings),
            interrupted=self.interrupted,
            spent=dict(self.clock.spent),
        )

    def live(self) -> FilmHands:
        """The same without looking ahead: every frame once, as a camera would give it."""
        choice = self.camera_choice()
        rows, seconds, camera = LiveRows(), [], choice
        self.on_stage("tracking", self.film.expected, 0)
        try:
            with self.clock.stage("fitting"):
                for frame, used, hands in live_frames(self.film, self.pipeline, choice, self.options.threads):
                    camera = used
                    rows.add(frame, [one for one in hands if self.wants(one)])
                    seconds.append(frame.seconds)
                    self.on_frame(len(seconds))
        except KeyboardInterrupt:
            if not seconds:
                raise
            self.interrupted = True
        self.warnings = list(self.film.warnings)
        return self._result(np.array(seconds), camera, self.hand_tracks(rows, camera), [])

    def wants(self, hand: LiveHand) -> bool:
        """Whether a live hand is of the side that the options keep."""
        return self.options.hand in ("auto", "left" if hand.left else "right")

    def hand_tracks(self, rows: LiveRows, camera: CameraChoice) -> list[HandTrack]:
        """Live hands as tracks."""
        tracks = []
        for track, side, parameters, name in rows.tracks():
            problem = self.pipeline.fitter.problem(name)
            arrays = track_arrays(track, side, parameters, problem, camera.intrinsics, self.film.size[0])
            figures = document_of(track) | {"shape_frames": min(len(track.frames), SHAPE_FRAMES)}
            tracks.append(self._hand_track(track, side, name, camera.intrinsics, figures, arrays))
        return tracks

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

    def camera_choice(self) -> CameraChoice:
        """The camera as the user says, or by default."""
        return choose_camera(self.film.size, None, self.film.path.as_posix(), self.options.camera, unknown=_UNKNOWN)

    def _camera(self, log: SightingLog) -> CameraChoice:
        """One camera of all frames: what the user says, or by the size of the hands."""
        choice = self.camera_choice()
        if choice.source != "default":
            return choice
        tracks = tracks_of(log)
        rows = [(track, row) for track in tracks for row in np.flatnonzero(track.seen).tolist()]
        some = rows[:: max(1, len(rows) // _CAMERA_HANDS)]
        detections = [track.detection(row, track.side) for track, row in some]
        intrinsics = likely_intrinsics(choice.intrinsics, detections, self.pipeline.model)
        return choice.by_hands(intrinsics, self.film.size)

    def fit(self, tracks: Sequence[Track], intrinsics: np.ndarray) -> list[HandTrack]:
        """The second pass: key frames with their pixels; then every track as one motion."""
        keys = [key_rows(track) for track in tracks]
        skins = [SkinOfTrack(track, rows) for track, rows in zip(tracks, keys, strict=True)]
        key_frames = KeyFrames(self.pipeline, self.film, intrinsics, tracks, keys, skins, self.clock)
        self.on_stage("fitting key frames", len(key_frames.frames), 0)
        key_frames.fit(self.on_frame)
        fitted, others = key_frames.fitted, key_frames.others
        hands = []
        self.on_stage("fitting", sum(len(track.frames) for track in tracks), 0)
        done = 0
        for place, track in enumerate(tracks):
            side = track.side_under(self.pipeline.settings.side)
            own = fitted[place]
            if others[place] and other_fits_better(own, others[place], track, side):
                side, own = "left" if side == "right" else "right", others[place]
                skins[place].results.clear()  # they are of the wrong side
            hands.append(self._fit_track(track, side, keys[place], own, skins[place], intrinsics))
            done += len(track.frames)
            self.on_frame(done)
        return hands

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
            shape, weights = one_shape(problem, alone, observation.select(index), track.score[list(keys)])
            alone = alone._replace(shape=shape.expand(len(keys), -1).clone())
            priors = frame_priors(pipeline.fitter, name, observation, track, keys, hands)
            rows = fit_rows(problem, observation, track, keys, alone, priors)
        with self.clock.stage("smoothing"):
            parameters = smooth(problem, rows, observation, track)
        arrays = track_arrays(track, side, parameters, problem, intrinsics, width)
        with self.clock.stage("texture"):
            appearance = skin.shared(pipeline)
        figures = document_of(track) | {"shape_frames": len(weights), "shape_weight": round(float(weights.mean()), 4)}
        return self._hand_track(track, side, name, intrinsics, figures, arrays | appearance)

    def _hand_track(
        self,
        track: Track,
        side: str,
        keypoint_set: str,
        intrinsics: np.ndarray,
        figures: dict[str, Any],
        arrays: dict[str, Any],
    ) -> HandTrack:
        pipeline = self.pipeline
        return HandTrack(
            number=track.number,
            hand=side,
            right=track.right,
            model=pipeline.model.name,
            model_source=pipeline.model_source,
            keypoint_set=keypoint_set,
            intrinsics=intrinsics,
            uv=pipeline.uv,
            uv_faces=pipeline.uv_faces,
            figures=figures,
            **arrays,
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


def frames_with_hands(film: Film, hands: FilmHands) -> Iterator[tuple[Frame, list[tuple[HandTrack, int]]]]:
    """The film's frames again, each with its hands: track and row. Frames that were not detected are left out."""
    rows: list[dict[int, int]] = [{int(frame): row for row, frame in enumerate(track.frames)} for track in hands.tracks]
    count = len(hands.seconds)
    for frame in film.frames(lambda number: number < count):
        yield (
            frame,
            [(track, own[frame.number]) for track, own in zip(hands.tracks, rows, strict=True) if frame.number in own],
        )
