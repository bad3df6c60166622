"""Annotation files: JSON lists of numbers, small and very large, and lists of frames."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np

from handsss.errors import InputError
from handsss.io.content import mistaken_for, plain_utf8, read_text

# A JSON of 32,560 meshes is 1.5 GB of text; Python's own objects would need ten times that.
_LARGE = 32 * 2**20


def read_number_lists(path: Path, shape: tuple[int, ...], what: str) -> np.ndarray:
    """A JSON list of equally shaped lists of numbers.

    Args:
        path: of the file.
        shape: of one entry, () for a list of numbers; -1 once for any size.
        what: the expected content, for messages.

    Returns:
        [N, *shape] float64.

    Raises:
        InputError: missing, damaged, or of another shape; entries that are not finite.
    """
    try:
        if path.stat().st_size > _LARGE:
            flat, count = _parse_large(path)
        else:
            content = json.loads(read_text(path))
            if not isinstance(content, list):
                raise InputError(f"{path}: expected a list of {what}, got {type(content).__name__}.")
            flat, count = np.array(content, dtype=np.float64).ravel(), len(content)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}). Expected a list of {what}.") from error
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        came = mistaken_for(path)
        reason = f"it is {came}" if came.startswith(("a Git", "a web", "an empty")) else str(error)
        raise InputError(f"{path}: not a JSON list of {what} ({reason}).") from error
    if count == 0 or flat.size % count:
        raise InputError(f"{path}: expected a list of {what}, got {count} entries with {flat.size} numbers in all.")
    each = flat.size // count
    fixed = int(np.prod([size for size in shape if size != -1]))
    if (-1 not in shape and each != fixed) or each % fixed:
        raise InputError(f"{path}: expected {what} ({fixed} numbers each), got {each} numbers each.")
    if not np.isfinite(flat).all():
        entry = int(np.flatnonzero(~np.isfinite(flat))[0]) // each
        raise InputError(f"{path}: entry {entry} holds a number that is not finite. Expected {what}.")
    result: np.ndarray = flat.reshape(count, *shape)
    return result


def _parse_large(path: Path) -> tuple[np.ndarray, int]:
    """All numbers of a nested JSON list and the length of the outermost list, without Python objects for each."""
    data = plain_utf8(path.read_bytes())
    text = data.translate(None, b" \t\r\n")
    if not (text.startswith(b"[") and text.endswith(b"]")):
        raise ValueError("it does not start and end with brackets")
    depth = len(text) - len(text.lstrip(b"["))
    # In a regular nesting an entry of the outermost list ends wherever depth - 1 brackets close.
    count = text.count(b"]" * (depth - 1) + b",") + 1
    bare = text.translate(None, b"[]")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # said of text that is no number; counted below
        flat = np.fromstring(bare.decode("ascii"), sep=",")
    if flat.size != bare.count(b",") + 1:
        raise ValueError(f"number {flat.size} is not a number")
    return flat, count


def read_lines(path: Path, what: str) -> list[str]:
    """The non-empty lines of a text file.

    Raises:
        InputError: missing or not text.
    """
    try:
        text = read_text(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}). Expected {what}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file ({error}). Expected {what}.") from error
    return [line.strip() for line in text.splitlines() if line.strip()]
