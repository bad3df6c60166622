"""Facts, tests, benchmarks and a training on a GPU, within a time; docs/gpu.md says how to read what comes out.

python -m benchmarks.gpu                             # ten minutes, into gpu-output/
python -m benchmarks.gpu --only facts tests          # these again, the others' results stay
python -m benchmarks.gpu --device cpu                # a rehearsal: everything in small, Triton interpreted
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu.stage import ROOT, left_out, run
from benchmarks.gpu.summary import table
from benchmarks.gpu.wheels import install

STAGES = {"facts": "facts", "tests": "checks", "benchmarks": "figures", "training": "training"}  # modules
# Of the time, at most: what a stage leaves is for the last one. Kernels are compiled in the first two.
SHARES = {
    "cuda": {"facts": 0.1, "tests": 0.22, "benchmarks": 0.31, "training": 0.37},
    "cpu": {"facts": 0.1, "tests": 0.45, "benchmarks": 0.15, "training": 0.3},
}
END = 6.0  # s for the table and the removal of what is not needed any more


def environment(work: Path, packages: Path, device: str) -> dict[str, str]:
    """Of all stages: this checkout and the carried packages first, caches where something can be written."""
    result = dict(os.environ)
    paths = [str(ROOT), str(packages), *result.get("PYTHONPATH", "").split(os.pathsep)]
    result["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    result |= {"PYTHONUNBUFFERED": "1", "COLUMNS": "160"}
    home = Path(result.get("HOME") or "/nonexistent")
    if not os.access(home, os.W_OK):
        result["HOME"] = str(work / "home")
        (work / "home").mkdir()
    result.setdefault("MPLCONFIGDIR", str(work / "matplotlib"))
    if not os.access(ROOT / "handsss" / "rendering" / "cpu", os.W_OK):
        result.setdefault("NUMBA_CACHE_DIR", str(work / "numba"))
    if device == "cpu" and importlib.util.find_spec("triton") is not None:
        result["TRITON_INTERPRET"] = "1"
    return result


def limits(stages: list[str], seconds: float, device: str = "cuda") -> dict[str, float]:
    """Seconds of each stage; the last one may take what the others leave."""
    shares = {name: SHARES[device][name] for name in stages}
    return {name: seconds * share / sum(shares.values()) for name, share in shares.items()}


def stage(
    name: str, options: argparse.Namespace, work: Path, limit: float, variables: dict[str, str]
) -> dict[str, Any]:
    """One stage; what its file says."""
    target = options.out / f"{name}.json"
    own = work / name
    own.mkdir()
    words = ["--device", options.device, "--target", str(target), "--limit", f"{limit:.1f}", "--work", str(own)]
    if name == "training":
        words += ["--train", options.train]
        words += ["--backgrounds", str(options.backgrounds.resolve())] if options.backgrounds else []
        words += ["--photos", str(options.photos.resolve())] if options.photos else []
    command = [sys.executable, "-m", f"benchmarks.gpu.{STAGES[name]}", *words]
    return run(name, command, target, work / f"{name}.log", limit=limit, environment=variables)


def everything(options: argparse.Namespace, work: Path) -> int:
    """All stages asked for; 0, or 1 if something failed."""
    begin = time.monotonic()
    end = begin + 60 * options.minutes - END
    options.out.mkdir(parents=True, exist_ok=True)
    chosen = [name for name in STAGES if name in options.only]
    print(f"packages put in place: {', '.join(install(options.wheels, work / 'packages', sys.executable)) or 'none'}")
    variables = environment(work, work / "packages", options.device)
    share = limits(chosen, end - time.monotonic(), options.device)
    for name in chosen:
        left = end - time.monotonic()
        limit = left if name == chosen[-1] else min(left, share[name])
        print(f"{name}: {limit:.0f} s at most ...", flush=True)
        if limit < 8:
            left_out(name, options.out / f"{name}.json")
            continue
        found = stage(name, options, work, limit, variables)
        print(f"{name}: {found['status']} in {found['seconds']:.0f} s", flush=True)
        for line in found.get("log", [])[-25:]:
            print(f"    {line}", flush=True)
    text, passed = table(options.out, chosen)
    print(f"\n{text}\n{time.monotonic() - begin:.0f} s in all; files in {options.out}", flush=True)
    return int(not passed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gpu-output"), help="folder (gpu-output)")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--minutes", type=float, default=10.0, help="for everything together (10)")
    parser.add_argument("--only", nargs="+", choices=list(STAGES), default=list(STAGES), help="stages to run")
    parser.add_argument("--wheels", type=Path, default=ROOT / ".wheels", help="folder of `make wheels`")
    parser.add_argument("--backgrounds", type=Path, help="photos without hands for the training's pictures")
    parser.add_argument("--photos", type=Path, help="photos of hands for the training, without labels")
    parser.add_argument("--train", default="", metavar="'OPTIONS'", help="further options of handsss train")
    options = parser.parse_args()
    if not 0.5 <= options.minutes <= 24 * 60:
        parser.error("--minutes: expected half a minute to a day")
    if options.backgrounds and not options.backgrounds.is_dir():
        parser.error(f"--backgrounds {options.backgrounds}: no such folder")
    if options.photos and not options.photos.is_dir():
        parser.error(f"--photos {options.photos}: no such folder")
    options.out = options.out.resolve()

    def stop(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)  # the stage's processes are ended on the way out

    signal.signal(signal.SIGTERM, stop)
    work = Path(tempfile.mkdtemp(prefix="handsss-gpu-"))
    try:
        return everything(options, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
