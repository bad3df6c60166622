"""Merges the stores of several shards, by reference (HDF5 virtual datasets) or by copying."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from handsss.data.store.hdf5 import new_hdf5
from handsss.data.store.reader import Store
from handsss.data.store.schema import FIELDS
from handsss.data.store.writer import describe, write_attributes
from handsss.errors import InputError, UserError
from handsss.io.atomic import atomic_path

_SUMMED = ("pictures", "rows", "rows_with_keypoints")
_OWN = ("fingerprint", "shard", "mean_bone_9_10", "counts", "bad", "format", "format_version", "program", "first")


def merge(parts: Sequence[Path], target: Path, *, copy: bool = False, overwrite: bool = False) -> int:
    """Join stores into one file.

    Args:
        parts: stores of all shards of one run, in any order.
        target: the file; its parts must stay where they lie relative to it, unless copied.
        copy: copy all rows instead of pointing to the parts (HDF5 virtual datasets).
        overwrite: replace the target.

    Returns:
        rows.

    Raises:
        InputError: parts of different runs or settings, a shard missing or given twice.
        UserError: the target exists or cannot be written.
    """
    if target.exists() and not overwrite:
        raise UserError(
            f"{target}: exists already. Choose another name with {{output}}, or replace it with {{overwrite}}.",
            options=("output", "overwrite"),
        )
    if not parts:
        raise UserError("nothing to merge: give the files of all shards.")
    with ExitStack() as stack:
        stores = [Store(path) for path in parts]
        for store in stores:
            stack.callback(store.close)
        stores = _in_order(stores)
        unfinished = target.with_name(f".{target.name}.merging")
        with (
            atomic_path(target, temporary=unfinished),
            new_hdf5(unfinished) as file,
        ):
            _join(file, stores, target.parent, copy)
            write_attributes(file, _attributes(file, stores))
            rows = len(file["index"])
    return rows


def _in_order(stores: list[Store]) -> list[Store]:
    """By shard, after checking that they are the shards of one run."""
    keyed: dict[int, Store] = {}
    first = stores[0].attributes
    total = int(str(first.get("shard", "0/1")).split("/")[1])
    for store in stores:
        attributes = store.attributes
        for key in sorted({*first, *attributes} - {*_SUMMED, *_OWN}):
            if str(attributes.get(key)) != str(first.get(key)):  # arrays have no truth of their own
                raise InputError(
                    f"{store.path}: {key} is {attributes.get(key)!r}, but {first.get(key)!r} in {stores[0].path}. "
                    "Only shards of one run can be merged."
                )
        part, parts = (int(text) for text in str(attributes.get("shard", "0/1")).split("/"))
        if parts != total:
            raise InputError(f"{store.path}: is shard {part} of {parts}, {stores[0].path} is one of {total}.")
        if part in keyed:
            raise InputError(f"{store.path} and {keyed[part].path}: both are shard {part} of {total}.")
        keyed[part] = store
    missing = [str(part) for part in range(total) if part not in keyed]
    if missing:
        raise InputError(f"shard {', '.join(missing)} of {total} is missing. Give the files of all shards.")
    return [keyed[part] for part in range(total)]


def _join(file: h5py.File, stores: list[Store], folder: Path, copy: bool) -> None:
    names = sorted({name for store in stores for name in store.file})
    rows = [len(store) for store in stores]
    for name in names:
        if name == "crops_jpeg_ends":  # positions are counted anew over the joined bytes
            lengths = [len(store.file["crops_jpeg"]) for store in stores]
            before = np.concatenate([[0], np.cumsum(lengths)[:-1]])
            data = np.concatenate([store.read(name) + b for store, b in zip(stores, before, strict=True)])
            describe(file.create_dataset(name, data=data, track_times=False), name)
            continue
        having = [store.file[name] for store in stores if name in store.file]
        shape, dtype = having[0].shape[1:], max((d.dtype for d in having), key=lambda kind: kind.itemsize)
        counts = [len(store.file[name]) if name == "crops_jpeg" else n for store, n in zip(stores, rows, strict=True)]
        total = sum(counts)
        # HDF5 converts numbers between virtual parts, but strings of different length are copied to be safe.
        if copy or FIELDS.get(name, FIELDS["K"]).dtype == "S":
            chunks = having[0].chunks
            dataset = file.create_dataset(
                name,
                (total, *shape),
                dtype,
                track_times=False,
                **({"chunks": chunks, "compression": having[0].compression} if chunks and total else {}),
            )
            at = 0
            for store, count in zip(stores, counts, strict=True):
                for start in range(0, count, 4096 if name != "crops_jpeg" else 2**24):
                    stop = min(start + (4096 if name != "crops_jpeg" else 2**24), count)
                    dataset[at + start : at + stop] = (
                        store.read(name, slice(start, stop))
                        if name in store.file
                        else np.full((stop - start, *shape), FIELDS[name].missing)
                    )
                at += count
        else:
            layout = h5py.VirtualLayout((total, *shape), dtype)
            at = 0
            for store, count in zip(stores, counts, strict=True):
                if name in store.file and count:
                    relative = os.path.relpath(store.path.resolve(), folder.resolve())
                    layout[at : at + count] = h5py.VirtualSource(relative, name, store.file[name].shape, dtype)
                at += count
            spec = FIELDS.get(name)
            dataset = file.create_virtual_dataset(name, layout, fillvalue=None if spec is None else spec.missing)
        describe(dataset, name)


def _attributes(file: h5py.File, stores: list[Store]) -> dict[str, Any]:
    all_attributes = [store.attributes for store in stores]
    for store, attributes in zip(stores, all_attributes, strict=True):
        absent = [key for key in (*_SUMMED, "counts", "bad", "fingerprint") if key not in attributes]
        if absent:
            raise InputError(f"{store.path}: its attributes {', '.join(absent)} are missing. Make the file again.")
    counts: Counter[str] = Counter()
    for attributes in all_attributes:
        counts.update(attributes["counts"])
    result = {key: value for key, value in all_attributes[0].items() if key not in _OWN}
    for key in _SUMMED:
        result[key] = sum(attributes[key] for attributes in all_attributes)
    result["counts"] = dict(sorted(counts.items()))
    result["bad"] = [entry for attributes in all_attributes for entry in attributes["bad"]]
    result["shard"] = "0/1"
    result["merged_from"] = [attributes["fingerprint"] for attributes in all_attributes]
    if any("mean_bone_9_10" in attributes for attributes in all_attributes):
        scales = np.concatenate([store.read("scale") for store in stores if "scale" in store.file])
        result["mean_bone_9_10"] = float(scales[np.isfinite(scales)].mean(dtype=np.float64))
    return result
