"""A film's hands as arrays and as tables: one row a frame and hand."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import numpy as np

from handsss.hand.joints import JOINT_ORDERS
from handsss.io.table_file import Row, check_parquet, table_bytes
from handsss.mesh_io.parts import CAMERA_AXES
from handsss.reconstruction.film.result import FilmHands

FORMAT_VERSION = 1
_BY_ROW = ("seconds", "filled", "score", "keypoints_2d", "joints_3d", "joints_2d", "pose", "rotation", "translation")
_COLUMNS: dict[str, type] = {
    "frame": int,
    "seconds": float,
    "track": int,
    "hand": str,
    "filled": bool,
    "score": float,
    **{f"{name}_{axis}": float for name in JOINT_ORDERS["openpose"] for axis in "xyzuv"},
}


def order_of(film: FilmHands) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frame, track (its place in ``tracks``) and row of the track, of each row of a table: by frame, then by track."""
    frames = np.concatenate([track.frames for track in film.tracks] or [np.zeros(0, dtype=np.int64)])
    places = np.repeat(np.arange(len(film.tracks)), [len(track.frames) for track in film.tracks])
    rows = np.concatenate([np.arange(len(track.frames)) for track in film.tracks] or [np.zeros(0, dtype=np.int64)])
    order = np.lexsort((places, frames))
    return frames[order], places[order], rows[order]


def npz_bytes(film: FilmHands, *, vertices: bool = False) -> bytes:
    """All arrays: [R, ...] with a row a frame and hand, whose ``frame`` [R] and ``track`` [R] say which, and [T, ...]
    of the tracks. No Python objects are stored.

    Args:
        film: its hands.
        vertices: [R, V, 3] float32 too.
    """
    frames, places, rows = order_of(film)
    starts = np.cumsum([0, *(len(track.frames) for track in film.tracks)])
    order = starts[places] + rows  # in the tracks one after another
    arrays: dict[str, np.ndarray] = {
        "format_version": np.array(FORMAT_VERSION),
        "mesh_axes": np.array(CAMERA_AXES),
        "frame_seconds": film.seconds,
        "intrinsics": film.intrinsics,
        "size": np.array(film.size),
        "cut_seconds": np.array(film.cuts),
        "frame": frames,
        "track": np.array([track.number for track in film.tracks], dtype=np.int64)[places],
        "track_number": np.array([track.number for track in film.tracks], dtype=np.int64),
        "track_hand": np.array([track.hand for track in film.tracks]),
        "track_shape": np.array([track.shape for track in film.tracks]).reshape(-1, 10),
        "track_light": np.array([track.light for track in film.tracks]).reshape(-1, 11),
        "model": np.array([track.model for track in film.tracks]),
        "keypoint_set": np.array([track.keypoint_set for track in film.tracks]),
    }
    for name in _BY_ROW if film.tracks else ():
        arrays[name] = np.concatenate([getattr(track, name) for track in film.tracks])[order]
    if film.tracks:
        arrays["faces"] = np.stack([track.layer.model.faces for track in film.tracks])
    if vertices and film.tracks:
        every = [track.vertices(np.arange(len(track.frames))) for track in film.tracks]
        arrays["vertices"] = np.concatenate(every)[order].astype(np.float32)
    if film.tracks and all(track.texture is not None for track in film.tracks):
        first = film.tracks[0]
        assert first.uv is not None
        arrays["uv"] = first.uv
        arrays["texture"] = np.stack([np.asarray(track.texture) for track in film.tracks])
    stream = BytesIO()
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def table_of(film: FilmHands, suffix: str) -> bytes:
    """The table as .csv or .parquet: frame, seconds, track, hand, filled, score, then x, y, z (metres) and u, v (px) of
    each joint.

    Raises:
        MissingDependencyError: .parquet without pyarrow.
    """
    if suffix == ".parquet":
        check_parquet()
    return table_bytes(suffix, _COLUMNS, _rows(film))


def _rows(film: FilmHands) -> Iterator[Row]:
    for frame, place, row in zip(*(part.tolist() for part in order_of(film)), strict=True):
        track = film.tracks[place]
        values = [
            *(frame, round(float(track.seconds[row]), 6), track.number, track.hand),
            *(bool(track.filled[row]), round(float(track.score[row]), 4)),
        ]
        for point, pixel in zip(track.joints_3d[row], track.joints_2d[row], strict=True):
            values += [round(float(value), 6) for value in point]
            values += [round(float(value), 3) for value in pixel]
        yield dict(zip(_COLUMNS, values, strict=True))
