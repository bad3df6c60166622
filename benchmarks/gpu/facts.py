"""What the machine is, and the rates that it reaches: ceilings for all other figures."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from benchmarks.gpu.stage import keep, stage_parser

MODULES = (
    *("torch", "triton", "numpy", "scipy", "numba", "PIL", "h5py", "trimesh", "typer", "rich", "pydantic"),
    *("matplotlib", "ai_edge_litert.interpreter", "safetensors", "efficientnet_pytorch", "pytest"),
)


def modules() -> dict[str, str]:
    """Version of every package that handsss needs, or why it cannot be imported."""
    found = {}
    for name in MODULES:
        try:
            found[name] = str(getattr(importlib.import_module(name), "__version__", "there"))
        except Exception as error:  # a library built for another one raises anything
            found[name] = f"not importable: {type(error).__name__}: {error}"[:300]
    return found


def system() -> dict[str, Any]:
    """Processor, memory, disk, versions."""
    from benchmarks.measuring import machine

    facts = machine("cpu")
    facts |= {"executable": sys.executable, "user": os.environ.get("USER", ""), "home": os.path.expanduser("~")}
    facts |= {"free_disk_gb": round(shutil.disk_usage(".").free / 1e9, 1), "glibc": platform.libc_ver()[1]}
    return facts


def card() -> dict[str, Any]:
    """The GPU by PyTorch and by its driver."""
    import torch

    if not torch.cuda.is_available():
        raise RuntimeError(f"torch {torch.__version__} (CUDA {torch.version.cuda}) finds no CUDA GPU")
    p = torch.cuda.get_device_properties(0)
    facts: dict[str, Any] = {
        "name": p.name,
        "memory_gb": round(p.total_memory / 1e9, 1),
        "multiprocessors": p.multi_processor_count,
        "capability": f"{p.major}.{p.minor}",
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "bfloat16": torch.cuda.is_bf16_supported(),
    }
    if shutil.which("nvidia-smi"):
        names = "driver_version,clocks.max.sm,clocks.max.memory,power.limit,utilization.gpu,memory.used"
        command = ["nvidia-smi", f"--query-gpu={names}", "--format=csv,noheader", "-i", "0"]
        told = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout.strip()
        facts |= dict(zip(names.split(","), (part.strip() for part in told.split(",")), strict=False))
    return facts


def speeds(device: str, tiny: bool) -> dict[str, float]:
    """Copying (bytes read and written a second) and products of matrices (operations a second), by events on a GPU."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False

    def seconds(call: Callable[[], object], repeats: int = 3 if tiny else 20) -> float:
        call()
        best = float("inf")
        for _ in range(repeats):
            if device == "cuda":
                begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
                begin.record()
                call()
                end.record()
                torch.cuda.synchronize()
                best = min(best, begin.elapsed_time(end) / 1e3)
            else:
                start = time.perf_counter()
                call()
                best = min(best, time.perf_counter() - start)
        return best

    count = 1 << (20 if tiny else 29)
    source = torch.rand(count, device=device)
    target = torch.empty_like(source)
    found = {"copy_bytes_a_second": 2 * 4 * count / seconds(lambda a=target, b=source: a.copy_(b))}
    del source, target
    side = 256 if tiny else 8192
    for name, kind in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        a, b = (torch.randn(side, side, device=device).to(kind) for _ in range(2))
        found[f"{name}_operations_a_second"] = 2 * side**3 / seconds(lambda a=a, b=b: a @ b)
    return {name: float(f"{value:.4g}") for name, value in found.items()}


def first_picture(device: str) -> dict[str, float]:
    """Seconds of the first rendering with gradients, in which Triton compiles, and of the next one."""
    import torch

    from benchmarks.render import draw, scene

    parts, times = scene(1, device), []
    for _ in range(2):
        begin = time.perf_counter()
        draw(parts, "triton", True, 32 if device == "cpu" else 224)
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(round(time.perf_counter() - begin, 4))
    return {"first_s": times[0], "next_s": times[1]}


def main() -> int:
    options = stage_parser(__doc__).parse_args()
    tiny = options.device == "cpu"
    asked: dict[str, Callable[[], Any]] = {"system": system, "modules": modules}
    if options.device == "cuda":
        asked["gpu"] = card
    asked |= {"rates": lambda: speeds(options.device, tiny), "renderer": lambda: first_picture(options.device)}
    result: dict[str, Any] = {}
    failed = False
    for name, call in asked.items():
        try:
            result[name] = call()
        except Exception as error:
            traceback.print_exc()
            result[name] = {"failed": f"{type(error).__name__}: {error}"[:500]}
            failed = True
        keep(options.target, result)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
