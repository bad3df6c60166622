"""Films as rows of frames: any container that PyAV reads, animated GIF, and numbered pictures. One frame is held at a
time, so memory does not grow with the film."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handsss.errors import InputError, UserError
from handsss.io.folders import natural_key
from handsss.io.image import IMAGE_SUFFIXES, MAXIMUM_PIXELS, read_image
from handsss.io.pyav import pyav

FILM_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".wmv", ".flv", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
    *(".3gp", ".ogv", ".mjpeg", ".mjpg"),
)
DEFAULT_RATE = 30.0  # frames a second of numbered pictures
_SHORT = 0.95  # share of the frames that a header promises; with fewer the film is cut off


class Frame(NamedTuple):
    """One picture of a film."""

    number: int  # among the frames that are read, from 0
    seconds: float  # in the film
    image: np.ndarray  # [H, W, 3] uint8 RGB, upright


@dataclass(frozen=True)
class FilmSelection:
    """Which frames are read."""

    start: float = 0.0  # seconds
    end: float | None = None  # seconds; None: to the film's end
    every: int = 1  # each so manieth frame
    rate: float | None = None  # frames a second of numbered pictures

    def __post_init__(self) -> None:
        """Raises UserError for numbers that select nothing."""
        if not 0 <= self.start < float("inf"):
            raise UserError(f"{{film_start}} {self.start:g}: expected seconds, 0 or more.", options=("film_start",))
        if self.end is not None and not self.start < self.end < float("inf"):
            raise UserError(
                f"{{end}} {self.end:g}: expected seconds above {{film_start}} ({self.start:g}).",
                options=("end", "film_start"),
            )
        if self.every < 1:
            raise UserError(f"{{every}} {self.every}: expected 1 or more.", options=("every",))
        if self.rate is not None and not 0 < self.rate <= 1000:
            raise UserError(f"{{fps}} {self.rate:g}: expected frames a second, up to 1000.", options=("fps",))


class _Shown(NamedTuple):
    """A frame that is decoded and not yet converted."""

    seconds: float
    array: Callable[[], np.ndarray]


@dataclass
class Film:
    """A film that was opened once, to know what it is; every iteration opens it again.

    Attributes:
        path: of the file; of the folder or pattern of pictures.
        size: width, height of the upright frames, px.
        rate: frames a second in the mean, after ``every``.
        expected: frames that the header promises, of those selected; 0: it does not say.
        warnings: what the last whole iteration met, as sentences.
    """

    path: Path
    selection: FilmSelection
    size: tuple[int, int]
    rate: float
    expected: int
    codec: str
    pictures: tuple[Path, ...] = ()
    duration: float = 0.0  # seconds by the header; 0: it does not say
    warnings: list[str] = field(default_factory=list)

    def frames(self, wanted: Callable[[int], bool] | None = None) -> Iterator[Frame]:
        """The selected frames in order.

        Args:
            wanted: numbers of the frames to hand out; the others are decoded, since later ones need them, and cost
                little more. None: all.

        Raises:
            InputError: no frame can be decoded.
        """
        self.warnings.clear()
        selection, number, before, shape = self.selection, -1, -np.inf, None
        source = _pictures(self) if self.pictures else _decoded(self)
        for count, shown in enumerate(_from(source, selection.start)):
            if selection.end is not None and shown.seconds >= selection.end:
                break
            if count % selection.every or shown.seconds <= before:
                continue
            number, before = number + 1, shown.seconds
            if wanted is None or wanted(number):
                array = shown.array()
                shape = shape or array.shape
                if array.shape != shape:
                    array = _fitted(array, shape)
                yield Frame(number, shown.seconds, array)
        if number < 0:
            span = f" from {selection.start:g} s on" if selection.start else ""
            raise InputError(f"{self.path}: no frame of this film can be decoded{span}. Copy or download it again.")


def is_film(path: Path) -> bool:
    """Whether a file's name is that of a film. Animated GIFs and folders of pictures are films only where the user says
    so."""
    return path.suffix.lower() in FILM_SUFFIXES


def open_film(source: str | Path, selection: FilmSelection | None = None) -> Film:
    """A film, by its header.

    Args:
        source: a file; a folder of pictures, or a pattern of them such as ``frames/*.png`` or ``frame_%04d.png``.
        selection: which frames are read.

    Raises:
        InputError: missing, no film, without a picture, or too large.
        MissingDependencyError: PyAV is not installed, and the source is no folder of pictures.
    """
    selection = selection or FilmSelection()
    path = Path(source)
    pictures = _numbered(path)
    if pictures:
        height, width = read_image(pictures[0]).array.shape[:2]
        rate = (selection.rate or DEFAULT_RATE) / selection.every
        duration = len(pictures) / (selection.rate or DEFAULT_RATE)
        expected = _expected(len(pictures), duration, selection)
        return Film(path, selection, (width, height), rate, expected, "pictures", tuple(pictures), duration)
    if selection.rate is not None:
        raise UserError(
            f"{{fps}} is for numbered pictures; {path} has times of its own. Leave it out.", options=("fps",)
        )
    with _opened(path) as container:
        stream = _stream(container, path)
        first = next(iter(_frames_of(container, stream, [])), None)
        if first is None:
            raise InputError(f"{path}: no frame of this film can be decoded. Copy or download it again.")
        height, width = _upright(first, _aspect(stream))().shape[:2]
        rate = float(stream.average_rate or stream.base_rate or stream.guessed_rate or DEFAULT_RATE)
        duration = float((stream.duration or 0) * (stream.time_base or 0)) or float(container.duration or 0) / 1e6
        frames = int(stream.frames) or round(duration * rate)
        codec = str(stream.codec_context.name)
    expected = _expected(frames, duration, selection)
    return Film(path, selection, (width, height), rate / selection.every, expected, codec, (), duration)


def _expected(frames: int, duration: float, selection: FilmSelection) -> int:
    if not frames:
        return 0
    if duration <= 0:
        return -(-frames // selection.every) if selection.end is None and not selection.start else 0
    end = duration if selection.end is None else min(selection.end, duration)
    share = max(end - selection.start, 0.0) / duration
    return max(round(frames * share / selection.every), 1)


def _from(source: Iterator[_Shown], start: float) -> Iterator[_Shown]:
    return (shown for shown in source if shown.seconds >= start - 1e-6)


def _numbered(path: Path) -> list[Path]:
    """The pictures of a folder or pattern, in their natural order; none for a file."""
    if path.is_dir():
        folder, matches = path, re.compile(".*")
    elif "%" in path.name:
        folder, pattern = path.parent, re.escape(path.name)
        matches = re.compile(re.sub(r"%0?\d*d", r"\\d+", pattern.replace(r"\%", "%")))
    elif any(sign in path.name for sign in "*?") and not path.exists():
        from fnmatch import translate

        folder, matches = path.parent, re.compile(translate(path.name))
    else:
        return []
    try:
        content = [entry for entry in folder.iterdir() if entry.suffix.lower() in IMAGE_SUFFIXES]
    except OSError as error:
        raise InputError(f"{folder}: the folder cannot be read ({error.strerror or error}).") from error
    found = [entry for entry in content if matches.fullmatch(entry.name) and not entry.name.startswith(".")]
    if not found:
        raise InputError(f"{path}: no pictures. Expected numbered ones, such as frame_0001.png.")
    return sorted(found, key=lambda entry: natural_key(entry.name))


def _pictures(film: Film) -> Iterator[_Shown]:
    rate, broken = film.selection.rate or DEFAULT_RATE, []
    for count, path in enumerate(film.pictures):

        def read(path: Path = path) -> np.ndarray:
            try:
                return read_image(path).array
            except InputError as error:
                broken.append(f"{error}")
                return np.zeros((film.size[1], film.size[0], 3), dtype=np.uint8)

        yield _Shown(count / rate, read)
    if broken:
        film.warnings.append(f"{len(broken)} of {len(film.pictures)} pictures cannot be read: {broken[0]}")


def _fitted(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A frame of another size than the first, which some containers allow, at the first one's."""
    from PIL import Image

    return np.asarray(Image.fromarray(array).resize((shape[1], shape[0]), Image.Resampling.BILINEAR))


def _opened(path: Path) -> Any:
    av = pyav(f"reading the film {path}")
    if not path.exists():
        raise InputError(f"{path}: no such file. Expected a film, such as .mp4, .mov, .mkv, .webm, .avi or .gif.")
    try:
        return av.open(str(path))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise InputError(
            f"{path}: not a film that can be read ({_reason(error)}). Expected .mp4, .mov, .mkv, .webm, .avi or .gif; "
            "a file whose copying broke off may lack its index: copy or download it again."
        ) from error


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _stream(container: Any, path: Path) -> Any:
    streams = [stream for stream in container.streams.video if "attached_pic" not in str(stream.disposition).lower()]
    if not streams:
        raise InputError(f"{path}: holds no moving picture (sound only?). Expected a film.")
    stream = streams[0]
    pixels = stream.codec_context.width * stream.codec_context.height
    if pixels > MAXIMUM_PIXELS:
        raise InputError(f"{path}: its frames have {pixels / 1e6:.0f} million pixels. Make it smaller.")
    stream.thread_type = "SLICE"  # frame threads hold a frame each
    return stream


def _aspect(stream: Any) -> float:
    return float(stream.sample_aspect_ratio or 1)


def _frames_of(container: Any, stream: Any, broken: list[float]) -> Iterator[Any]:
    """Frames that decode; ``broken`` gets the time of the last good one before each that does not."""
    import av

    last, packets = 0.0, container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.error.FFmpegError, OSError):
            broken.append(last)
            return
        try:
            decoded = packet.decode()
        except (av.error.FFmpegError, ValueError):
            broken.append(last)
            continue
        for frame in decoded:
            last = float(frame.time or last)
            yield frame


def _decoded(film: Film) -> Iterator[_Shown]:
    broken: list[float] = []
    last, count, first = 0.0, 0, None
    with _opened(film.path) as container:
        stream = _stream(container, film.path)
        usual, aspect = 1 / float(stream.average_rate or DEFAULT_RATE), _aspect(stream)
        for frame in _frames_of(container, stream, broken):
            own = frame.time
            first = own if first is None else first  # films count from their first frame
            last = count * usual if own is None or first is None else float(own - first)
            count += 1
            yield _Shown(last, _upright(frame, aspect))
    if broken:
        film.warnings.append(
            f"{film.path}: damaged or cut off after {broken[-1]:.2f} s; the {count} frames that decode are used"
        )
    elif film.duration > 0 and last + 2 * usual < _SHORT * film.duration:
        film.warnings.append(
            f"{film.path}: breaks off at {last:.2f} s of {film.duration:.2f} s; the {count} frames that are there are "
            "used"
        )


def _upright(frame: Any, aspect: float) -> Callable[[], np.ndarray]:
    """Reads a frame's pixels, turned as its display matrix says, made square where they are ``aspect`` times wider than
    high."""

    def read() -> np.ndarray:
        width, height = frame.width, frame.height
        if aspect > 0 and abs(aspect - 1) > 0.01:
            width = max(2, round(width * aspect))
        pixels = frame.to_ndarray(format="rgb24", width=width, height=height)
        turns = round(float(frame.rotation) / 90) % 4  # degrees counter-clockwise by which it is to be turned
        return np.ascontiguousarray(np.rot90(pixels, turns) if turns else pixels)

    return read
