"""Opens a store, checks it, and reads rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from handsss.data.store.crop_jpeg import decode_crop
from handsss.data.store.hdf5 import NO_LOCKS, about_locks, is_in_use, read_hdf5
from handsss.data.store.schema import FORMAT, FORMAT_VERSION, HANDS, REQUIRED
from handsss.errors import InputError
from handsss.geometry.framing import CROP
from handsss.io.content import mistaken_for

_MAKE = "Make it with `handsss preprocess`"
_SMALL_ROW, _SMALL_FIELD = 4096, 1 << 26  # bytes: fields below both are read whole


def open_store(path: Path) -> h5py.File:
    """Open a store for reading.

    Raises:
        InputError: missing, no HDF5, not a store, of a newer format, incomplete, or a merged one whose parts are gone.
    """
    if not path.exists():
        part = path.with_name(path.name + ".parts")
        hint = f" An unfinished run is in {part}: go on with {{resume}}." if part.exists() else f" {_MAKE}."
        raise InputError(f"{path}: no such file.{hint}", options=("resume",) if part.exists() else ())
    try:
        file = read_hdf5(path)
    except OSError as error:
        if is_in_use(error):
            raise InputError(f"{path}: another program is writing it. Wait until it is closed.") from error
        if about_locks(error):
            raise InputError(f"{path}: cannot be locked for reading. {NO_LOCKS}") from error
        if path.is_dir():
            raise InputError(f"{path}: is a folder. Expected a store, an HDF5 file. {_MAKE}.") from error
        came = mistaken_for(path)
        reason = f"it is {came}" if came else str(error).splitlines()[0]
        raise InputError(f"{path}: not a readable HDF5 file ({reason}). {_MAKE}.") from error
    try:
        _check(file, path)
    except InputError:
        file.close()
        raise
    return file


def _check(file: h5py.File, path: Path) -> None:
    if file.attrs.get("format") != FORMAT:
        raise InputError(f"{path}: an HDF5 file, but no store of handsss (no attribute format = {FORMAT!r}). {_MAKE}.")
    version = int(file.attrs.get("format_version", 0))
    if version > FORMAT_VERSION:
        raise InputError(
            f"{path}: has format version {version}, written by {file.attrs.get('program', 'a newer program')}; this "
            f"program reads versions up to {FORMAT_VERSION} and would misread it. Update handsss."
        )
    crops = "crops" if "crops" in file else "crops_jpeg_ends"
    absent = [name for name in (*REQUIRED, crops) if name not in file]
    if absent:
        raise InputError(f"{path}: the fields {', '.join(absent)} are missing. The file is damaged; make it again.")
    rows = len(file["index"])
    for name in (*REQUIRED, crops):
        if len(file[name]) != rows:
            raise InputError(f"{path}: {name} has {len(file[name])} rows, index has {rows}. Make the file again.")
    for name in file:
        if file[name].is_virtual:
            for source in file[name].virtual_sources():
                if not (path.parent / source.file_name).exists():
                    raise InputError(
                        f"{path}: its part {source.file_name} is not beside it. A merged file points to its parts; "
                        "bring them along, or merge with {copy}.",
                        options=("copy",),
                    )


class Store:
    """Rows of an open store.

    Args:
        path: the file.

    Raises:
        InputError: see :func:`open_store`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = open_store(path)
        self._jpeg = "crops_jpeg" in self.file
        self._ends = self.file["crops_jpeg_ends"][:] if self._jpeg else np.zeros(0, np.int64)
        self._fields: dict[str, h5py.Dataset | np.ndarray] = {}
        self._pictures = self.file["crops_jpeg" if self._jpeg else "crops"]

    def __len__(self) -> int:
        return len(self.file["index"])

    def crop(self, row: int) -> np.ndarray:
        """[224, 224, 3] uint8 RGB."""
        if not self._jpeg:
            pixels: np.ndarray = self._pictures[row]
            return pixels
        start = int(self._ends[row - 1]) if row else 0
        data = self._pictures[start : int(self._ends[row])].tobytes()
        try:
            pixels = decode_crop(data)
        except (OSError, SyntaxError, ValueError) as error:
            raise InputError(
                f"{self.path}: the crop of row {row} is damaged ({error}). Make the file again."
            ) from error
        if pixels.shape != (CROP, CROP, 3):
            raise InputError(f"{self.path}: the crop of row {row} has the shape {pixels.shape}. Make the file again.")
        return pixels

    def field(self, name: str, row: int) -> np.ndarray:
        """A field of one row; not to be written into."""
        if name not in self._fields:
            field = self.file[name]
            whole = field.dtype.itemsize * int(np.prod(field.shape))
            # HDF5 takes a fifth of a millisecond to find a few numbers: those of all rows are read at once.
            small = whole <= _SMALL_FIELD and whole <= _SMALL_ROW * max(len(field), 1)
            self._fields[name] = field[:] if small else field
        value: np.ndarray = self._fields[name][row]
        return value

    def name(self, row: int) -> str:
        """Path of the source picture."""
        return bytes(self.file["name"][row]).decode("utf-8", "surrogateescape")

    def hand(self, row: int) -> str:
        """The hand's side in the source picture."""
        return HANDS[int(self.file["hand"][row])]

    @property
    def attributes(self) -> dict[str, Any]:
        """All root attributes, JSON ones decoded."""
        result: dict[str, Any] = {}
        for key, value in self.file.attrs.items():
            if isinstance(value, str) and value[:1] in ("{", "["):
                result[key] = json.loads(value)
            else:
                result[key] = value.item() if isinstance(value, np.generic) else value
        return result

    def close(self) -> None:
        """Close the file."""
        self.file.close()
