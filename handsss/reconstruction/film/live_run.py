"""Live hands over a whole film, as the tracks that result files are written from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handsss.detect.detector import detection_of
from handsss.detect.tracking import HandTracker
from handsss.fitting.problem import HandParameters
from handsss.io.camera import CameraChoice
from handsss.io.film import Film, Frame
from handsss.reconstruction.film.live import LiveFitter, LiveHand
from handsss.reconstruction.film.tracks import Track, values_of
from handsss.reconstruction.likely_camera import likely_intrinsics
from handsss.reconstruction.pipeline import HandPipeline

_LOOKED_AT = 60  # frames that a hand is looked for in to choose a camera nobody gave


def live_frames(
    film: Film, pipeline: HandPipeline, camera: CameraChoice, threads: int = 1
) -> Iterator[tuple[Frame, CameraChoice, list[LiveHand]]]:
    """The film's frames with their hands, one after another.

    Args:
        film: that is read once, but for its first frames where nobody gave the camera: the first hand decides it.
        pipeline: with the settings.
        camera: of all frames.
        threads: per detection network.
    """
    if camera.source == "default":
        camera = _by_first_hand(film, pipeline, camera)
    fitter = LiveFitter(pipeline, camera.intrinsics, threads)
    for frame in film.frames():
        yield frame, camera, fitter(frame.image, frame.seconds)


def _by_first_hand(film: Film, pipeline: HandPipeline, camera: CameraChoice) -> CameraChoice:
    tracker = HandTracker(None if pipeline.settings.all_hands else 1)
    for frame in film.frames():
        found = [detection_of(one.hand) for one in tracker(frame.image, frame.seconds)]
        if found:
            return camera.by_hands(likely_intrinsics(camera.intrinsics, found, pipeline.model), film.size)
        if frame.number >= _LOOKED_AT:
            break
    return camera


class LiveRows:
    """Gathers live hands by track and side; see :func:`handsss.reconstruction.film.result.track_arrays`."""

    def __init__(self) -> None:
        self._rows: dict[tuple[int, bool], list[tuple[int, float, LiveHand]]] = {}

    def add(self, frame: Frame, hands: list[LiveHand]) -> None:
        """A frame's hands."""
        for hand in hands:
            self._rows.setdefault((hand.track, hand.left), []).append((frame.number, frame.seconds, hand))

    def tracks(self) -> list[tuple[Track, str, HandParameters, str]]:
        """Each track with its side, hands [N] and keypoint definition; of a track whose side turned over, the side that
        it had for longer."""
        best: dict[int, tuple[int, bool]] = {}
        for key, rows in self._rows.items():
            other = best.get(key[0])
            if other is None or len(self._rows[other]) < len(rows):
                best[key[0]] = key
        return [self._track(number, left) for number, left in best.values()]

    def _track(self, number: int, left: bool) -> tuple[Track, str, HandParameters, str]:
        rows = self._rows[number, left]
        hands = [hand for _, _, hand in rows]
        frames = np.array([frame for frame, _, _ in rows])
        values = np.stack([values_of(hand.hand) for hand in hands])
        track = Track(
            number,
            hands[-1].right,
            frames,
            np.array([seconds for _, seconds, _ in rows]),
            np.ones(len(rows), dtype=bool),
            np.cumsum(np.concatenate([[0], np.diff(frames) > 1])),
            values,
            np.array([hand.hand.presence for hand in hands]),
        )
        parameters = HandParameters.concat([hand.parameters for hand in hands])
        # Files hold one shape a track: that of the end, from which the first frames differ a little.
        parameters = parameters._replace(shape=parameters.shape[-1:].expand(len(rows), -1).clone())
        return track, "left" if left else "right", parameters, hands[0].keypoint_set
