"""How a stopped run is gone on with, and what a full disk leaves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import typer

from handsss.cli.train_run import _callbacks, _shown, resume_command
from handsss.cli.train_view import TrainingView
from handsss.io.atomic import DiskFullError, write_error
from handsss.training.launch import TrainResult
from handsss.training.progress import StoppedError
from handsss.training.run_files import nothing_saved_yet

WORLD = {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}


def world(monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    for name, value in (WORLD | more).items():
        monkeypatch.setenv(name, value)


def test_the_command_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resume_command(Path("my runs/a")) == "handsss train --resume --out 'my runs/a'"
    world(monkeypatch, LOCAL_WORLD_SIZE="2")
    assert resume_command(Path("r")).startswith("torchrun --nproc-per-node 2 -m handsss train --resume --out r (what ")
    world(monkeypatch, WORLD_SIZE="8", LOCAL_WORLD_SIZE="4", GROUP_WORLD_SIZE="2")
    assert resume_command(Path("r")).startswith("torchrun --nproc-per-node 4 -m handsss train --resume --out r (on 2 ")


@pytest.mark.parametrize("rank", ["0", "1"])
def test_one_process_speaks(monkeypatch: pytest.MonkeyPatch, rank: str) -> None:
    world(monkeypatch, RANK=rank, LOCAL_RANK=rank, LOCAL_WORLD_SIZE="2")

    def train() -> TrainResult:
        raise StoppedError("interrupted: saved.", Path("r"))

    expected: type[BaseException] = StoppedError if rank == "0" else typer.Exit
    with pytest.raises(expected) as error:
        _shown(train, TrainingView(quiet=True))
    assert getattr(error.value, "exit_code", None) == 130
    if rank == "0":
        assert "saved. Go on with: torchrun --nproc-per-node 2" in str(error.value)


@pytest.mark.parametrize("saved", [False, True])
def test_a_full_disk_proposes_what_can_be_done(tmp_path: Path, saved: bool) -> None:
    if saved:
        (tmp_path / "latest.pt").touch()
    full = write_error(tmp_path / "config.toml", OSError(28, os.strerror(28)), resumable=True)
    with pytest.raises(DiskFullError) as error, nothing_saved_yet(tmp_path):
        raise full
    assert ("resume" in error.value.options) == saved
    assert ("there is nothing to resume" in str(error.value)) != saved


def test_remarks_of_a_run_are_not_broken_into_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    words = "without E_depth: `handsss preprocess ... --keypoints detect` writes them " * 3
    _callbacks(TrainingView()).note(words)
    assert capsys.readouterr().out == words + "\n"
