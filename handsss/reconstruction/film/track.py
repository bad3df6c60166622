"""``handsss.track``: the frames of a film with their hands, for Python."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from handsss.detect.types import check_sides
from handsss.io.camera import CameraChoice, CameraOptions, intrinsics_matrix
from handsss.io.film import FilmSelection, open_film
from handsss.reconstruction.film.live_run import LiveRows, live_frames
from handsss.reconstruction.film.reconstruct import FilmOptions, FilmReconstruction, frames_with_hands
from handsss.reconstruction.film.result import HandTrack
from handsss.reconstruction.hand import Hand
from handsss.reconstruction.pipeline import HandPipeline
from handsss.reconstruction.settings import PipelineSettings

Side = Literal["auto", "left", "right"]


@dataclass(eq=False)
class TrackedHand(Hand):
    """A :class:`handsss.Hand` of a film's frame.

    Attributes:
        track: number of the hand in the film; it stays the same from frame to frame, and so do shape and skin.
        filled: the hand was not seen in this frame: it is between frames in which it was.
    """

    track: int = 0
    filled: bool = False


@dataclass(eq=False)
class TrackedFrame:
    """A frame of a film with its hands.

    Attributes:
        number: of the frame, among those that are read, from 0.
        seconds: in the film.
        image: [H, W, 3] uint8 RGB, upright.
        hands: in this frame.
    """

    number: int
    seconds: float
    image: np.ndarray
    hands: list[TrackedHand]


def track(
    film: str | os.PathLike[str],
    *,
    live: bool = False,
    start: float = 0.0,
    end: float | None = None,
    every: int = 1,
    fps: float | None = None,
    intrinsics: Any = None,
    hand: Side = "auto",
    side: Side = "auto",
    all_hands: bool = False,
    model: str = "open",
    checkpoint: str | None = "auto",
    device: str = "cpu",
    texture: bool = True,
) -> Iterator[TrackedFrame]:
    """The hands of a film, frame by frame. Needs the extra ``video``, but for folders of pictures.

    Args:
        film: a path to any container that PyAV reads, an animated GIF, a folder of numbered pictures, or a pattern of
            them.
        live: fit and smooth without looking ahead, each frame as it is asked for, without texture; False: the whole
            film is read and fitted as one motion before the first frame comes.
        start, end: seconds of the film.
        every: take each so manieth frame.
        fps: frames a second of numbered pictures.
        intrinsics: [3, 3] px or (fx, fy, cx, cy), of all frames; left out: chosen by the hands' size.
        hand, side, model, checkpoint, device: as for :func:`handsss.reconstruct`.
        all_hands: follow every hand, not only one at a time.
        texture: light, skin colour and texture from the film.

    Yields:
        every frame that was selected, also those without a hand.

    Raises:
        InputError: a film that cannot be read, or a model that is not there.
        UserError: a selection of no frame, or ``hand`` and ``side`` that contradict each other.
        MissingDependencyError: PyAV is not installed.

    Examples:
        >>> import handsss
        >>> for frame in handsss.track("clip.mp4"):  # doctest: +SKIP
        ...     for hand in frame.hands:
        ...         print(frame.seconds, hand.track, hand.hand, hand.joints[8])
    """
    check_sides(hand, side)
    opened = open_film(Path(film), FilmSelection(start, end, every, fps))
    camera = CameraOptions(intrinsics=None if intrinsics is None else intrinsics_matrix(intrinsics))
    settings = PipelineSettings(
        side=side,
        all_hands=all_hands,
        appearance=texture and not live,
        checkpoint=checkpoint,
        device=device,
    )
    pipeline = HandPipeline(model, settings)
    run = FilmReconstruction(pipeline, opened, FilmOptions(camera=camera, hand=hand))
    return _live(run) if live else _whole(run)


def _whole(run: FilmReconstruction) -> Iterator[TrackedFrame]:
    hands = run()
    choice = CameraChoice(hands.intrinsics, "default", hands.camera)
    if run.interrupted:
        raise KeyboardInterrupt
    for frame, some in frames_with_hands(run.film, hands):
        own = [_hand(one, row, frame.image, choice) for one, row in some]
        yield TrackedFrame(frame.number, frame.seconds, frame.image, own)


def _live(run: FilmReconstruction) -> Iterator[TrackedFrame]:
    for frame, camera, hands in live_frames(run.film, run.pipeline, run.camera_choice()):
        rows = LiveRows()
        rows.add(frame, [one for one in hands if run.wants(one)])
        own = [_hand(one, 0, frame.image, camera) for one in run.hand_tracks(rows, camera)]
        yield TrackedFrame(frame.number, frame.seconds, frame.image, own)


def _hand(one: HandTrack, row: int, image: np.ndarray, camera: CameraChoice) -> TrackedHand:
    result = one.result(row)
    found = TrackedHand.of(result, image, camera)
    assert isinstance(found, TrackedHand)
    found.track, found.filled = one.number, bool(one.filled[row])
    return found
