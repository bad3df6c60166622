"""Loggers: what reaches TensorBoard, Weights & Biases and MLflow (both offline), and what happens when one fails."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handsss.errors import UserError
from handsss.training.launch import Callbacks, RuntimeOptions, TrainOptions, launch, resume
from handsss.training.loggers.base import RunFacts
from handsss.training.loggers.fan_out import LOGGERS, Loggers, logger_names
from tests.training.conftest import TINY

TOML = "[schedule]\nbatch = 2\n\n[losses]\nw_con = 0.5\n\n[shape]\nlr = 0.001\n"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections beyond this machine fail the test; W&B talks to a process of its own over a local one."""
    for name in ("WANDB_MODE", "WANDB_PROJECT", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            assert str(address[0]).startswith(("127.", "::1", "localhost")), address
        real(self, address)

    def look_up(host: Any, *arguments: Any, **options: Any) -> Any:
        assert host in (None, "", "localhost", "127.0.0.1"), host
        return looked_up(host, *arguments, **options)

    looked_up = socket.getaddrinfo
    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def logged(folder: Path, name: str, *, step: int = 0) -> list[str]:
    """A step and a picture; what went wrong."""
    notes: list[str] = []
    folder.mkdir(exist_ok=True)
    loggers = Loggers([name], RunFacts.of(folder, step, TOML), notes.append)
    loggers.values("train", step + 1, {"E": 0.5, "stage": "shape", "area": float("nan")})
    loggers.values("validation", step + 1, {"aligned_mpjpe_mm": 12.5})
    loggers.picture(step + 1, "validation/samples", np.full((20, 30, 3), 90, np.uint8))
    loggers.close()
    return notes


def events_of(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"), size_guidance={"images": 0})
    events.Reload()
    return events


def test_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    assert logged(tmp_path, "tensorboard") == []
    events = events_of(tmp_path)
    assert [(e.step, e.value) for e in events.Scalars("train/E")] == [(1, 0.5)]
    assert "train/area" not in events.Tags()["scalars"]
    assert [(e.step, e.width, e.height) for e in events.Images("validation/samples")] == [(1, 30, 20)]
    tensor = events.Tensors("settings/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "    w_con = 0.5" in tensor
    hparams = events.PluginTagToContent("hparams")
    assert any(b"losses.w_con" in content for content in hparams.values())


@pytest.mark.slow
def test_weights_and_biases_offline(tmp_path: Path, no_network: None) -> None:
    pytest.importorskip("wandb")
    assert logged(tmp_path, "wandb") == []
    (run,) = (tmp_path / "wandb").glob("offline-run-*")
    assert list(run.glob("files/media/images/validation/samples_*.png"))
    content = next(run.glob("*.wandb")).read_bytes()
    assert b"validation/aligned_mpjpe_mm" in content and b"losses.w_con" in content
    identity = json.loads((tmp_path / "loggers.json").read_text())["wandb"]
    assert logged(tmp_path, "wandb", step=5) == []
    assert len(list((tmp_path / "wandb").glob(f"offline-run-*-{identity}"))) >= 1


@pytest.mark.slow
def test_mlflow_in_files(tmp_path: Path, no_network: None) -> None:
    pytest.importorskip("mlflow")
    assert logged(tmp_path, "mlflow") == []
    assert logged(tmp_path, "mlflow", step=5) == []  # goes on in the same run
    identity = json.loads((tmp_path / "loggers.json").read_text())["mlflow"]
    (run,) = (tmp_path / "mlflow").glob(f"*/{identity}")
    assert (run / "params/losses.w_con").read_text() == "0.5"
    lines = (run / "metrics/train/E").read_text().splitlines()
    assert [line.split()[1:] for line in lines] == [["0.5", "1"], ["0.5", "6"]]
    assert list(run.glob("artifacts/images/validation_samples*.png"))
    assert (run / "artifacts/config.toml").read_text() == TOML


@pytest.mark.parametrize("name", LOGGERS)
def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError, match=rf'pip install "handsss\[{name}\]"') as caught:
        logger_names([name], False)
    assert caught.value.options[0] == "log"  # TensorBoard has an option of its own, too
    assert name not in logger_names([], None)


def test_names_of_loggers() -> None:
    with pytest.raises(UserError, match="expected tensorboard, wandb, mlflow"):
        logger_names(["tensor"], False)
    assert logger_names([], False) == ()
    with pytest.raises(UserError, match=r"^logging.to = board: expected tensorboard"):
        logger_names([], False, settings=("board",))
    with pytest.raises(UserError, match=r"^log board: expected tensorboard"):
        logger_names(["board"], False, settings=("tensorboard",))


class Failing:
    """Fails at its third call."""

    calls = 0

    def __init__(self, facts: RunFacts) -> None:
        pass

    def values(self, step: int, values: Mapping[str, float]) -> None:
        Failing.calls += 1
        if Failing.calls == 3:
            raise ConnectionError("no route to host\nand more")

    def picture(self, step: int, name: str, picture: np.ndarray) -> None:
        assert picture.ndim == 3

    def close(self) -> None:
        raise AssertionError("closed after it failed")


TOLD = "tensorboard failed (no route to host); the training goes on without it, metrics.jsonl has all figures"


def test_a_failing_logger_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from handsss.training.loggers import tensorboard_logger

    monkeypatch.setattr(tensorboard_logger, "TensorBoardLogger", Failing)
    monkeypatch.setattr(Failing, "calls", 0)
    notes: list[str] = []
    loggers = Loggers(["tensorboard"], RunFacts.of(tmp_path, 0, TOML), notes.append)
    for step in range(1, 6):
        loggers.values("train", step, {"E": 1.0})
        loggers.picture(step, "train/samples", np.zeros((2, 2, 3), np.uint8))
    assert not loggers
    loggers.close()
    assert notes == [TOLD] and Failing.calls == 3


@pytest.mark.slow
def test_a_failing_logger_does_not_end_a_training(
    stores: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from handsss.training.loggers import tensorboard_logger

    monkeypatch.setattr(tensorboard_logger, "TensorBoardLogger", Failing)
    monkeypatch.setattr(Failing, "calls", 0)
    notes: list[str] = []
    options = TrainOptions(stores[0], stores[1], tmp_path / "run", "small", None, (*TINY, "schedule.steps=3"))
    launch(options, RuntimeOptions("cpu", workers=0, tensorboard=True), Callbacks(note=notes.append))
    assert [note for note in notes if "failed" in note] == [TOLD]
    assert Failing.calls == 3 and (tmp_path / "run/final.pt").exists()


@pytest.mark.slow
def test_a_run_with_all_loggers(stores: tuple[Path, Path], tmp_path: Path, no_network: None) -> None:
    """Those that are installed; a resumed run goes on."""
    names = [name for name in LOGGERS if find_spec(name) is not None]
    listed = ",".join(names)
    settings = (
        *TINY,
        "schedule.steps=2",
        "logging.picture_every=1",
        "logging.validate_every=1",
        f"logging.to=[{listed}]",
    )
    options = TrainOptions(stores[0], stores[1], tmp_path / "run", "small", None, settings)
    notes: list[str] = []
    launch(options, RuntimeOptions("cpu", workers=0), Callbacks(note=notes.append))
    resume(tmp_path / "run", RuntimeOptions("cpu", workers=0), Callbacks(note=notes.append), steps=3)
    assert not [note for note in notes if "failed" in note]
    if "tensorboard" in names:
        events = events_of(tmp_path / "run")
        assert [e.step for e in events.Images("validation/samples")] == [0, 1, 2, 3]
        assert [e.step for e in events.Images("train/samples")] == [1, 2, 3]
    if "mlflow" in names:
        assert len(list((tmp_path / "run/mlflow").glob("*/*/metrics/validation/mpjpe_mm"))) == 1
