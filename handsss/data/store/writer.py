"""Assembles blocks into one HDF5 file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from handsss.data.resumable_jobs import Blocks
from handsss.data.store.crop_jpeg import decode_crop, encode_crop
from handsss.data.store.hdf5 import new_hdf5
from handsss.data.store.schema import FIELDS, FORMAT, FORMAT_VERSION, REQUIRED, Row, stack_rows
from handsss.geometry.framing import CROP
from handsss.io.atomic import atomic_path
from handsss.version import __version__


def pack_rows(rows: list[Row], encoding: str) -> dict[str, np.ndarray]:
    """Rows as the arrays of one block.

    Args:
        rows: any number.
        encoding: how the crops are kept, see :data:`handsss.data.store.schema.ENCODINGS`.
    """
    wanted = tuple(name for name in FIELDS if name in REQUIRED or any(name in row.extra for row in rows))
    arrays = stack_rows(rows, wanted)
    if encoding == "jpeg":
        files = [encode_crop(row.crop) for row in rows]
        arrays["crops_jpeg"] = np.frombuffer(b"".join(files), dtype=np.uint8)
        arrays["crops_jpeg_ends"] = np.cumsum([len(file) for file in files], dtype=np.int64)
    else:
        arrays["crops"] = np.array([decode_crop(row.crop) for row in rows], dtype=np.uint8).reshape(-1, CROP, CROP, 3)
    return arrays


def write_attributes(file: h5py.File, attributes: dict[str, Any]) -> None:
    """Root attributes: numbers and strings as they are, anything else as JSON."""
    file.attrs["format"] = FORMAT
    file.attrs["format_version"] = FORMAT_VERSION
    file.attrs["program"] = f"handsss {__version__}"
    for key, value in attributes.items():
        file.attrs[key] = value if isinstance(value, str | int | float) else json.dumps(value, sort_keys=True)


def describe(dataset: h5py.Dataset, name: str) -> None:
    """Unit and meaning beside a field."""
    if name in FIELDS:
        dataset.attrs["unit"] = FIELDS[name].unit
        dataset.attrs["text"] = FIELDS[name].text
    elif name == "crops":
        dataset.attrs["text"] = "RGB pictures"
    elif name == "crops_jpeg":
        dataset.attrs["text"] = "JPEG files of the crops, one after the other"
    elif name == "crops_jpeg_ends":
        dataset.attrs["text"] = "where each JPEG file ends in crops_jpeg"


def assemble(
    blocks: Blocks,
    count: int,
    target: Path,
    encoding: str,
    attributes: Callable[[h5py.File, list[dict[str, Any]]], dict[str, Any]],
) -> None:
    """Write the finished file from all blocks, and then remove them.

    Args:
        blocks: where they are.
        count: how many.
        target: the file.
        encoding: of the crops.
        attributes: makes the root attributes of the fields and the blocks' reports.

    Raises:
        DiskFullError, UserError: the file cannot be written; the blocks stay.
    """
    unfinished = blocks.folder / "assembled.h5"
    shapes = _shapes(blocks, range(count))
    with (
        atomic_path(target, temporary=unfinished, resumable=True),
        new_hdf5(unfinished) as file,
    ):
        reports = []
        for name, (rows, shape, dtype) in shapes.items():
            describe(_create(file, name, rows, shape, dtype, encoding), name)
        at = dict.fromkeys(shapes, 0)
        bytes_before = 0
        for number in range(count):
            arrays, report = blocks.read(number)
            reports.append(report)
            rows = len(arrays["index"])
            for name, (_, shape, _dtype) in shapes.items():
                array = arrays.get(name)
                if array is None:  # a block none of whose rows has the field
                    array = np.full((rows, *shape), FIELDS[name].missing)
                elif name == "crops_jpeg_ends":
                    array = array + bytes_before
                if len(array):
                    file[name][at[name] : at[name] + len(array)] = array
                at[name] += len(array)
            bytes_before += len(arrays.get("crops_jpeg", ()))
        write_attributes(file, attributes(file, reports))
    blocks.remove()


def _shapes(blocks: Blocks, numbers: Iterable[int]) -> dict[str, tuple[int, tuple[int, ...], np.dtype[Any]]]:
    """Of each field: rows in all, shape of a row, type (the longest, for names)."""
    fields: dict[str, tuple[int, tuple[int, ...], np.dtype[Any]]] = {}
    total = 0
    for number in numbers:
        with np.load(blocks.path(number), allow_pickle=False) as archive:
            rows = 0
            for name in archive.files:
                if name == "report":
                    continue
                array_shape, dtype = _header(archive, name)
                if name == "index":
                    rows = array_shape[0]
                before = fields.get(name)
                length = array_shape[0] + (before[0] if before else 0)
                if before and before[2].kind == "S":
                    dtype = max(dtype, before[2], key=lambda kind: kind.itemsize)
                fields[name] = (length, array_shape[1:], dtype)
            total += rows
    return {
        name: (length if name == "crops_jpeg" else total, shape, dtype)
        for name, (length, shape, dtype) in sorted(fields.items())
    }


def _header(archive: Any, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of an array in an npz, without reading it."""
    with archive.zip.open(f"{name}.npy") as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
    return shape, dtype


def _create(
    file: h5py.File, name: str, rows: int, shape: tuple[int, ...], dtype: np.dtype[Any], encoding: str
) -> h5py.Dataset:
    options: dict[str, Any] = {}
    if rows and (name == "crops" or (name in FIELDS and FIELDS[name].packed)):
        options["chunks"] = (1, *shape)  # a row is read alone
        if name != "crops":
            options["compression"] = "gzip"
        elif encoding in ("lzf", "gzip"):
            options |= {"compression": encoding, "shuffle": False}
    if name == "crops" and encoding == "raw":
        options = {}  # contiguous: no chunk index between a row and its bytes
    return file.create_dataset(name, (rows, *shape), dtype=dtype, track_times=False, **options)
