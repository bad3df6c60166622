"""Writing films: H.264 where the codec is there, else MPEG-4, each frame at its own time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from handsss.errors import UserError
from handsss.io.atomic import atomic_path
from handsss.io.pyav import pyav

_CLOCK = 90_000  # ticks a second
_CODECS = (("libx264", {"crf": "20", "preset": "veryfast"}), ("mpeg4", {"qscale": "3"}))


class FilmWriter:
    """Takes the frames of a film; see :func:`film_writer`."""

    def __init__(self, container: Any, stream: Any, size: tuple[int, int]) -> None:
        self._container, self._stream, self._size = container, stream, size
        self._begin: float | None = None
        self._last = -1
        self.codec = str(stream.codec_context.name)

    def write(self, image: np.ndarray, seconds: float) -> None:
        """Add a frame.

        Args:
            image: [H, W, 3] uint8 RGB, of the film's size.
            seconds: its time, later than that of the frame before; the first is the film's start.
        """
        import av

        self._begin = seconds if self._begin is None else self._begin
        self._last = max(round((seconds - self._begin) * _CLOCK), self._last + 1)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image[: self._size[1], : self._size[0]]), "rgb24")
        frame.pts, frame.time_base = self._last, Fraction(1, _CLOCK)
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the codec still holds."""
        self._container.mux(self._stream.encode())


@contextmanager
def film_writer(path: Path, size: tuple[int, int], rate: float) -> Iterator[FilmWriter]:
    """A new .mp4, complete or absent: an error or an interruption leaves what stood there.

    Args:
        path: NAME.mp4.
        size: width, height of the frames, px; an odd row or column at the end is left out, as the codecs want.
        rate: frames a second in the mean.

    Raises:
        MissingDependencyError: PyAV is not installed.
        UserError: the file cannot be written, or frames of less than 2 px.
    """
    av = pyav(f"writing the film {path}")
    even = size[0] - size[0] % 2, size[1] - size[1] % 2
    if min(even) < 2:
        raise UserError(f"{path}: expected frames of at least 2 x 2 pixels, got {size[0]} x {size[1]}.")
    with atomic_path(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        name, options = next(pair for pair in _CODECS if pair[0] in av.codecs_available)
        stream: Any = container.add_stream(name, rate=Fraction(rate).limit_denominator(1001), options=options)
        stream.width, stream.height = even
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, _CLOCK)
        stream.codec_context.thread_count = 1
        writer = FilmWriter(container, stream, even)
        yield writer
        writer.finish()
