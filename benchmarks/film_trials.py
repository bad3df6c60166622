"""Films made of real photos, on which tracking must not lose its head: cuts, empty frames, two hands that cross, a hand
that leaves and comes back, varying times, turned phone films, a truncated file. No truth: who is who is known."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from handsss.detect.tracking import HandTracker
from handsss.io.film import Film, open_film
from handsss.io.film_writer import film_writer
from handsss.reconstruction.film.tracks import SightingLog, Track, tracks_of

SIZE = (640, 480)
RATE = 25.0
HAND = 260  # px: longer side of a photo in the film
_PHOTOS = 4
_LEAST = 0.35  # of the photo that the hand fills: a smaller one is no hand, but a wrong reading


def trials(folder: Path) -> dict[str, Any]:
    """Share of passed films of each kind.

    Args:
        folder: of photos with one hand each; the first that show one are used.
    """
    photos = _with_hands(sorted([*folder.glob("*.jpg"), *folder.glob("*.png")]))
    result: dict[str, Any] = {"photos": [path.name for path in photos]}
    for name, trial in TRIALS.items():
        passed = []
        for path in photos:
            with tempfile.TemporaryDirectory() as place:
                passed.append(bool(trial(_small(path), Path(place))))
        result[name] = f"{sum(passed)} of {len(passed)}"
        print(name, result[name], flush=True)
    return result


def _with_hands(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths[:: max(1, len(paths) // (4 * _PHOTOS))]:
        frame = _pasted([(_small(path), 0.5, 0.5)])
        for _, hand in HandTracker(1)(frame, 0.0):
            size = float(np.ptp(hand.points, axis=0).max())
            if abs(hand.right - 0.5) > 0.2 and hand.presence > 0.8 and size > _LEAST * HAND:
                found.append(path)
        if len(found) == _PHOTOS:
            break
    return found


def _small(path: Path) -> np.ndarray:
    photo = Image.open(path).convert("RGB")
    factor = HAND / max(photo.size)
    return np.asarray(photo.resize((round(photo.width * factor), round(photo.height * factor))))


def _pasted(parts: Sequence[tuple[np.ndarray, float, float]]) -> np.ndarray:
    """Photos on a soft background, the last in front; places are shares of the room, beyond 0 and 1 outside."""
    y, x = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    frame = np.stack([90 + 0.1 * x, 100 + 0.1 * y, 120 + 0 * x], -1).astype(np.uint8)
    for photo, across, down in parts:
        height, width = photo.shape[:2]
        left, top = round(across * (SIZE[0] - width)), round(down * (SIZE[1] - height))
        x0, y0 = max(left, 0), max(top, 0)
        x1, y1 = min(left + width, SIZE[0]), min(top + height, SIZE[1])
        if x1 > x0 and y1 > y0:
            frame[y0:y1, x0:x1] = photo[y0 - top : y1 - top, x0 - left : x1 - left]
    return frame


def _tracked(
    frames: Sequence[np.ndarray], folder: Path, times: Sequence[float] | None = None, hands: int | None = 1
) -> tuple[list[Track], SightingLog, Film]:
    path = folder / "film.mp4"
    with film_writer(path, (frames[0].shape[1], frames[0].shape[0]), RATE) as writer:
        for number, frame in enumerate(frames):
            writer.write(frame, number / RATE if times is None else times[number])
    return _read(path, hands)


def _read(path: Path, hands: int | None = 1) -> tuple[list[Track], SightingLog, Film]:
    film, tracker, log = open_film(path), HandTracker(hands), SightingLog()
    for frame in film.frames():
        log.add(frame.seconds, tracker(frame.image, frame.seconds))
    log.cuts = tracker.cuts
    return tracks_of(log), log, film


def _away(photo: np.ndarray, empty: int) -> list[np.ndarray]:
    shown = [_pasted([(photo, 0.3 + 0.01 * k, 0.5)]) for k in range(24)]
    return [*shown[:12], *[_pasted([])] * empty, *shown[12:]]


def short_gap(photo: np.ndarray, folder: Path) -> bool:
    """Five empty frames are filled."""
    tracks, _, _ = _tracked(_away(photo, 5), folder)
    return len(tracks) == 1 and len(tracks[0].frames) == 29 and int((~tracks[0].seen).sum()) in range(4, 8)


def comes_back(photo: np.ndarray, folder: Path) -> bool:
    """A hand that is away for over a second is the same one when it comes back, and the gap stays open."""
    tracks, _, _ = _tracked(_away(photo, 30), folder)
    return len(tracks) == 1 and tracks[0].segment.max() == 1 and not np.isin(range(14, 40), tracks[0].frames).any()


def leaves_slowly(photo: np.ndarray, folder: Path) -> bool:
    """A hand that moves out of the picture and in again."""
    places = [*np.linspace(0.4, 1.9, 16), *[1.9] * 8, *np.linspace(1.9, 0.4, 16)]
    tracks, _, _ = _tracked([_pasted([(photo, place, 0.5)]) for place in places], folder)
    return len(tracks) == 1 and tracks[0].frames[0] == 0 and tracks[0].frames[-1] == len(places) - 1


def cut(photo: np.ndarray, folder: Path) -> bool:
    """Another scene with another hand begins a new track."""
    large = np.asarray(Image.fromarray(photo).resize((SIZE[0], SIZE[1])))
    second = np.clip(255 - large[:, ::-1].astype(int) // 3, 0, 255).astype(np.uint8)
    first = [_pasted([(photo, 0.3, 0.5)])] * 12
    second[:] = second // 2 + 60
    y = (SIZE[1] - photo.shape[0]) // 2
    second[y : y + photo.shape[0], 40 : 40 + photo.shape[1]] = photo[:, ::-1]
    tracks, log, _ = _tracked([*first, *[second] * 12], folder)
    cuts = [round(seconds * RATE) for seconds in log.cuts]
    return cuts == [12] and all(track.frames.max() < 12 or track.frames.min() >= 12 for track in tracks)


def crossing(photo: np.ndarray, folder: Path) -> bool:
    """A hand and its mirror image cross: each track ends where its hand does, with its side."""
    count = 40
    frames = []
    for k in range(count):
        share = k / (count - 1)
        frames.append(_pasted([(photo, share, 0.35), (photo[:, ::-1], 1 - share, 0.65)]))
    tracks, _, _ = _tracked(frames, folder, hands=None)
    tracks = [track for track in tracks if len(track.frames) > 8]
    if not tracks:
        return False
    for track in tracks:
        middles = track.values[track.seen][:, :, 0].mean(1)
        runs = np.diff(middles[[0, -1]])[0]
        early = np.diff(middles[: max(4, len(middles) // 4)]).mean()
        if len(track.frames) > count // 2 and np.sign(runs) != np.sign(early):
            return False  # it turned round: it went over to the other hand
    sides = {track.number: track.side for track in tracks if len(track.frames) > count // 2}
    whole = [track for track in tracks if track.frames[0] < 6 and track.frames[-1] > count - 6]
    return len(whole) == 2 and len(set(sides.values())) == 2


def varying_times(photo: np.ndarray, folder: Path) -> bool:
    """Frames at uneven times keep them, and the hand is one track."""
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.choice([0.02, 0.04, 0.12], 24))
    times -= times[0]
    tracks, log, _ = _tracked([_pasted([(photo, 0.02 * k, 0.5)]) for k in range(24)], folder, times.tolist())
    return len(tracks) == 1 and len(tracks[0].frames) == 24 and np.allclose(log.seconds, times, atol=2e-3)


def turned(photo: np.ndarray, folder: Path) -> bool:
    """A phone's film, stored lying, is read upright: its hand is where it is in the upright one."""
    import av

    frames = [_pasted([(photo, 0.02 * k, 0.5)]) for k in range(10)]
    path = folder / "turned.mp4"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = SIZE[1], SIZE[0], "yuv420p", 4_000_000
        stream.set_display_rotation(90)
        for frame in frames:
            lying = np.ascontiguousarray(np.rot90(frame, -1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(lying, "rgb24")))
        container.mux(stream.encode())
    upright, _, _ = _tracked(frames, folder)
    found, _, film = _read(path)
    if film.size != SIZE or [len(track.frames) for track in (*found, *upright)] != [10, 10]:
        return False
    apart = found[0].values[:, :, :2] - upright[0].values[:, :, :2]
    return float(np.linalg.norm(apart, axis=-1).mean()) < 6


def truncated(photo: np.ndarray, folder: Path) -> bool:
    """Half a file: the frames that decode are used, and a warning says so."""
    import av

    path, rng = folder / "whole.mkv", np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = *SIZE, "yuv420p", 4_000_000
        for k in range(30):
            noisy = _pasted([(photo, 0.02 * k, 0.5)]).astype(int) + rng.integers(-8, 9, (SIZE[1], SIZE[0], 1))
            frame = np.clip(noisy, 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode())
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    tracks, log, film = _read(path)
    return len(tracks) == 1 and 8 < len(log.seconds) < 28 and len(film.warnings) == 1


TRIALS = {
    "a gap of 0.2 s is filled": short_gap,
    "away for 1.2 s, the same hand comes back": comes_back,
    "out of the picture and in again": leaves_slowly,
    "a cut begins another track": cut,
    "two hands cross and keep their sides": crossing,
    "varying times are kept": varying_times,
    "a turned phone film": turned,
    "a truncated file": truncated,
}
