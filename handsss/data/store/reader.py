"""Opens a store, checks it, and reads rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from handsss.data.store.attributes import attributes_of
from handsss.data.store.crop_jpeg import decode_crop
from handsss.data.store.hdf5 import NO_LOCKS, about_locks, read_hdf5
from handsss.data.store.layout import HDF5_ERRORS, MAKE, check_layout, first_line
from handsss.data.store.schema import HANDS
from handsss.errors import InputError
from handsss.geometry.framing import CROP
from handsss.io.content import mistaken_for
from handsss.io.image import DECODING_ERRORS

_SMALL_ROW, _SMALL_FIELD = 4096, 1 << 26  # bytes: fields below both are read whole


def open_store(path: Path) -> h5py.File:
    """Open a store for reading.

    Raises:
        InputError: missing, no HDF5, not a store, of a newer format, incomplete, or a merged one whose parts are gone.
    """
    if not path.exists():
        part = path.with_name(path.name + ".parts")
        hint = f" An unfinished run is in {part}: go on with {{resume}}." if part.exists() else f" {MAKE}."
        raise InputError(f"{path}: no such file.{hint}", options=("resume",) if part.exists() else ())
    try:
        file = read_hdf5(path)
    except OSError as error:
        if about_locks(error):
            raise InputError(f"{path}: cannot be locked for reading. {NO_LOCKS}") from error
        if path.is_dir():
            raise InputError(f"{path}: is a folder. Expected a store, an HDF5 file. {MAKE}.") from error
        came = mistaken_for(path)
        reason = f"it is {came}" if came else str(error).splitlines()[0]
        raise InputError(f"{path}: not a readable HDF5 file ({reason}). {MAKE}.") from error
    try:
        check_layout(file, path)
    except InputError:
        file.close()
        raise
    return file


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
        self._jpeg = "crops" not in self.file
        self._fields: dict[str, h5py.Dataset | np.ndarray] = {}
        self._pictures = self.file["crops_jpeg" if self._jpeg else "crops"]
        self._ends = self._jpeg_ends() if self._jpeg else np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self.file["index"])

    def _jpeg_ends(self) -> np.ndarray:
        ends: np.ndarray = self.read("crops_jpeg_ends")
        if len(ends) and (ends[0] < 0 or (np.diff(ends) < 0).any() or ends[-1] > len(self._pictures)):
            self.close()
            raise InputError(f"{self.path}: crops_jpeg_ends does not fit crops_jpeg. Make the file again.")
        return ends

    def read(self, name: str, rows: slice | int | tuple[slice | int, ...] = slice(None)) -> np.ndarray:
        """A field of some rows.

        Raises:
            InputError: it cannot be read.
        """
        try:
            values: np.ndarray = self.file[name][rows]
        except HDF5_ERRORS as error:
            where = f"row {rows} of {name}" if isinstance(rows, int) else name
            raise InputError(
                f"{self.path}: {where} cannot be read ({first_line(error)}). Make the file again."
            ) from error
        return values

    def crop(self, row: int) -> np.ndarray:
        """[224, 224, 3] uint8 RGB.

        Raises:
            InputError: it is damaged.
        """
        try:
            if not self._jpeg:
                pixels: np.ndarray = self._pictures[row]
            else:
                start = int(self._ends[row - 1]) if row else 0
                pixels = decode_crop(self._pictures[start : int(self._ends[row])].tobytes())
        except DECODING_ERRORS as error:
            raise InputError(
                f"{self.path}: the crop of row {row} is damaged ({error}). Make the file again."
            ) from error
        if pixels.shape != (CROP, CROP, 3):
            raise InputError(f"{self.path}: the crop of row {row} has the shape {pixels.shape}. Make the file again.")
        return pixels

    def field(self, name: str, row: int) -> np.ndarray:
        """A field of one row; not to be written into.

        Raises:
            InputError: it is damaged.
        """
        if name not in self._fields:
            field = self.file[name]
            whole = field.dtype.itemsize * int(np.prod(field.shape))
            # HDF5 takes a fifth of a millisecond to find a few numbers: those of all rows are read at once.
            small = whole <= _SMALL_FIELD and whole <= _SMALL_ROW * max(len(field), 1)
            self._fields[name] = self.read(name) if small else field
        known = self._fields[name]
        value: np.ndarray = known[row] if isinstance(known, np.ndarray) else self.read(name, row)
        return value

    def name(self, row: int) -> str:
        """Path of the source picture."""
        return bytes(self.read("name", row)).decode("utf-8", "surrogateescape")

    def hand(self, row: int) -> str:
        """The hand's side in the source picture."""
        number = int(self.read("hand", row))
        if number >= len(HANDS):
            raise InputError(f"{self.path}: row {row} has the hand {number}, expected 0 or 1. Make the file again.")
        return HANDS[number]

    @property
    def attributes(self) -> dict[str, Any]:
        """All root attributes; see :func:`handsss.data.store.attributes.attributes_of`."""
        return attributes_of(self.file, self.path)

    def close(self) -> None:
        """Close the file."""
        self.file.close()
