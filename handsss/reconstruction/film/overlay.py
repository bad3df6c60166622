"""The overlay film: the hands drawn over every frame, as over photos."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from handsss.io.film import Film
from handsss.io.film_writer import film_writer
from handsss.reconstruction.film.clock import StageClock
from handsss.reconstruction.film.reconstruct import frames_with_hands
from handsss.reconstruction.film.result import FilmHands, HandTrack
from handsss.visualize.overlay import overlay
from handsss.visualize.skeleton import font

_OPACITY, _FILLED = 0.82, 0.35  # of hands that are seen, and of those that are filled


def write_overlay(
    film: Film, hands: FilmHands, path: Path, clock: StageClock, on_frame: Callable[[int], None] = lambda done: None
) -> Path:
    """NAME_overlay.mp4 of a film's hands.

    Args:
        film: that is read again.
        hands: its hands.
        path: of the new film.
        clock: counts reading, drawing and writing.
        on_frame: told how many frames are done.
    """
    with (
        film_writer(path, film.size, film.rate) as writer,
        ThreadPoolExecutor(1) as pool,
        clock.stage("reading"),
    ):
        written: Future[None] | None = None
        for done, (frame, own) in enumerate(frames_with_hands(film, hands), 1):
            with clock.stage("drawing"):
                picture = drawn(frame.image, own)
            with clock.stage("writing"):  # a frame is coded while the next one is drawn
                if written is not None:
                    written.result()
                written = pool.submit(writer.write, picture, frame.seconds)
            on_frame(done)
        if written is not None:
            written.result()
    return path


def drawn(image: np.ndarray, hands: list[tuple[HandTrack, int]]) -> np.ndarray:
    """A frame [H, W, 3] uint8 with its hands (track and row): meshes, skeletons and names; filled ones are pale."""
    picture = image
    for filled in (True, False):
        some = [track.result(row) for track, row in hands if track.filled[row] == filled]
        if some:
            picture = overlay(picture, some, skeleton=True, opacity=_FILLED if filled else _OPACITY)
    if not hands:
        return picture
    shown = Image.fromarray(np.ascontiguousarray(picture))
    draw = ImageDraw.Draw(shown)
    size = max(10, round(image.shape[0] / 32))
    for track, row in hands:
        points = track.joints_2d[row]
        text = f"{track.hand} {track.number}" + (" (filled)" if track.filled[row] else "")
        x, y = float(points[:, 0].min()), float(points[:, 1].min()) - 1.6 * size
        place = (float(np.clip(x, 2, image.shape[1] - 8 * size)), float(np.clip(y, 2, image.shape[0] - 1.5 * size)))
        draw.text(place, text, fill=(255, 255, 255), font=font(size), stroke_width=2, stroke_fill=(20, 20, 24))
    return np.asarray(shown)
