"""The second reading of a film: key frames, whose hands are fitted as those of photos are, with their pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from handsss.detect.types import Detection
from handsss.fitting.fitted_hand import FittedHand
from handsss.fitting.hand_input import hand_inputs
from handsss.hand.result import SharedShape
from handsss.io.film import Film, Frame
from handsss.reconstruction.film.clock import StageClock
from handsss.reconstruction.film.skin import SkinOfTrack
from handsss.reconstruction.film.tracks import Track
from handsss.reconstruction.shared_shape import without_pixels
from handsss.reconstruction.side import CERTAIN, fits_better

if TYPE_CHECKING:
    from handsss.reconstruction.pipeline import HandPipeline

_BATCH = 8  # hands that are fitted at once


class _Key(NamedTuple):
    """A row that is fitted as photos are."""

    track: int  # place in the list
    row: int


class KeyFrames:
    """Fits the key frames of all tracks.

    Args:
        pipeline: with the settings.
        film: that is read.
        intrinsics: [3, 3] px.
        tracks: that were seen.
        keys: rows of each.
        skins: of each; they get the textures.
        clock: counts reading, fitting and texture.

    Attributes:
        fitted: hands at the keys of each track, without pixels.
        others: the same as hands of the other side, of tracks whose side is doubtful.
    """

    def __init__(
        self,
        pipeline: HandPipeline,
        film: Film,
        intrinsics: np.ndarray,
        tracks: Sequence[Track],
        keys: Sequence[Sequence[int]],
        skins: Sequence[SkinOfTrack],
        clock: StageClock,
    ) -> None:
        self._pipeline, self._film, self._intrinsics = pipeline, film, intrinsics
        self._tracks, self._skins, self._clock = tracks, skins, clock
        self.frames: dict[int, list[_Key]] = {}
        for place, (track, rows) in enumerate(zip(tracks, keys, strict=True)):
            for row in rows:
                self.frames.setdefault(int(track.frames[row]), []).append(_Key(place, row))
        self.fitted: list[list[FittedHand]] = [[] for _ in tracks]
        self.others: list[list[FittedHand]] = [[] for _ in tracks]

    def fit(self, on_frame: Callable[[int], None]) -> None:
        """Read the key frames and fit them, some at a time.

        Args:
            on_frame: told how many are done.
        """
        last = max(self.frames, default=-1)
        waiting: list[Frame] = []
        with self._clock.stage("reading"):
            for done, frame in enumerate(self._film.frames(lambda number: number in self.frames), 1):
                waiting.append(frame)
                if sum(len(self.frames[one.number]) for one in waiting) >= _BATCH or frame.number == last:
                    with self._clock.stage("fitting"):
                        self._fit_some(waiting)
                    waiting.clear()
                    on_frame(done)
                if frame.number == last:
                    break

    def _fit_some(self, waiting: Sequence[Frame]) -> None:
        settings = self._pipeline.settings
        own = [(frame, key) for frame in waiting for key in self.frames[frame.number]]
        sides = [self._tracks[key.track].side_under(settings.side) for _, key in own]
        hands = self._fitted(own, sides)
        for (_, key), hand in zip(own, hands, strict=True):
            self.fitted[key.track].append(without_pixels(hand))
        if settings.appearance:
            with self._clock.stage("texture"):
                self._textures([key for _, key in own], hands)
        doubtful = [
            k for k, (_, key) in enumerate(own) if settings.side == "auto" and not _sure(self._tracks[key.track])
        ]
        some = [own[k] for k in doubtful]
        others = self._fitted(some, ["left" if sides[k] == "right" else "right" for k in doubtful])
        for (_, key), hand in zip(some, others, strict=True):
            self.others[key.track].append(without_pixels(hand))

    def _fitted(self, some: Sequence[tuple[Frame, _Key]], sides: Sequence[str]) -> list[FittedHand]:
        inputs = []
        for (frame, key), side in zip(some, sides, strict=True):
            detection = _certain(self._tracks[key.track], key.row, side, depth=self._pipeline.settings.depth)
            inputs += hand_inputs(frame.image, self._intrinsics, [detection])
        return self._pipeline.fit(inputs) if inputs else []

    def _textures(self, keys: Sequence[_Key], hands: Sequence[FittedHand]) -> None:
        chosen = [k for k, key in enumerate(keys) if key.row in self._skins[key.track].rows]
        if not chosen:
            return
        fixed = [hands[k]._replace(shared=SharedShape(1, 1, 1.0)) for k in chosen]
        for k, result in zip(chosen, self._pipeline.finish(fixed), strict=True):
            self._skins[keys[k].track].results.append(result)


def _sure(track: Track) -> bool:
    return max(track.right, 1 - track.right) >= CERTAIN


def other_fits_better(own: Sequence[FittedHand], other: Sequence[FittedHand], track: Track, side: str) -> bool:
    """Whether a track of a doubtful side is of the other one, by all its key frames.

    Args:
        own, other: fitted as that side, and as the other one.
        track: what was seen.
        side: of ``own``.
    """
    probability = track.right if side == "right" else 1 - track.right
    costs = [float(np.median([hand.fit.cost for hand in hands])) for hands in (own, other)]
    return fits_better(costs[0], costs[1], probability)


def _certain(track: Track, row: int, side: str, *, depth: bool) -> Detection:
    """A row's detection as a hand of this side, about which the fit of single frames is not to decide."""
    detection = track.detection(row, side)
    return replace(detection, side_from="option", world=detection.world if depth else None)
