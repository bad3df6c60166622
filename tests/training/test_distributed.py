"""Training in two processes is training in one with the whole batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from handsss.errors import UserError
from handsss.network.checkpoint import load_checkpoint
from handsss.training.distributed import from_environment
from tests.cli.typed import typed
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


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, stores: tuple[Path, Path]) -> tuple[Path, str]:
    """A folder with what two processes left, and what they printed: gradients and a run.

    Each has its own torchrun: processes that meet, part and meet again over one store can wait for each other forever.
    """
    folder = tmp_path_factory.mktemp("two")
    settings = [word for setting in (*TINY, "schedule.batch=4") for word in ("--set", setting)]
    command = ("train", "--data", stores[0], "--val", stores[1], "--steps", "3", "--workers", "0", *settings)
    met = torchrun("-m", "tests.training.two_processes", folder / "two.pt", folder=folder)
    assert met.returncode == 0, met.stderr
    done = torchrun("-m", "handsss", *command, "--out", "two", folder=folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_gradients_are_the_whole_batchs(trained: tuple[Path, str]) -> None:
    two = torch.load(trained[0] / "two.pt", weights_only=True)
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


def test_the_command_in_two_processes(trained: tuple[Path, str]) -> None:
    folder, printed = trained
    assert printed.count("next: handsss evaluate") == 1  # one of them prints
    assert load_checkpoint(folder / "two" / "latest.pt")["step"] == 3


def test_a_batch_that_cannot_be_shared_out(
    tmp_path: Path, stores: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The process of a pair, whose other never comes: it does not wait for it."""
    world = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "localhost", "MASTER_PORT": "29511"}
    for name, value in world.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "error.json"))
    assert typed("train", "--data", stores[0], "--batch", 3, "--steps", 1, "--out", tmp_path / "odd") == 2
    message = "a batch of 3 cannot be shared out among 2 processes"
    assert message in capsys.readouterr().err
    assert not (tmp_path / "odd").exists()
    # torchrun's summary, which comes below the message, repeats it.
    assert message in json.loads((tmp_path / "error.json").read_text())["message"]["message"]


@pytest.mark.slow
def test_torchrun_ends_with_the_message(tmp_path: Path) -> None:
    done = torchrun("-m", "handsss", "train", "--data", "nowhere.h5", "--out", "odd", folder=tmp_path)
    assert done.returncode != 0
    assert "nowhere.h5: no such file" in done.stderr.strip().splitlines()[-2]


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


@pytest.mark.slow
def test_photos_and_online_pictures_in_two_processes(tmp_path: Path, stores: tuple[Path, Path]) -> None:
    """Rows of a kind may all fall to one process: the others must not leave it waiting for their share of a term."""
    config = [
        *TINY,
        "logging.log_every=1",
        "schedule.batch=4",
        "data.online_truth=true",
        "data.online_rows=4",
        "losses.squared_joints=false",
    ]
    settings = [word for setting in config for word in ("--set", setting)]
    data = ("--data", stores[0], "--data", "online")
    command = (
        "train",
        *data,
        "--stages",
        "shape",
        "--steps",
        "6",
        "--workers",
        "0",
        *settings,
        "--out",
        tmp_path / "two",
    )
    done = torchrun("-m", "handsss", *command, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "two" / "metrics.jsonl").read_text().splitlines()]
    trained = [line for line in lines if line["kind"] == "train"]
    errors = [line["E_3dj"] for line in trained]  # 0 of a batch without online pictures
    assert len(errors) == 6 and min(errors) >= 0 and 0 < max(errors) < 1, errors
    assert (tmp_path / "two" / "final.pt").exists()
