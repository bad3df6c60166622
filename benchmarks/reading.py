"""Random access to a store: crops a second and file size for each encoding and number of loader workers.

    python benchmarks/reading.py STORE --folder SCRATCH [--rows 4000] [--json FILE]

Rows of STORE are written anew in every encoding into SCRATCH, then read in random order through the torch Dataset.
Files just written lie in the page cache, so disks are not measured: a file that does not fit into memory is read at the
disk's pace, and there a small file wins.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from pathlib import Path

import h5py
import numpy as np
import torch
from torch.utils.data import DataLoader

from handsss.data.augment import Augmentation
from handsss.data.dataset import HandDataset
from handsss.data.store.crop_jpeg import encode_crop
from handsss.data.store.reader import Store
from handsss.data.store.schema import ENCODINGS
from handsss.data.store.writer import _create


def rewrite(store: Store, rows: int, target: Path, encoding: str) -> None:
    """The first rows of a store with other crops."""
    with h5py.File(target, "w", libver=("v110", "v110")) as file:
        for name in store.file:
            if not name.startswith("crops"):
                file.create_dataset(name, data=store.file[name][:rows])
        for key, value in store.file.attrs.items():
            file.attrs[key] = value
        if encoding == "jpeg":
            start_end = [0, *store.file["crops_jpeg_ends"][:rows].tolist()] if "crops_jpeg" in store.file else None
            files = (
                [store.file["crops_jpeg"][a:b].tobytes() for a, b in itertools.pairwise(start_end)]
                if start_end
                else [encode_crop(store.crop(row)) for row in range(rows)]
            )
            file["crops_jpeg"] = np.frombuffer(b"".join(files), np.uint8)
            file["crops_jpeg_ends"] = np.cumsum([len(data) for data in files])
        else:
            crops = _create(file, "crops", rows, (224, 224, 3), np.dtype(np.uint8), encoding)
            for row in range(rows):
                crops[row] = store.crop(row)


def rate(
    path: Path, workers: int, seconds: float = 6.0, augmentation: Augmentation | None = None, *, defer: bool = False
) -> float:
    """Crops a second in random order, batches of 32, the workers' start not counted. ``defer``: pictures are left for
    the device to turn and recolour."""
    data = HandDataset(path, augmentation, fields=())
    data = data.deferred() if defer else data
    sampler = torch.utils.data.RandomSampler(data, replacement=True, num_samples=1_000_000)
    loader = iter(DataLoader(data, batch_size=32, sampler=sampler, num_workers=workers))
    for _ in range(2 * max(workers, 1)):
        next(loader)
    begin, read = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        read += len(next(loader)["K"])
    return read / (time.perf_counter() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 1, 2, 4, 8])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    store = Store(options.store)
    rows = min(options.rows, len(store))
    options.folder.mkdir(parents=True, exist_ok=True)
    table = []
    for encoding in ENCODINGS:
        path = options.folder / f"{encoding}.h5"
        rewrite(store, rows, path, encoding)
        row: dict[str, object] = {
            "encoding": encoding,
            "rows": rows,
            "kilobytes_a_row": path.stat().st_size / rows / 1e3,
        }
        for workers in options.workers:
            row[f"workers_{workers}"] = round(rate(path, workers), 1)
        table.append(row)
        print(row, flush=True)
        path.unlink()
    if options.json:
        options.json.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
