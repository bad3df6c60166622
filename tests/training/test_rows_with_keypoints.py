"""Runs that could learn nothing are refused before their first step."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import pytest

from handsss.errors import InputError, UserError
from handsss.training.launch import Callbacks, RuntimeOptions, TrainOptions, launch
from tests.training.conftest import TINY

RUNTIME = RuntimeOptions("cpu", workers=0, tensorboard=False)


def without_keypoints(store: Path, target: Path, rows: int) -> Path:
    shutil.copy(store, target)
    with h5py.File(target, "r+") as file:
        file["confidence"][:rows] = 0
    return target


def start(data: Path, folder: Path, *settings: str, supervision: str = "ssl") -> list[str]:
    """The notes of a run up to its first step, which is not made."""

    class BuiltError(Exception):
        pass

    notes: list[str] = []

    def built(run: object) -> None:
        raise BuiltError

    options = TrainOptions(data, out=folder, settings=(*TINY, *settings), supervision=supervision)
    with pytest.raises(BuiltError):
        launch(options, RUNTIME, Callbacks(note=notes.append, start=built))
    return notes


def test_a_store_without_a_keypoint_is_refused(tmp_path: Path, stores: tuple[Path, Path]) -> None:
    said: list[str] = []
    callbacks = Callbacks(note=said.append, prepare=lambda device: said.append("compiling"))
    for source, rows in zip(stores, (8, 4), strict=True):
        data = without_keypoints(source, tmp_path / source.name, rows)
        with pytest.raises(InputError, match="no row has a 2D keypoint, so there is nothing to learn from"):
            launch(TrainOptions(data, out=tmp_path / "run", settings=TINY), RUNTIME, callbacks)
        assert said == []  # refused before anything is warned of, or compiled
        assert not (tmp_path / "run").exists()


def test_few_keypoints_are_warned_of(tmp_path: Path, stores: tuple[Path, Path]) -> None:
    few = without_keypoints(stores[0], tmp_path / "few.h5", 5)
    (note, *_) = start(few, tmp_path / "run")
    assert note.startswith("only 37.5 % of the rows of") and "warned of under 50 %" in note
    enough = without_keypoints(stores[0], tmp_path / "enough.h5", 4)
    assert not [note for note in start(enough, tmp_path / "run") if "warned of under" in note]


@pytest.mark.parametrize(("batch", "processes", "least"), [(1, 1, 2), (2, 2, 4)])
def test_one_row_a_process_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stores: tuple[Path, Path], batch: int, processes: int, least: int
) -> None:
    if processes > 1:
        world = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "29511"}
        for name, value in world.items():
            monkeypatch.setenv(name, value)
    options = TrainOptions(stores[0], out=tmp_path / "run", settings=(*TINY, f"schedule.batch={batch}"))
    with pytest.raises(UserError, match=f"batch normalisation needs at least 2 rows.*Give batch {least} or more"):
        launch(options, RUNTIME)
