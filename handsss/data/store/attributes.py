"""Root attributes of a store, checked: numbers, words, and JSON for anything else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from handsss.data.store.layout import HDF5_ERRORS, first_line
from handsss.errors import InputError


class _Kind(NamedTuple):
    name: str
    fits: Callable[[Any], bool]


_COUNT = _Kind("a whole number", lambda value: type(value) is int and value >= 0)
_WORD = _Kind("a word", lambda value: isinstance(value, str))
_COUNTS = _Kind("counts by name", lambda value: isinstance(value, dict) and all(map(_COUNT.fits, value.values())))
_PAIRS = _Kind(
    "a list of names and messages",
    lambda value: isinstance(value, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in value),
)
_KINDS = {
    **dict.fromkeys(("samples", "pictures", "rows", "rows_with_keypoints"), _COUNT),
    **dict.fromkeys(("dataset", "split", "keypoint_set", "joints_3d_set", "fingerprint", "encoding"), _WORD),
    "counts": _COUNTS,
    "bad": _PAIRS,
    "keypoint_source": _Kind("settings by name", lambda value: isinstance(value, dict)),
    "shard": _Kind("part/parts", lambda value: isinstance(value, str) and _is_shard(value)),
    "mean_bone_9_10": _Kind("a length in metres", lambda value: type(value) in (int, float)),
}


def attributes_of(file: h5py.File, path: Path) -> dict[str, Any]:
    """All root attributes, JSON ones decoded; those that a store of an earlier version lacks are left out.

    Raises:
        InputError: one cannot be read, or is of another kind than commands expect.
    """
    result: dict[str, Any] = {}
    try:
        for key, value in file.attrs.items():
            if isinstance(value, str) and value[:1] in ("{", "["):
                result[key] = json.loads(value)
            else:
                result[key] = value.item() if isinstance(value, np.generic) else value
    except (RecursionError, *HDF5_ERRORS) as error:
        raise InputError(f"{path}: its attributes are damaged ({first_line(error)}). Make the file again.") from error
    strange = [key for key, value in result.items() if not _is_plain(value)]
    if strange:
        raise InputError(f"{path}: its attribute {strange[0]} is no number, word or JSON. Make the file again.")
    for key, kind in _KINDS.items():
        if key in result and not kind.fits(result[key]):
            raise InputError(
                f"{path}: its attribute {key} is {str(result[key])[:60]!r}, expected {kind.name}. Make the file again."
            )
    return result


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return value.isprintable() or not any("\ud800" <= sign <= "\udfff" for sign in value)
    return isinstance(value, (int, float, dict, list))


def _is_shard(text: str) -> bool:
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    return found is not None and int(found[1]) < int(found[2])
