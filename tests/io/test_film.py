"""Films are read frame by frame, with their own times, upright, and as far as they can be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handsss.errors import InputError, UserError
from handsss.io.film import FilmSelection, is_film, open_film
from tests.film_files import FRAMES, RATE, SIZE, plain_frames, write_film

av = pytest.importorskip("av")


def brightness(image: np.ndarray) -> float:
    """Of the upper left quarter's middle."""
    return float(image[image.shape[0] // 4, image.shape[1] // 4].mean())


def test_frames_come_in_order_with_their_times(tmp_path: Path) -> None:
    film = open_film(write_film(tmp_path / "a.mp4", plain_frames()))
    frames = list(film.frames())
    assert film.size == SIZE and film.rate == pytest.approx(RATE) and film.expected == FRAMES
    assert [frame.number for frame in frames] == list(range(FRAMES))
    assert [frame.seconds for frame in frames] == pytest.approx([number / RATE for number in range(FRAMES)], abs=1e-3)
    assert [brightness(frame.image) for frame in frames] == pytest.approx([60 + 15 * n for n in range(FRAMES)], abs=6)
    assert film.warnings == []
    assert [frame.number for frame in film.frames(lambda number: number in (2, 5))] == [2, 5]


def test_a_part_of_a_film(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", plain_frames())
    film = open_film(path, FilmSelection(start=2 / RATE, end=8 / RATE, every=2))
    frames = list(film.frames())
    assert [round(frame.seconds * RATE) for frame in frames] == [2, 4, 6]
    assert film.expected == 3 and film.rate == pytest.approx(RATE / 2)
    assert [frame.number for frame in frames] == [0, 1, 2]


def test_varying_times_are_kept(tmp_path: Path) -> None:
    times = [0.0, 0.02, 0.1, 0.11, 0.4, 0.5, 0.52, 0.6, 0.61, 1.0]
    film = open_film(write_film(tmp_path / "a.mp4", plain_frames(), times))
    assert [frame.seconds for frame in film.frames()] == pytest.approx(times, abs=1e-3)


@pytest.mark.skipif(not hasattr(av.video.stream.VideoStream, "set_display_rotation"), reason="an older PyAV")
@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_phone_films_are_turned_upright(tmp_path: Path, degrees: int) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.set_display_rotation(degrees)
        for frame in plain_frames(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode())
    film = open_film(path)
    first = next(film.frames()).image
    turned = np.rot90(plain_frames(1)[0], degrees // 90 % 4)
    assert first.shape == turned.shape and film.size == (turned.shape[1], turned.shape[0])
    assert np.abs(first.astype(float) - turned).mean() < 6


def test_an_animated_gif(tmp_path: Path) -> None:
    pictures = [Image.fromarray(frame) for frame in plain_frames(5)]
    path = tmp_path / "a.gif"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=[40, 40, 120, 40, 40])
    film = open_film(path)
    assert [frame.seconds for frame in film.frames()] == pytest.approx([0, 0.04, 0.08, 0.2, 0.24], abs=1e-3)
    assert not is_film(path)  # a picture, unless the user says otherwise


@pytest.mark.parametrize("source", ["", "frame_%04d.png", "frame_*.png"])
def test_numbered_pictures(tmp_path: Path, source: str) -> None:
    for number, frame in enumerate(plain_frames(4), 8):
        Image.fromarray(frame).save(tmp_path / f"frame_{number:04d}.png")
    film = open_film(tmp_path / source, FilmSelection(rate=10))
    frames = list(film.frames())
    assert film.expected == 4 and film.rate == 10
    assert [frame.seconds for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert [brightness(frame.image) for frame in frames] == [60, 75, 90, 105]


def test_of_a_film_that_breaks_off_the_frames_that_are_there(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 255, (SIZE[1], SIZE[0], 3), dtype=np.uint8) for _ in range(30)]
    path = tmp_path / "whole.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode())
    content = path.read_bytes()
    part = tmp_path / "part.mkv"
    part.write_bytes(content[: len(content) // 2])
    film = open_film(part)
    count = len(list(film.frames()))
    assert 5 < count < 25
    assert any("breaks off" in warning or "cut off" in warning for warning in film.warnings)


def test_what_is_no_film(tmp_path: Path) -> None:
    text = tmp_path / "a.mp4"
    text.write_text("not a film")
    with pytest.raises(InputError, match="not a film that can be read"):
        open_film(text)
    with pytest.raises(InputError, match="no such file"):
        open_film(tmp_path / "b.mp4")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no pictures"):
        open_film(tmp_path / "empty")
    whole = write_film(tmp_path / "c.mp4", plain_frames(3))
    with pytest.raises(InputError, match="no frame of this film can be decoded from 9 s on"):
        list(open_film(whole, FilmSelection(start=9)).frames())
    with pytest.raises(UserError, match="for numbered pictures"):
        open_film(whole, FilmSelection(rate=10))


@pytest.mark.parametrize(
    "wrong", [{"start": -1}, {"start": 3, "end": 2}, {"every": 0}, {"rate": 0}, {"start": float("nan")}]
)
def test_selections_of_nothing(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match="expected"):
        FilmSelection(**wrong)  # type: ignore[arg-type]


def test_an_interrupted_film_leaves_what_stood_there(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"before")
    frames = iter([*plain_frames(2), None])
    with pytest.raises(TypeError):
        write_film(path, frames)  # type: ignore[arg-type]
    assert path.read_bytes() == b"before" and list(tmp_path.iterdir()) == [path]
