"""Whether an open HDF5 file is a store: its fields, their shapes and types, and that all of it lies in the file.

HDF5 can show other files as its own (links, external storage) and rows that nobody wrote. A store has neither, but for
merged ones, which point to the stores of their shards by relative paths.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from handsss.data.store.schema import FIELDS, FORMAT, FORMAT_VERSION, REQUIRED
from handsss.errors import InputError
from handsss.geometry.framing import CROP

MAKE = "Make it with `handsss preprocess`"
# What h5py raises of damaged files.
HDF5_ERRORS = (OSError, RuntimeError, LookupError, ValueError, TypeError, ArithmeticError, AttributeError, SystemError)
_MOST_ROWS = 100_000_000
_LARGEST_CHUNK = 1 << 26  # bytes: what reading one row unpacks, at most
_BEST_PACKING = 2000  # deflate makes a thousandth of zeros
_KINDS = {"float32": "f", "float64": "f", "uint8": "iu", "int64": "iu", "S": "S"}


def check_layout(file: h5py.File, path: Path) -> None:
    """Check a file that is open.

    Raises:
        InputError: no store, of a newer format, incomplete or damaged, or a merged one whose parts are gone.
    """
    try:
        _check(file, path, {path.resolve()})
    except HDF5_ERRORS as error:
        raise InputError(f"{path}: damaged ({first_line(error)}). Copy it again, or make it again.") from error


def _check(file: h5py.File, path: Path, known: set[Path]) -> None:
    if not _is_word(file.attrs.get("format"), FORMAT):
        raise InputError(f"{path}: an HDF5 file, but no store of handsss (no attribute format = {FORMAT!r}). {MAKE}.")
    version = int(file.attrs.get("format_version", 0))
    if version > FORMAT_VERSION:
        raise InputError(
            f"{path}: has format version {version}, written by {file.attrs.get('program', 'a newer program')}; this "
            f"program reads versions up to {FORMAT_VERSION} and would misread it. Update handsss."
        )
    crops = ("crops",) if "crops" in file else ("crops_jpeg", "crops_jpeg_ends")
    absent = [name for name in (*REQUIRED, crops[-1]) if name not in file]
    if absent:
        raise InputError(f"{path}: the fields {', '.join(absent)} are missing. The file is damaged; make it again.")
    for name in file:
        if not isinstance(file.get(name, getlink=True), h5py.HardLink) or not isinstance(file[name], h5py.Dataset):
            raise InputError(f"{path}: {name} is a link or a group. Expected a field in the file itself. {MAKE}.")
        if file[name].external:
            raise InputError(
                f"{path}: the contents of {name} lie in another file, {file[name].external[0][0]}. {MAKE}."
            )
    rows = len(file["index"])
    for name in (*REQUIRED, crops[-1]):
        if len(file[name]) != rows:
            raise InputError(f"{path}: {name} has {len(file[name])} rows, index has {rows}. Make the file again.")
    if rows > _MOST_ROWS:
        raise InputError(f"{path}: says that it has {rows} rows; up to {_MOST_ROWS:,} are read. Make the file again.")
    for name in file:
        _check_field(file[name], name, rows, path)
        if file[name].is_virtual:
            _check_parts(file[name], path, known)


def _check_field(field: h5py.Dataset, name: str, rows: int, path: Path) -> None:
    """Shape and type, and that what it says it has was written."""
    expected = _expected(name, rows)
    if expected is not None:
        shape, kinds = expected
        fits = len(field.shape) == len(shape) and all(
            want is None or have == want for have, want in zip(field.shape, shape, strict=True)
        )
        if not fits or field.dtype.kind not in kinds:
            want = " x ".join("any" if size is None else str(size) for size in shape)
            came = f"{' x '.join(map(str, field.shape))} {field.dtype}"
            raise InputError(f"{path}: {name} is {came}, expected {want}. The file is damaged; make it again.")
    if field.chunks and int(np.prod(field.chunks, dtype=object)) * field.dtype.itemsize > _LARGEST_CHUNK:
        raise InputError(f"{path}: {name} is packed in blocks of {field.chunks}, too large to read. Make it again.")
    if field.is_virtual or field.dtype.kind == "O":
        return
    stored = field.id.get_storage_size()
    if field.size * field.dtype.itemsize > stored * (_BEST_PACKING if field.compression else 1):
        raise InputError(f"{path}: {name} was not written completely ({stored} bytes of it). Make the file again.")


def _expected(name: str, rows: int) -> tuple[tuple[int | None, ...], str] | None:
    """Shape and kinds of numpy types of a field; None of one that is not in the schema."""
    if name == "crops":
        return (rows, CROP, CROP, 3), "u"
    if name in ("crops_jpeg", "crops_jpeg_ends"):
        return (None if name == "crops_jpeg" else rows,), "u" if name == "crops_jpeg" else "iu"
    spec = FIELDS.get(name)
    return None if spec is None else ((rows, *spec.shape), _KINDS[spec.dtype])


def _check_parts(field: h5py.Dataset, path: Path, known: set[Path]) -> None:
    """The files that a merged store points to."""
    for source in field.virtual_sources():
        part = path.parent / source.file_name
        if Path(source.file_name).is_absolute():
            raise InputError(f"{path}: points to {source.file_name}, not to a part beside it. Merge its parts again.")
        if not part.is_file():
            raise InputError(
                f"{path}: its part {source.file_name} is not beside it. A merged file points to its parts; "
                "bring them along, or merge with {copy}.",
                options=("copy",),
            )
        if part.resolve() not in known:
            known.add(part.resolve())
            with h5py.File(part, "r", locking=False) as inner:
                _check(inner, part, known)


def _is_word(value: Any, word: str) -> bool:
    return isinstance(value, str) and value == word


def first_line(error: Exception) -> str:
    """An error of HDF5 without the stack that it appends."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
