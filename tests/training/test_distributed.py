"""Training in two processes is training in one with the whole batch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from handsss.errors import UserError
from handsss.network.checkpoint import load_checkpoint
from handsss.training.distributed import from_environment
from tests.training.conftest import TINY
from tests.training.two_processes import gradients, share_of_gradients

ROOT = Path(__file__).parents[2]


def torchrun(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )


def test_gradients_are_the_whole_batchs(tmp_path: Path) -> None:
    done = torchrun("-m", "tests.training.two_processes", tmp_path / "two.pt", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    two = torch.load(tmp_path / "two.pt", weights_only=True)
    one = gradients(0, 1)
    assert set(one) == set(two)
    largest = max(float(value.abs().max()) for value in one.values())
    assert largest > 1e-3
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-3, atol=1e-5 * largest, msg=lambda m, n=name: f"{n}: {m}")
    # And the halves alone would not have given it: their sums of weights differ.
    halves = [share_of_gradients(rank) for rank in (0, 1)]
    name = "regressor.rotation.2.weight"
    mean = (halves[0][name] + halves[1][name]) / 2
    assert float((mean - one[name]).abs().max()) > 0.05 * float(one[name].abs().max())


def test_the_command_in_two_processes(tmp_path: Path, stores: tuple[Path, Path]) -> None:
    settings = [word for setting in (*TINY, "schedule.batch=4") for word in ("--set", setting)]
    common = ("train", "--data", stores[0], "--val", stores[1], "--steps", "3", "--workers", "0", *settings)
    done = torchrun("-m", "handsss", *common, "--out", "two", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("next: handsss evaluate") == 1  # one of them prints
    content = load_checkpoint(tmp_path / "two" / "latest.pt")
    assert content["step"] == 3
    odd = torchrun("-m", "handsss", *common, "--batch", "3", "--out", "odd", folder=tmp_path)
    assert odd.returncode != 0 and "a batch of 3 cannot be shared out among 2 processes" in odd.stderr


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert from_environment() == (0, 1, 0)
    world = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "29511"}
    for name, value in world.items():
        monkeypatch.setenv(name, value)
    assert from_environment() == (5, 8, 1) and not from_environment().first
    monkeypatch.setenv("WORLD_SIZE", "1")
    with pytest.raises(UserError, match="RANK=5, but WORLD_SIZE=1"):
        from_environment()
    monkeypatch.setenv("RANK", "0")
    assert from_environment() == (0, 1, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"LOCAL_RANK": None}, "WORLD_SIZE=2, but LOCAL_RANK is not set. Start several processes with torchrun"),
        ({"MASTER_ADDR": None, "MASTER_PORT": ""}, "MASTER_ADDR and MASTER_PORT are not set"),
        ({"WORLD_SIZE": None}, "RANK=1, but WORLD_SIZE is not set"),
        ({"RANK": "first"}, "RANK=first: expected a whole number"),
        ({"RANK": "2"}, "expected ranks from 0 to 1"),
        ({"WORLD_SIZE": "0"}, "expected 1 or more"),
    ],
)
def test_half_a_world_is_refused(monkeypatch: pytest.MonkeyPatch, changes: dict[str, str | None], message: str) -> None:
    """Each process would train alone, into the same folder."""
    world = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "29511"}
    for name, value in {**world, **changes}.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=message):
        from_environment()
