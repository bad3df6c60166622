"""Reads prediction files, pred.json or pred.zip with ``[xyz, verts]``; checks every entry."""

from __future__ import annotations

import warnings
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from handsss.errors import InputError
from handsss.io.content import plain_utf8

EXPECTED = (
    "[xyz, verts]: a list of two lists, first 21 joints [x, y, z] for every picture, then 778 vertices [x, y, z] for "
    "every picture, in metres"
)
_LARGEST = 8 * 2**30  # bytes of JSON; HO-3D v3's evaluation needs one gigabyte
_BETWEEN = b"]]],[[["  # the end of the joints and the beginning of the meshes, nowhere else in a right file


class PredictionFile(NamedTuple):
    """Contents of a prediction file, unconverted."""

    path: Path
    joints: np.ndarray  # [N, 21, 3]
    vertices: np.ndarray | None  # [N, V, 3]; None: the file has empty lists


def read_prediction_file(path: Path) -> PredictionFile:
    """Read a prediction file.

    Args:
        path: a JSON file, or a zip with one JSON file in it.

    Raises:
        InputError: missing, damaged, wrongly nested, of unequal counts, or with numbers that are not finite; says which
            entry, what was expected and what came.
    """
    try:
        text = plain_utf8(_text(path)).translate(None, b" \t\r\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not text ({error}). Expected {EXPECTED}.") from error
    xyz, verts = _halves(text, path)
    joints = _points(xyz, path, "xyz", "joints")
    if joints.shape[1] != 21:
        raise InputError(
            f"{path}: xyz has {joints.shape[1]} joints for every picture; expected 21. Expected {EXPECTED}."
        )
    if not verts.strip(b"[],"):
        return PredictionFile(path, joints, None)
    vertices = _points(verts, path, "verts", "vertices")
    if len(vertices) != len(joints):
        raise InputError(
            f"{path}: {len(joints)} entries in xyz, but {len(vertices)} in verts. Expected {EXPECTED}: equally many."
        )
    return PredictionFile(path, joints, vertices)


def _text(path: Path) -> bytes:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = [n for n in archive.namelist() if n.endswith(".json") and not n.startswith("__MACOSX")]
                if len(names) != 1:
                    listed = ", ".join(archive.namelist()[:6]) or "nothing"
                    raise InputError(f"{path}: holds {listed}. Expected a zip with one JSON file in it, pred.json.")
                if archive.getinfo(names[0]).file_size > _LARGEST:
                    raise InputError(f"{path}: {names[0]} says that it is larger than {_LARGEST >> 30} GB unpacked.")
                return archive.read(names[0])
        if path.stat().st_size > _LARGEST:
            raise InputError(f"{path}: is larger than {_LARGEST >> 30} GB. Expected {EXPECTED}.")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}). Expected {EXPECTED}.") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(
            f"{path}: a damaged zip file ({error}). Expected a zip with one JSON file, pred.json."
        ) from error


def _halves(text: bytes, path: Path) -> tuple[bytes, bytes]:
    """The texts of the two lists.

    Python's own JSON reader would need ten times the file's size for its objects, so the brackets are read directly.
    """
    depth = len(text) - len(text.lstrip(b"["))
    if text[:1] != b"[" or not text.endswith(b"]"):
        start = text[:40].decode("utf-8", "replace")
        cut = " It ends in the middle: is it complete?" if text[:1] == b"[" else ""
        raise InputError(f"{path}: not a JSON list; it begins with {start!r}.{cut} Expected {EXPECTED}.")
    boundaries = text.count(_BETWEEN)
    if depth == 4 and boundaries == 1:
        cut_at = text.index(_BETWEEN) + 3
        return text[1:cut_at], text[cut_at + 1 : -1]
    if depth == 4 and boundaries == 0:
        for empty in (b"]]],[", b"]]],[[]"):  # joints alone
            at = text.find(empty)
            if at > 0 and not text[at + 4 :].strip(b"[],"):
                return text[1 : at + 3], text[at + 4 : -1]
    raise InputError(f"{path}: wrong nesting. {_nesting(text, depth, boundaries)} Expected {EXPECTED}.")


def _nesting(text: bytes, depth: int, boundaries: int) -> str:
    """What a wrongly nested file looks like."""
    if depth == 4 and boundaries > 1:
        return f"It looks like one pair [xyz, verts] for every picture ({boundaries + 1} of them); put all xyz first."
    if depth == 4:
        return "It is a list of one list: verts is missing."
    if depth == 3:
        return "It begins with three brackets: a list of joints or of meshes alone, or of flat lists of numbers."
    return f"It begins with {depth} bracket{'s' if depth != 1 else ''}, not with four."


def _points(text: bytes, path: Path, name: str, what: str) -> np.ndarray:
    """[N, P, 3] of ``[[[x,y,z],...],...]``, every entry of the first one's shape."""
    entries = text[3:-3].split(b"]],[[")
    count = entries[0].count(b"],[") + 1
    result = np.empty((len(entries), count, 3))
    for number, entry in enumerate(entries):
        where = f"{path}: {name}, entry {number} (counted from 0)"
        triples = entry.count(b"],[") + 1
        if triples != count:
            raise InputError(f"{where}: {triples} {what}, but entry 0 has {count}. Expected {EXPECTED}.")
        if entry.count(b",") != 3 * count - 1:
            raise InputError(f"{where}: {entry.count(b',') + 1} numbers for {count} {what}; expected 3 for each.")
        values = _numbers(entry.translate(None, b"[]"))
        if values.size != 3 * count:
            raise InputError(f"{where}: number {values.size} of it is not a number. Expected {EXPECTED}.")
        if not np.isfinite(values).all():
            index = int(np.flatnonzero(~np.isfinite(values))[0]) // 3
            raise InputError(
                f"{where}: {what[:-1] if what == 'joints' else 'vertex'} {index} holds NaN or infinity. Every picture "
                "needs finite numbers: give a guess, or zeros, where there is no prediction."
            )
        result[number] = values.reshape(count, 3)
    return result


def _numbers(text: bytes) -> np.ndarray:
    """The numbers up to the first text that is none."""
    words = text.decode("ascii", "replace")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # how older numpy says the same
            return np.fromstring(words, sep=",")
    except ValueError:
        values = []
        for word in words.split(","):
            try:
                values.append(float(word))
            except ValueError:
                break
        return np.array(values)
