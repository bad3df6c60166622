"""Wall-clock times of whole programs: reading crops, one photo, a folder of photos."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import reading
from measuring import EFFORT, summary
from PIL import Image

from handsss.cli.reconstruct_run import processes_for
from handsss.training.config import PRESETS

Result = dict[str, Any]
HANDSSS = [sys.executable, "-m", "handsss"]


def run(*arguments: str) -> float:
    """Seconds that a command takes."""
    begin = time.perf_counter()
    done = subprocess.run([*HANDSSS, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"handsss {' '.join(arguments)} ended with {done.returncode}: {done.stderr[-800:]}")
    return time.perf_counter() - begin


def loader(device: str, quick: bool, store: Path | None) -> Result:
    """Crops a second from a store in random order, against the number of worker processes."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = [n for n in ((0, 1, 8, 16) if EFFORT.short else (0, 1, 2, 4, 8, 16)) if n <= cores]
    seconds = 1.0 if quick else 1.5 if EFFORT.short else 6.0
    with tempfile.TemporaryDirectory() as folder:
        if store is None:
            made = Path(folder) / "synthetic"
            run("synthesize", "-n", "16" if quick else "128" if EFFORT.short else "400", "-o", str(made), "--seed", "0")
            store = Path(folder) / "store.h5"
            run("preprocess", "freihand", str(made), "--keypoints", "truth", "-o", str(store))
        found = []
        small = PRESETS["small"].augmentation
        for name, changes, defer in (
            ("", None, False),
            (", the small preset's augmentation", small, False),
            (", the same left to the device", small, True),
        ):
            for count in workers[:2] if quick else workers:
                rate = reading.rate(store, count, seconds, changes, defer=defer)
                found.append({"contender": "handsss", "what": f"{count} workers{name}", "a_second": round(rate, 1)})
    return {"rows": found}


def photo(device: str, quick: bool) -> Result:
    """The shipped photo to a mesh: help, a cold start, and photos of a running process; then a folder of copies."""
    from handsss.geometry.cameras import intrinsics_from_fov
    from handsss.reconstruction.pipeline import HandPipeline

    repeats = 2 if quick else 3 if EFFORT.short else 7
    found = []

    def add(what: str, seconds: list[float], **more: Any) -> None:
        found.append({"what": what, **asdict(summary("handsss", [value * 1e3 for value in seconds])), **more})

    with resources.as_file(resources.files("handsss") / "samples" / "nocurl.jpg") as sample:
        run("--help")
        add("handsss --help", [run("--help") for _ in range(repeats)])
        with tempfile.TemporaryDirectory() as folder:
            target = str(Path(folder) / "hand.obj")
            run("reconstruct", str(sample), "-o", target)  # compiled kernels are kept from here on
            add(
                "handsss reconstruct PHOTO, new process",
                [run("reconstruct", str(sample), "-o", target) for _ in range(repeats)],
            )
            photos = Path(folder) / "photos"
            photos.mkdir()
            count = 3 if quick else 8 if EFFORT.short else 16
            for number in range(count):
                shutil.copy(sample, photos / f"{number:02}.jpg")
            for processes in sorted({1, processes_for(count, os.cpu_count() or 1)}):
                workers = "--workers", str(processes)
                taken = run("reconstruct", str(photos), "-o", str(Path(folder) / f"results{processes}"), *workers)
                what = f"handsss reconstruct FOLDER of {count}, processes: {processes}"
                found.append({"contender": "handsss", "what": what, "a_second": round(count / taken, 3)})
        array = np.asarray(Image.open(sample).convert("RGB"))
    pipeline = HandPipeline("open")
    camera = intrinsics_from_fov(array.shape[1], array.shape[0])
    assert pipeline(array, camera), "no hand was found"
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        hands = pipeline(array, camera)
        times.append(time.perf_counter() - begin)
    stages = {name: round(1e3 * statistics.median([hands[0].seconds[name]]), 1) for name in hands[0].seconds}
    add("one photo in a running process", times, stages_ms=stages)
    (view,) = pipeline.find_hands(array, camera).inputs
    for together in (1, 2) if quick else (1, 2, 4, 8, 16):
        times = []
        for _ in range(2 if quick else 5):
            begin = time.perf_counter()
            pipeline.reconstruct([view] * together)
            times.append((time.perf_counter() - begin) / together)
        add(f"one hand of {together} together, found already", times)
    return {"rows": found}
