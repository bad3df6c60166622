"""What was seen in a film: one row a frame and hand, some hundred numbers each. Kept between runs, to go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from handsss.detect.landmarks import Landmarks, region_of
from handsss.detect.tracking import Sighting, log_odds, mean_probability
from handsss.detect.types import KEYPOINT_SET, Detection
from handsss.errors import InputError
from handsss.io.atomic import write_files

FORMAT = 1
VOTE_LEAST = 0.02  # see :func:`handsss.detect.tracking.log_odds`, of one frame's vote for a side
_POOLED = 1  # frames before and after whose confidences are averaged: two crops alone give a noisy one


def values_of(hand: Landmarks) -> np.ndarray:
    """[21, 7] of a hand: x, y (px), confidence, 3D point (m), its spread."""
    return np.concatenate([hand.points, hand.confidence[:, None], hand.world, hand.world_spread[:, None]], 1)


@dataclass
class SightingLog:
    """Sightings in the order of frames."""

    seconds: list[float] = field(default_factory=list)  # of each frame
    rows: list[tuple[int, int]] = field(default_factory=list)  # frame, track
    values: list[np.ndarray] = field(default_factory=list)  # [21, 7] float32, see values_of
    presence: list[tuple[float, float]] = field(default_factory=list)  # presence, probability of a right hand
    cuts: list[float] = field(default_factory=list)
    tracks: int = 0

    def add(self, seconds: float, sightings: Sequence[Sighting]) -> None:
        """A frame."""
        frame = len(self.seconds)
        self.seconds.append(seconds)
        for number, hand in sightings:
            self.rows.append((frame, number))
            self.values.append(values_of(hand).astype(np.float32))
            self.presence.append((hand.presence, hand.right))

    def last(self) -> list[Sighting]:
        """The sightings of the last frame."""
        found = [row for row in range(len(self.rows)) if self.rows[row][0] == len(self.seconds) - 1]
        return [Sighting(self.rows[row][1], self._landmarks(row)) for row in found]

    def _landmarks(self, row: int) -> Landmarks:
        value = self.values[row].astype(np.float64)
        points = value[:, :2]
        presence, right = self.presence[row]
        return Landmarks(points, value[:, 2], presence, right, region_of(points), value[:, 3:6], value[:, 6])

    def sides(self) -> dict[int, float]:
        """Log odds of a right hand of each track, over all its frames."""
        odds: dict[int, float] = {}
        for (_, track), (presence, right) in zip(self.rows, self.presence, strict=True):
            odds[track] = odds.get(track, 0.0) + presence * log_odds(right, 0.05)
        return odds

    def save(self, path: Path, key: str) -> None:
        """Write it; ``key`` says of what film and options it is."""
        stream = BytesIO()
        np.savez_compressed(
            stream,
            format=np.array(FORMAT),
            key=np.array(key),
            seconds=np.array(self.seconds),
            rows=np.array(self.rows, dtype=np.int64).reshape(-1, 2),
            values=np.array(self.values, dtype=np.float32).reshape(-1, 21, 7),
            presence=np.array(self.presence, dtype=np.float64).reshape(-1, 2),
            cuts=np.array(self.cuts),
            tracks=np.array(self.tracks),
        )
        write_files({path: stream.getvalue()})

    @classmethod
    def load(cls, path: Path, key: str) -> SightingLog | None:
        """A log that was kept; None if it is of another film or of other options.

        Raises:
            InputError: damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                if int(file["format"]) != FORMAT or str(file["key"]) != key:
                    return None
                return cls(
                    file["seconds"].tolist(),
                    [(int(frame), int(track)) for frame, track in file["rows"]],
                    list(file["values"]),
                    [(float(a), float(b)) for a, b in file["presence"]],
                    file["cuts"].tolist(),
                    int(file["tracks"]),
                )
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise InputError(f"{path}: kept detections that cannot be read ({error}). Delete the file.") from error


@dataclass(frozen=True)
class Track:
    """One hand through a film: frames in which it was seen, and those of short gaps between."""

    number: int
    right: float  # probability of a right hand, by the vote of all frames
    frames: np.ndarray  # [N] increasing
    seconds: np.ndarray  # [N]
    seen: np.ndarray  # [N] bool; the others are to be filled
    segment: np.ndarray  # [N] number of the run without a long gap
    values: np.ndarray  # [N, 21, 7], see values_of; NaN where not seen
    presence: np.ndarray  # [N] 0 where not seen

    @property
    def side(self) -> str:
        """The likelier side."""
        return "right" if self.right >= 0.5 else "left"

    def side_under(self, imposed: str) -> str:
        """ "left" or "right" if the user imposes it, else ("auto") the likelier side."""
        return self.side if imposed == "auto" else imposed

    @property
    def score(self) -> np.ndarray:
        """[N] how well each frame shows it."""
        found: np.ndarray = self.presence * np.nan_to_num(self.values[:, :, 2]).mean(1)
        return found

    @property
    def weight(self) -> float:
        """How much of the film shows it how well: what orders tracks."""
        return float(self.score.sum())

    def detection(self, row: int, side: str) -> Detection:
        """A seen row as a detection of a side."""
        value = self.values[row].astype(np.float64)
        points = value[:, :2]
        right = self.right if side == "right" else 1 - self.right
        return Detection(
            hand=side,
            score=float(self.presence[row]),
            handedness=right,
            keypoints=value[:, :3],
            keypoint_set=KEYPOINT_SET,
            region=region_of(points).corners,
            world=value[:, 3:],
            side_from="detector",
        )


def tracks_of(log: SightingLog, *, longest_gap: float = 0.3, least: float = 0.25) -> list[Track]:
    """The tracks of a log, the best seen first.

    Args:
        log: of a film.
        longest_gap: seconds; longer gaps are left open.
        least: seconds of runs; shorter ones that stand alone are a detector's mistakes.
    """
    rows = np.array(log.rows, dtype=np.int64).reshape(-1, 2)
    times = np.array(log.seconds)
    found = []
    for number in np.unique(rows[:, 1]):
        own = np.flatnonzero(rows[:, 1] == number)
        own = _without_flickers(own, rows, times, longest_gap, least)
        if len(own):
            found.append(_track(int(number), own, rows, times, log, longest_gap))
    return sorted(found, key=lambda track: -track.weight)


def _runs(own: np.ndarray, rows: np.ndarray, times: np.ndarray, gap: float) -> list[np.ndarray]:
    """Rows without a long gap between them."""
    frames = rows[own, 0]
    later = np.diff(times[frames]) > gap
    # Where the film itself is slow, frames that follow each other belong together.
    later &= np.diff(frames) > 1
    return np.split(own, np.flatnonzero(later) + 1)


def _without_flickers(own: np.ndarray, rows: np.ndarray, times: np.ndarray, gap: float, least: float) -> np.ndarray:
    kept = []
    for run in _runs(own, rows, times, gap):
        frames = rows[run, 0]
        lasts = times[frames[-1]] - times[frames[0]] >= least
        whole = frames[0] == 0 and frames[-1] == len(times) - 1  # of films that are that short
        if (lasts and len(run) > 1) or whole:
            kept.append(run)
    return np.concatenate(kept) if kept else np.zeros(0, dtype=np.int64)


def _track(number: int, own: np.ndarray, rows: np.ndarray, times: np.ndarray, log: SightingLog, gap: float) -> Track:
    frames: list[int] = []
    seen: list[bool] = []
    segment: list[int] = []
    sources: list[int] = []
    for index, run in enumerate(_runs(own, rows, times, gap)):
        by_frame = {int(rows[row, 0]): int(row) for row in run}
        span = range(min(by_frame), max(by_frame) + 1)
        frames += span
        seen += [frame in by_frame for frame in span]
        segment += [index] * len(span)
        sources += [by_frame.get(frame, -1) for frame in span]
    values = np.full((len(frames), 21, 7), np.nan, dtype=np.float32)
    presence = np.zeros(len(frames))
    odds = weight = 0.0
    for place, source in enumerate(sources):
        if source >= 0:
            values[place] = log.values[source]
            presence[place], right = log.presence[source]
            odds += presence[place] * log_odds(right, VOTE_LEAST)
            weight += presence[place]
    _pool(values[:, :, 2], np.array(seen), np.array(segment))
    _pool(values[:, :, 6], np.array(seen), np.array(segment))
    return Track(
        number,
        mean_probability(odds, weight),
        np.array(frames),
        times[frames],
        np.array(seen),
        np.array(segment),
        values,
        presence,
    )


def _pool(values: np.ndarray, seen: np.ndarray, segment: np.ndarray) -> None:
    """Average [N, 21] over neighbouring frames, in place."""
    total, count = np.zeros_like(values), np.zeros((len(values), 1), dtype=np.float32)
    for shift in range(-_POOLED, _POOLED + 1):
        source = np.arange(len(values)) + shift
        inside = (source >= 0) & (source < len(values))
        source = np.clip(source, 0, len(values) - 1)
        used = inside & seen[source] & (segment[source] == segment)
        total[used] += values[source[used]]
        count[used] += 1
    values[seen] = (total / np.maximum(count, 1))[seen]


def document_of(track: Track) -> dict[str, Any]:
    """Figures of a track, for JSON."""
    return {
        "track": track.number,
        "right": round(track.right, 4),
        "frames": len(track.frames),
        "filled": int((~track.seen).sum()),
        "segments": int(track.segment.max()) + 1 if len(track.segment) else 0,
        "from_seconds": round(float(track.seconds[0]), 3),
        "to_seconds": round(float(track.seconds[-1]), 3),
    }
