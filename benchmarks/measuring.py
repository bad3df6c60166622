"""Timing for the benchmarks: contenders interleaved, medians after a warm-up, peak memory, machine limits.

On a CPU the clock counts the process' own time, which other programs disturb least, with one thread; on CUDA it is the
wall's, waiting for the GPU at every reading.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

Pass = Callable[[], object]


@dataclass
class Timing:
    """One contender."""

    contender: str
    median_ms: float  # a call
    least_ms: float
    p90_ms: float
    repeats: int
    peak_mb: float | None  # memory beyond what was held before the call; None where the system does not tell


def now(device: str) -> float:
    """Seconds."""
    if device == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


@dataclass
class Effort:
    """How long contenders are called; ``short`` serves runs of minutes: real cases, but fewer, and fewer calls."""

    short: bool = False


EFFORT = Effort()


def measure(
    passes: dict[str, Pass], device: str, *, repeats: int = 30, warm_up: int = 3, seconds: float = 40.0
) -> list[Timing]:
    """Call contenders in turns.

    Args:
        passes: by name.
        device: "cpu" or "cuda".
        repeats: timed calls of each.
        warm_up: calls before that are not counted; contenders slower than a second get one.
        seconds: a contender that took so long stops early, after two calls at least.
    """
    if EFFORT.short:
        repeats, seconds = min(repeats, 10), min(seconds, 1.5)
    peaks, times = {}, {name: [] for name in passes}
    for name, call in passes.items():
        begin = time.perf_counter()
        peaks[name] = peak_memory(call, device)
        if time.perf_counter() - begin < 1:
            for _ in range(warm_up - 1):
                call()
            peaks[name] = peak_memory(call, device)  # without what is loaded or compiled once
    begun = dict.fromkeys(passes, 0.0)
    for turn in range(repeats):
        for name, call in passes.items():
            if turn >= 2 and begun[name] > seconds:
                continue
            begin, wall = now(device), time.perf_counter()
            call()
            times[name].append((now(device) - begin) * 1e3)
            begun[name] += time.perf_counter() - wall
    return [summary(name, values, peaks[name]) for name, values in times.items()]


def summary(name: str, milliseconds: list[float], peak: float | None = None) -> Timing:
    """The figures of one contender."""
    values = np.array(milliseconds)
    return Timing(
        name,
        *(float(f"{value:.4g}") for value in (np.median(values), values.min(), np.percentile(values, 90))),
        len(values),
        None if peak is None else round(peak, 1),
    )


def rows(timings: list[Timing], **facts: Any) -> list[dict[str, Any]]:
    """Timings as JSON, each with facts about what was timed."""
    return [facts | asdict(timing) for timing in timings]


def peak_memory(call: Pass, device: str) -> float | None:
    """Megabytes at the highest beyond what was held before."""
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    status, clear = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # what was freed before goes back to the system
        clear.write_text("5")  # forgets the peak so far
        before = _kilobytes(status, "VmRSS")
        call()
        return max(0.0, (_kilobytes(status, "VmHWM") - before) / 1e3)
    except OSError:  # not Linux, or not allowed
        call()
        return None


def _kilobytes(status: Path, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", status.read_text(), re.MULTILINE)
    if found is None:
        raise OSError(f"{status} does not tell {name}")
    return int(found[1])


def machine(device: str) -> dict[str, Any]:
    """Facts about the machine."""
    from importlib.metadata import PackageNotFoundError, version

    def installed(name: str) -> str | None:
        try:
            return version(name)
        except PackageNotFoundError:
            return None

    processor = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
        processor = found[1] if found else processor
    facts: dict[str, Any] = {
        "processor": processor,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: installed(name) for name in ("handsss", "torch", "numpy", "numba", "triton", "smplx")},
        "threads": torch.get_num_threads(),
    }
    if hasattr(os, "sysconf"):
        facts["memory_gb"] = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    if device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        facts["gpu"] = properties.name
        facts["gpu_memory_gb"] = round(properties.total_memory / 1e9, 1)
        facts["cuda"] = torch.version.cuda
    return facts


def load() -> float | None:
    """Load average of the last minute: above the number of cores, timings are unreliable."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def rates(device: str) -> dict[str, float]:
    """Bytes and operations a second that this machine reaches with torch: copying, and multiplying matrices of float32,
    on CUDA of bfloat16 too."""
    sides = (2048, 4096, 8192) if device == "cuda" else (512, 1024, 2048)
    source = torch.rand(1 << (28 if device == "cuda" else 25), device=device)
    target = torch.empty_like(source)
    passes: dict[str, Pass] = {"copy": lambda: target.copy_(source)}
    for side in sides:
        a, b = (torch.rand(side, side, device=device) for _ in range(2))
        passes[str(side)] = lambda a=a, b=b: a @ b
        if device == "cuda":
            low_a, low_b = a.bfloat16(), b.bfloat16()
            passes[f"{side} bfloat16"] = lambda a=low_a, b=low_b: a @ b
    # What the machine can do, not what it did while something else ran: the best of many.
    least = {timing.contender: timing.least_ms / 1e3 for timing in measure(passes, device, repeats=25, seconds=10)}

    def best(kind: str) -> float:
        return max(2 * side**3 / least[f"{side}{kind}"] for side in sides)

    found = {"bytes_a_second": 2 * 4 * source.numel() / least["copy"], "operations_a_second": best("")}
    return found | ({"bfloat16_operations_a_second": best(" bfloat16")} if device == "cuda" else {})


def floor(
    machine_rates: dict[str, float], *, size: float = 0.0, operations: float = 0.0, contender: str = ""
) -> dict[str, float]:
    """The least milliseconds that so many bytes and operations take on this machine; a contender that computes in
    bfloat16 has that rate, where it was measured."""
    low = machine_rates.get("bfloat16_operations_a_second") if "bfloat16" in contender else None
    seconds = max(size / machine_rates["bytes_a_second"], operations / (low or machine_rates["operations_a_second"]))
    return {"bytes": size, "operations": operations, "floor_ms": float(f"{1e3 * seconds:.3g}")}


def operations_of(call: Pass) -> float:
    """Multiplications and additions in matrix products and convolutions, counted by torch without gradients.

    A backward pass has twice as many; torch's own count of those takes depthwise convolutions for full ones.
    """
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        call()
    return float(counter.get_total_flops())
