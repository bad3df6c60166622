"""Stages: each a process of its own with a limit of time, whose result is on the disk before the next one begins."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
GRACE = 4.0  # s that a stage has between being asked to end and being killed
LINES = 60  # of a log that are kept of a stage that failed


def stage_parser(description: str | None) -> argparse.ArgumentParser:
    """The options that every stage's program takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--device", required=True)
    parser.add_argument("--target", type=Path, required=True)
    parser.add_argument("--limit", type=float, required=True)
    parser.add_argument("--work", type=Path, required=True)
    return parser


def write(target: Path, content: dict[str, Any]) -> None:
    """Replace a JSON file in one go: a reader, or the end of everything, never meets half of it."""
    beside = target.with_name(target.name + ".new")
    beside.write_text(json.dumps(content, indent=1) + "\n")
    beside.replace(target)


def read(target: Path) -> dict[str, Any]:
    """A stage's file; empty where there is none."""
    try:
        content: dict[str, Any] = json.loads(target.read_text())
    except (OSError, ValueError):
        return {}
    return content


def keep(target: Path, result: dict[str, Any]) -> None:
    """Called by a stage whenever it knows more: what it found so far."""
    write(target, read(target) | {"result": result})


def run(
    name: str, command: list[str], target: Path, log: Path, *, limit: float, environment: dict[str, str]
) -> dict[str, Any]:
    """Run a stage to its end or to its limit.

    Args:
        name: of the stage.
        command: its process; it leads a process group that is killed as a whole.
        target: JSON file that it keeps its result in, and that its end is written to.
        log: what it prints.
        limit: s, the time to end in good order included.
        environment: of the process.

    Returns:
        The file's content: ``stage``, ``status`` ("passed", "failed" or "cut"), ``seconds``, ``limit_s``, ``result``,
        and the end of the ``log`` where something went wrong.
    """
    write(target, {"stage": name, "status": "running", "limit_s": round(limit, 1), "result": {}})
    begin = time.monotonic()
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code = process.wait(max(limit - GRACE, 0.1))
            status = "failed" if code else "passed"
        except subprocess.TimeoutExpired:
            status = "cut"
        finally:
            end_group(process)
    content = read(target) | {"status": status, "seconds": round(time.monotonic() - begin, 1)}
    if status != "passed":
        content["log"] = log.read_text(errors="replace").splitlines()[-LINES:]
    write(target, content)
    return content


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Ask a process group to end, and kill what is left of it."""
    if process.poll() is None:
        _send(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
    _send(process.pid, signal.SIGKILL)  # the leader may be gone, and those that it started still there
    process.wait()


def _send(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # all gone
        os.killpg(group, number)


def left_out(name: str, target: Path) -> dict[str, Any]:
    """Say of a stage that no time was left for it."""
    content = {
        "stage": name,
        "status": "cut",
        "seconds": 0.0,
        "limit_s": 0.0,
        "log": ["no time was left"],
        "result": {},
    }
    write(target, content)
    return content
