"""Writes a benchmark's official prediction file."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from handsss.errors import UserError
from handsss.evaluation.protocols import Protocol
from handsss.io.atomic import atomic_path, make_folder

_DECIMALS = 6  # micrometres
_EPOCH = (1980, 1, 1, 0, 0, 0)  # in the zip, so that the same predictions give the same bytes


def check_name(path: Path) -> None:
    """Check the file name before any work.

    Raises:
        UserError: neither .zip nor .json.
    """
    if path.suffix not in (".zip", ".json"):
        raise UserError(f"{{submission}} {path}: expected a name that ends in .zip or .json.", options=("submission",))


def write_submission(
    path: Path,
    joints: np.ndarray,
    vertices: np.ndarray,
    protocol: Protocol,
    *,
    roots: np.ndarray | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Write ``[xyz, verts]`` in the benchmark's convention: its joint order and camera frame, metres.

    Args:
        path: a .zip with pred.json in it (what the servers take), or a .json.
        joints: [N, 21, 3] m, this package's camera frame, OpenPose order, of the keypoint set that the protocol names.
        vertices: [N, V, 3] m, the same frame; they are turned along with the joints.
        protocol: the benchmark.
        roots: [N, 3] m, the given root joints; hands are shifted there first. NaN: stays.
        progress: told pictures done and in all.

    Returns:
        The file.

    Raises:
        UserError: another ending; the file cannot be written. What stood there before stays then.
    """
    check_name(path)
    if roots is not None:
        shift = np.nan_to_num(roots - joints[:, protocol.root])[:, None]
        joints, vertices = joints + shift, vertices + shift
    parts = (protocol.joints_to_file(joints), protocol.to_file(vertices))
    make_folder(path.parent)
    with atomic_path(path) as temporary, open(temporary, "xb") as stream:
        if path.suffix == ".json":
            _write(stream, parts, progress)
        else:
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
                entry = zipfile.ZipInfo("pred.json", _EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                with archive.open(entry, "w", force_zip64=True) as inner:
                    _write(inner, parts, progress)
    return path


def _write(stream: IO[bytes], parts: tuple[np.ndarray, np.ndarray], progress: Callable[[int, int], None]) -> None:
    """Stream picture by picture: the text of a whole benchmark has gigabytes."""
    total = 2 * len(parts[0])
    done = 0
    for part, opening in zip(parts, ("[[", ", ["), strict=True):
        stream.write(opening.encode())
        for number, text in enumerate(_texts(part)):
            stream.write((", " if number else "").encode() + text.encode())
            done += 1
            progress(done, total)
        stream.write(b"]")
    stream.write(b"]")


def _texts(points: np.ndarray) -> Iterator[str]:
    for one in np.asarray(points, dtype=np.float64):
        yield str(np.round(one, _DECIMALS).tolist())
