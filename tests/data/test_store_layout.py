"""Files that are stores but for one thing: links and storage outside of the file, rows that nobody wrote, damage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from handsss.data.store.reader import Store, open_store
from handsss.errors import InputError
from tests.fuzz.stores import make_store

Change = Callable[[h5py.File, Path], Any]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    make_store(tmp_path / "a.h5", "jpeg")
    return tmp_path / "a.h5"


def replaced(name: str, *shape: int, **options: Any) -> Change:
    def change(file: h5py.File, folder: Path) -> None:
        del file[name]
        file.create_dataset(name, shape, options.pop("dtype", "f8"), **options)

    return change


def linked(link: Any) -> Change:
    def change(file: h5py.File, folder: Path) -> None:
        del file["K"]
        file["K"] = link

    return change


def outside(file: h5py.File, folder: Path) -> None:
    (folder / "secret").write_bytes(b"s" * 216)
    replaced("K", 3, 3, 3, external=[(str(folder / "secret"), 0, 216)])(file, folder)


def absolute(file: h5py.File, folder: Path) -> None:
    make_store(folder / "b.h5", "jpeg")
    layout = h5py.VirtualLayout((3, 3, 3), "f8")
    layout[...] = h5py.VirtualSource(str(folder / "b.h5"), "K", (3, 3, 3), "f8")
    del file["K"]
    file.create_virtual_dataset("K", layout)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (linked(h5py.ExternalLink("b.h5", "/K")), "K is a link or a group"),
        (linked(h5py.SoftLink("/scale")), "K is a link or a group"),
        (lambda file, folder: file.create_group("more"), "more is a link or a group"),
        (outside, "the contents of K lie in another file"),
        (absolute, "not to a part beside it"),
        (replaced("K", 3, 3, 3), "K was not written completely"),
        (replaced("K", 3, 3, 4, data=np.zeros((3, 3, 4))), "K is 3 x 3 x 4 float64, expected 3 x 3 x 3"),
        (replaced("K", 3, 3, 3, dtype="S4", data=np.zeros((3, 3, 3), "S4")), "K is 3 x 3 x 3 |S4"),
        (replaced("scale", 3, chunks=(10**8,), maxshape=(None,)), "too large to read"),
        (replaced("crops_jpeg_ends", 3, dtype="i8", data=np.array([5, 2, 9])), "crops_jpeg_ends does not fit"),
        (lambda file, folder: file.attrs.__setitem__("format_version", "new"), "damaged"),
    ],
)
def test_what_is_refused(store: Path, change: Change, message: str) -> None:
    with h5py.File(store, "r+") as file:
        change(file, store.parent)
    with pytest.raises(InputError, match=message.replace("|", r"\|")):
        Store(store)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("samples", "many"),
        ("shard", "1"),
        ("shard", "2/2"),
        ("counts", "[1]"),
        ("bad", "{}"),
        ("keypoint_source", "[1"),
    ],
)
def test_attributes_of_another_kind(store: Path, key: str, value: Any) -> None:
    with h5py.File(store, "r+") as file:
        file.attrs[key] = value
    opened = Store(store)
    with pytest.raises(InputError, match=f"its attribute {key} is |its attributes are damaged"):
        _ = opened.attributes
    opened.close()


def test_damaged_rows_are_named(store: Path) -> None:
    with h5py.File(store, "r") as file:
        at, size = file["mask"].id.get_chunk_info(1)[2:]
    content = bytearray(store.read_bytes())
    content[at : at + size] = bytes(size)
    store.write_bytes(bytes(content))
    opened = Store(store)
    with pytest.raises(InputError, match="mask cannot be read"):
        opened.field("mask", 1)
    opened.close()


def test_a_right_store_is_read(store: Path) -> None:
    open_store(store).close()
