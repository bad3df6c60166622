"""Stores (HDF5): bytes changed, fields of other shapes and types, and links and storage that lead out of the file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.random import Generator

from handsss.data.augment import Augmentation
from handsss.data.dataset import HandDataset
from handsss.data.store.hdf5 import new_hdf5
from handsss.data.store.inspect import contact_sheet, contents
from handsss.data.store.merge import merge
from handsss.data.store.reader import Store
from handsss.data.store.schema import Row
from handsss.data.store.writer import describe, pack_rows, write_attributes
from handsss.evaluation.ground_truth import open_ground_truth
from tests.fuzz.mutate import mutated_bytes
from tests.fuzz.target import Check, Draw, Target

_SECRET = b"a line of another file that nobody should see in a store" * 40
_ATTRIBUTES = {
    "dataset": "freihand",
    "split": "training",
    "samples": 3,
    "keypoint_set": "openpose",
    "pictures": 3,
    "joints_3d_set": "openpose",
}
_OTHERS = {
    "rows": 3,
    "rows_with_keypoints": 3,
    "counts": {"ok": 3},
    "bad": [],
    "fingerprint": "x",
    "mean_bone_9_10": 0.03,
}
_VALUES: tuple[Any, ...] = (
    *(
        0,
        -1,
        2**62,
        np.nan,
        "",
        "freihand",
        "[" * 5000,
        "{",
        "[1",
        "0/2",
        "x/y",
        "1/0",
        "9" * 5000,
        np.zeros(3),
        "[[]]",
    ),
    *(np.int8(3), b"\xff\xfe", json.dumps({"source": 3}), json.dumps([1, 2]), np.array(["a", "b"], dtype="S3")),
)


def make_store(path: Path, encoding: str, seed: int = 0) -> None:
    """Three random rows."""
    rng = np.random.default_rng(seed)
    truth = {"joints_3d": (21, 3), "scale": (), "vertices": (5, 3), "root_3d": (3,)}
    rows = [
        Row(
            crop=np.repeat(np.repeat(rng.integers(0, 256, (7, 7, 3), dtype=np.uint8), 32, 0), 32, 1),
            keypoints_2d=rng.uniform(0, 224, (21, 2)),
            confidence=rng.uniform(0, 1, 21),
            K=np.array([[500.0, 0, 112], [0, 500, 112], [0, 0, 1]]),
            crop_transform=np.eye(3)[:2],
            hand="right",
            name=f"rgb/{number}.jpg",
            index=number,
            extra={name: 0.1 * rng.normal(size=shape) + 0.5 for name, shape in truth.items()}
            | {"mask": rng.integers(0, 2, (224, 224)), "has_mask": 1},
        )
        for number in range(3)
    ]
    with new_hdf5(path) as file:
        for name, array in pack_rows(rows, encoding).items():
            packed = {"chunks": (1, *array.shape[1:]), "compression": "gzip"} if name in ("mask", "crops") else {}
            describe(file.create_dataset(name, data=array, track_times=False, **packed), name)
        write_attributes(file, {**_ATTRIBUTES, **_OTHERS, "shard": "0/1"})


def _change(file: h5py.File, rng: Generator, secret: Path) -> None:
    """One thing of a store that is right otherwise."""
    names = list(file)
    name = names[int(rng.integers(len(names)))]
    kind = int(rng.integers(12))
    if kind < 3 or not isinstance(file.get(name, getlink=True), h5py.HardLink) or isinstance(file[name], h5py.Group):
        key = str(rng.choice([*file.attrs, "new"]))
        file.attrs[key] = _VALUES[int(rng.integers(len(_VALUES)))]
        return
    shape, dtype = file[name].shape, file[name].dtype
    del file[name]
    other = names[int(rng.integers(len(names)))]
    if kind == 3:
        file.create_dataset(name, data=np.zeros(_shape(shape, rng), dtype))
    elif kind == 4:
        file.create_dataset(name, data=np.zeros(shape, str(rng.choice(["f2", "f8", "u1", "i8", "S4", "?", "c16"]))))
    elif kind == 5:  # rows that nobody wrote
        file.create_dataset(name, (int(rng.choice([3, 10**6, 10**12])), *shape[1:]), dtype)
    elif kind == 6:
        file.create_dataset(
            name, shape, dtype, chunks=tuple(max(size, 1) * 1000 for size in shape), maxshape=[None] * len(shape)
        )
    elif kind == 7:
        file[name] = h5py.SoftLink(str(rng.choice([f"/{other}", f"/{name}", "/nothing"])))
    elif kind == 8:
        file[name] = h5py.ExternalLink(str(rng.choice(["other.h5", "/etc/passwd", str(secret)])), f"/{name}")
    elif kind == 9 and int(np.prod(shape)):
        size = int(np.prod(shape)) * dtype.itemsize
        file.create_dataset(name, shape, dtype, external=[(str(secret), 0, size)])
    elif kind == 10:
        layout = h5py.VirtualLayout(shape, dtype)
        layout[...] = h5py.VirtualSource(
            str(rng.choice([".", "other.h5", "gone.h5", str(secret)])), other, shape, dtype
        )
        file.create_virtual_dataset(name, layout)
    elif kind == 11:
        file.create_group(name)


def _shape(shape: tuple[int, ...], rng: Generator) -> tuple[int, ...]:
    sizes = list(shape)
    at = int(rng.integers(len(sizes) + 1))
    if at == len(sizes) or rng.random() < 0.2:
        return (*sizes[:3], 2)
    sizes[at] = int(rng.choice([0, 1, 2, 4, 21, 50]))
    return tuple(sizes)


def prepare(folder: Path) -> Draw:
    path, secret, joined = folder / "a.h5", folder.parent / "secret.bin", folder / "joined.h5"
    secret.write_bytes(_SECRET)
    make_store(folder / "other.h5", "gzip", 1)
    rights = []
    for encoding in ("raw", "gzip", "jpeg"):
        make_store(folder / f"{encoding}.h5", encoding)
        rights.append(folder / f"{encoding}.h5")
    contents_of = [right.read_bytes() for right in rights]

    def check() -> None:
        _read(path)
        joined.unlink(missing_ok=True)
        merge([path], joined, copy=True)
        _read(joined)

    for right in rights:
        shutil.copy(right, path)
        check()

    def draw(rng: Generator) -> Check:
        number = int(rng.integers(len(rights)))
        if rng.random() < 0.4:
            path.write_bytes(mutated_bytes(contents_of[number], rng, contents_of))
            return check
        path.unlink(missing_ok=True)
        shutil.copy(rights[number], path)
        with h5py.File(path, "r+") as file:
            for _ in range(int(rng.integers(1, 3))):
                _change(file, rng, secret)
        return check

    return draw


def _read(path: Path) -> None:
    """All that commands read of a store."""
    store = Store(path)
    try:
        lines = contents(store)
        json.dumps(lines.attributes, default=str)
        contact_sheet(store, 2, side=32)
        for row in range(len(store)):
            store.name(row), store.hand(row)
            for name in ("K", "index", "name"):
                assert _SECRET[:8] not in np.asarray(store.field(name, row)).tobytes()
            assert _SECRET[:8] not in store.crop(row).tobytes()
    finally:
        store.close()
    for how in (None, Augmentation(upright=True, crop_fill=0.8)):
        data = HandDataset(path, how)
        for row in range(min(len(data), 3)):
            assert data[row]["image"].shape == (3, 224, 224)
    truth = open_ground_truth(path, scored=False, limit=3)
    assert len(truth.K) == len(truth.names)


TARGET = Target(prepare, count=800, megabytes=300.0)
