"""The short table at the end, from the stages' files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from benchmarks.gpu.stage import read

MOST_FILES, MOST_BYTES = 8, 16 << 20


def table(folder: Path, stages: list[str]) -> tuple[str, bool]:
    """The table, and whether every stage passed."""
    lines, passed = [], True
    for name in stages:
        content = read(folder / f"{name}.json")
        status = content.get("status", "missing")
        passed &= status == "passed"
        lines.append(
            f"{name:<11} {status:<7} {content.get('seconds', 0):>5.0f} s  {_words(name, content.get('result', {}))}"
        )
    return "\n".join([*lines, *problems(folder)]), passed and not problems(folder)


def _words(name: str, result: dict[str, Any]) -> str:
    """A stage's main figures; what is not there is left out."""
    if name == "facts":
        gpu, rates = result.get("gpu", {}), result.get("rates", {})
        parts = [str(gpu.get("name", ""))]
        if "copy_bytes_a_second" in rates:
            parts.append(f"copy {rates['copy_bytes_a_second'] / 1e9:.0f} GB/s")
            parts += [
                f"{kind} {rates[kind + '_operations_a_second'] / 1e12:.3g} TFLOP/s" for kind in ("float32", "bfloat16")
            ]
        lacking = [module for module, said in result.get("modules", {}).items() if said.startswith("not importable")]
        parts += [f"lacks {', '.join(lacking)}"] if lacking else []
    elif name == "tests":
        parts = [f"{result.get(kind, 0)} {kind}" for kind in ("passed", "failed", "skipped")]
    elif name == "benchmarks":
        parts = [_first(part, content) for part, content in result.items() if part in ("layer", "renderer", "step")]
        parts.append(f"{len(result)} parts")
    else:
        parts = []
        validation = result.get("curve", {}).get("validation", [])
        if validation:
            first, last = validation[0]["aligned_mpjpe_mm"], validation[-1]["aligned_mpjpe_mm"]
            parts = [f"{result['curve']['steps_made']} steps, aligned MPJPE {first:.1f} -> {last:.1f} mm"]
        made = result.get("pictures", {})
        parts += [f"{made['photos']} photos"] if made.get("photos") else []
        parts += result.get("failures", [])
    return ", ".join(part for part in parts if part)


def _first(part: str, content: dict[str, Any]) -> str:
    """The package's own last row of a part, per item."""
    own = [row for row in content.get("rows", []) if row["contender"].startswith(("handsss", "triton", "numba"))]
    if not own:
        return ""
    row = own[-1]
    return f"{part} {row['median_ms'] / row['count']:.3g} ms (floor {row['floor_ms'] / row['count']:.2g})"


def problems(folder: Path) -> list[str]:
    """What would keep files from being copied: too many, too large, too deep, or with odd names."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    found = [f"{len(files)} files; {MOST_FILES} are meant to be the most"] if len(files) > MOST_FILES else []
    for path in files:
        inner = path.relative_to(folder)
        if path.stat().st_size > MOST_BYTES:
            found.append(f"{inner} is larger than {MOST_BYTES >> 20} MiB")
        if len(inner.parts) > 3 or any(not re.fullmatch(r"[A-Za-z0-9._-]+", part) for part in inner.parts):
            found.append(f"{inner}: lies too deep, or has an odd name")
    return found
