"""Synthetic datasets whose making was killed again and again are the same as undisturbed ones."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.typed import typed
from tests.data.test_synthetic import same_folders

RUN = [sys.executable, "-m", "handsss", "synthesize", "--eval", "1", "--seed", "4", "-q"]


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(2))
def test_killed_runs_go_on(tmp_path: Path, turn: int) -> None:
    command = [*RUN, "-n", "130", "--workers", "2"]
    begin = time.perf_counter()
    subprocess.run([*command, "-o", "whole"], cwd=tmp_path, check=True)
    whole = time.perf_counter() - begin
    chance = random.Random(turn)
    for _ in range(6):
        process = subprocess.Popen([*command, "-o", "cut", "--resume"], cwd=tmp_path)
        time.sleep(chance.uniform(0.3, 0.9) * whole)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if not (tmp_path / "cut/synthesis.json").exists():
            assert not (tmp_path / "cut/training_K.json").exists() or (tmp_path / "cut/.parts").exists()
    time.sleep(1.5)  # orphaned workers end by themselves
    if not (tmp_path / "cut/synthesis.json").exists():
        stray = tmp_path / "cut/training/mask/.0123456789ab.tmp"  # a kill in mid-write, made certain
        stray.parent.mkdir(parents=True, exist_ok=True)
        stray.write_bytes(b"half")
    subprocess.run([*command, "-o", "cut", "--resume"], cwd=tmp_path, check=True)
    same_folders(tmp_path / "whole", tmp_path / "cut")


def test_a_full_disk(tmp_path: Path) -> None:
    """A limit on the size of files stands in for a full disk: pictures fit, a block's truth does not."""
    command = [*RUN, "-n", "6", "--workers", "1"]

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    full = subprocess.run(
        [*command, "-o", "cut"], cwd=tmp_path, capture_output=True, text=True, check=False, preexec_fn=small
    )
    assert full.returncode == 1, full.stderr
    assert "no space left on the disk. What is finished is kept" in full.stderr
    assert "Traceback" not in full.stderr
    assert not (tmp_path / "cut/training_K.json").exists()
    for more in (["-o", str(tmp_path / "cut"), "--resume"], ["-o", str(tmp_path / "whole")]):
        assert typed(*command[3:], *more) == 0
    same_folders(tmp_path / "whole", tmp_path / "cut")


def test_control_c(tmp_path: Path) -> None:
    """An interrupt from the terminal goes to all processes of the group: one sentence, no tracebacks, exit code 130."""
    command = [*RUN, "-n", "6000", "--workers", "2", "-o", "cut"]

    def listen() -> None:
        """A shell's background jobs ignore interrupts, and hand that down."""
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=listen,
    )
    begin = time.monotonic()
    while not (tmp_path / "cut/training/rgb/00000001.jpg").exists() and time.monotonic() - begin < 60:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "interrupted. What is finished is kept. Go on with: handsss synthesize" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "cut/training_K.json").exists()
