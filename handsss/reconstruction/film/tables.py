"""A film's hands as arrays and as tables: one row a frame and hand."""

from __future__ import annotations

import csv
from io import BytesIO, StringIO
from typing import Any

import numpy as np

from handsss.hand.joints import JOINT_ORDERS
from handsss.io.table_file import check_parquet
from handsss.mesh_io.parts import CAMERA_AXES
from handsss.reconstruction.film.result import FilmHands

FORMAT_VERSION = 1
_BY_ROW = (
    *("seconds", "filled", "score", "keypoints_2d", "joints_3d", "joints_2d", "pose", "rotation", "translation"),
)


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


def columns_of(film: FilmHands) -> dict[str, list[Any]]:
    """Columns of the table: frame, seconds, track, hand, filled, score, then x, y, z (metres) and u, v (px) of each
    joint."""
    frames, places, rows = order_of(film)
    pairs = list(zip(places.tolist(), rows.tolist(), strict=True))
    tracks = film.tracks
    columns: dict[str, list[Any]] = {
        "frame": frames.tolist(),
        "seconds": [round(float(tracks[t].seconds[r]), 6) for t, r in pairs],
        "track": [tracks[t].number for t, _ in pairs],
        "hand": [tracks[t].hand for t, _ in pairs],
        "filled": [bool(tracks[t].filled[r]) for t, r in pairs],
        "score": [round(float(tracks[t].score[r]), 4) for t, r in pairs],
    }
    for joint, name in enumerate(JOINT_ORDERS["openpose"]):
        for axis, letter in enumerate("xyz"):
            columns[f"{name}_{letter}"] = [round(float(tracks[t].joints_3d[r, joint, axis]), 6) for t, r in pairs]
        for axis, letter in enumerate("uv"):
            columns[f"{name}_{letter}"] = [round(float(tracks[t].joints_2d[r, joint, axis]), 3) for t, r in pairs]
    return columns


def csv_bytes(film: FilmHands) -> bytes:
    """The table as CSV; ``filled`` is 0 or 1."""
    columns = columns_of(film)
    columns["filled"] = [int(value) for value in columns["filled"]]
    stream = StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return stream.getvalue().encode("ascii")


def parquet_bytes(film: FilmHands) -> bytes:
    """The table as Parquet.

    Raises:
        MissingDependencyError: pyarrow is not installed.
    """
    check_parquet()
    import pyarrow
    from pyarrow import parquet

    stream = BytesIO()
    parquet.write_table(pyarrow.table(columns_of(film)), stream)
    return stream.getvalue()
