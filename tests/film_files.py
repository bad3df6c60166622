"""Small films, written by the tests themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import handsss
from handsss.io.film_writer import film_writer

SIZE = (192, 144)
FRAMES = 10
RATE = 25.0
SAMPLES = Path(handsss.__file__).parent / "samples"


def plain_frames(count: int = FRAMES, size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    """Frames [H, W, 3] whose upper left quarter is lighter from frame to frame."""
    frames = []
    for number in range(count):
        frame = np.full((size[1], size[0], 3), 40, dtype=np.uint8)
        frame[: size[1] // 2, : size[0] // 2] = 60 + 15 * number
        frames.append(frame)
    return frames


def moving_photo(name: str, steps: Iterable[tuple[float, float]], size: tuple[int, int], hand: int) -> list[np.ndarray]:
    """A bundled photo's hand that moves over a grey picture, each step by its place (shares of the room)."""
    photo = Image.open(SAMPLES / name).convert("RGB")
    factor = hand / max(photo.size)
    small = np.asarray(photo.resize((round(photo.width * factor), round(photo.height * factor))))
    grey = np.full((size[1], size[0], 3), 128, dtype=np.uint8)
    frames = []
    for x, y in steps:
        frame = grey.copy()
        left, top = round(x * (size[0] - small.shape[1])), round(y * (size[1] - small.shape[0]))
        frame[top : top + small.shape[0], left : left + small.shape[1]] = small
        frames.append(frame)
    return frames


def write_film(path: Path, frames: Iterable[np.ndarray], seconds: Iterable[float] | None = None) -> Path:
    """A film of frames, at an even rate unless times are given."""
    frames = list(frames)
    times = list(seconds) if seconds is not None else [number / RATE for number in range(len(frames))]
    with film_writer(path, (frames[0].shape[1], frames[0].shape[0]), RATE) as writer:
        for frame, time in zip(frames, times, strict=True):
            writer.write(frame, time)
    return path


MakeFilm = Callable[..., Path]


@pytest.fixture(scope="session")
def hand_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames of a hand that moves to the right."""
    pytest.importorskip("av")
    steps = [(0.2 + 0.05 * number, 0.5) for number in range(12)]
    return write_film(tmp_path_factory.mktemp("film") / "hand.mp4", moving_photo("palm.jpg", steps, (320, 240), 220))
