"""Starting and resuming runs from Python."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from types import SimpleNamespace

import h5py
import pytest
import torch

from handsss.errors import UserError
from handsss.network.checkpoint import load_checkpoint
from handsss.training import stopping as stopping_module
from handsss.training.distributed import Processes
from handsss.training.launch import (
    Callbacks,
    RuntimeOptions,
    TrainOptions,
    launch,
    reading_processes,
    resume,
)
from handsss.training.progress import Progress, StoppedError
from handsss.training.recipe import keypoint_origin, true_keypoints_note
from handsss.training.run import TrainingRun
from handsss.training.run_data import validation_beside
from tests.training.conftest import TINY

RUNTIME = RuntimeOptions("cpu", workers=0, tensorboard=False, command=("train", "it"))
SETTINGS = (*TINY, "schedule.stages=[shape]", "schedule.steps=3", "losses.w_lifted=1")


def test_a_run_is_stopped_and_resumed(tmp_path: Path, stores: tuple[Path, Path]) -> None:
    runs: list[TrainingRun] = []
    steps: list[int] = []
    notes: list[str] = []

    def stop(progress: Progress) -> None:
        steps.append(progress.step)
        if progress.step == 2:
            signal.raise_signal(signal.SIGTERM)

    options = TrainOptions(stores[0], stores[1], tmp_path / "r", settings=SETTINGS, supervision="fsl")
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(StoppedError, match=r"stopped by SIGTERM: saved at step 2 of 3 in .*latest.pt") as stopped:
        launch(options, RUNTIME, Callbacks(note=notes.append, start=runs.append, progress=stop))
    assert signal.getsignal(signal.SIGTERM) == before
    assert stopped.value.folder == tmp_path / "r"
    assert steps == [1, 2] and runs[0].folder == tmp_path / "r"
    assert notes == ["without E_lifted: true joints are given"]
    result = resume(tmp_path / "r", RUNTIME, Callbacks(progress=lambda progress: steps.append(progress.step)))
    assert steps == [1, 2, 3] and result.steps == 3 and result.elapsed > result.seconds > 0
    assert result.checkpoint == tmp_path / "r" / "final.pt" and result.state.exists()
    assert load_checkpoint(result.checkpoint)["about"]["step"] == 3
    assert result.metrics is not None and set(result.metrics) == {
        "aligned_mpjpe_mm",
        "mpjpe_mm",
        "projected_px",
        "predicted_px",
    }
    assert [figures["step"] for figures in result.history] == [0, 3]
    assert result.metrics["mpjpe_mm"] == result.history[-1]["mpjpe_mm"]
    with pytest.raises(UserError, match=r"this run is finished \(3 steps\)"):
        resume(tmp_path / "r", RUNTIME)
    with pytest.raises(UserError, match=r"a run is here. Go on with resume, or give another out"):
        launch(options, RUNTIME)


def test_self_supervision_by_true_keypoints_is_told(tmp_path: Path, stores: tuple[Path, Path]) -> None:
    assert "are the ground truth's" in true_keypoints_note(stores[0])
    with h5py.File(stores[0]) as store, h5py.File(tmp_path / "detected.h5", "w") as other:
        for name in store:
            store.copy(name, other)
        for name, value in store.attrs.items():
            other.attrs[name] = value
        other.attrs["keypoint_source"] = json.dumps({"source": "detect"})
    assert true_keypoints_note(tmp_path / "detected.h5") == ""
    assert keypoint_origin({"keypoint_source": {"source": "truth"}}) == "ground-truth keypoints"
    assert keypoint_origin({"keypoint_source": {"source": "files", "format": "MMPose"}}) == (
        "keypoints from files (MMPose)"
    )
    assert keypoint_origin({}) == "2D keypoints of unknown origin"


def test_validation_data_lie_beside(tmp_path: Path, stores: tuple[Path, Path]) -> None:
    assert validation_beside(stores[0]) == stores[1]
    assert validation_beside(stores[1]) is None
    assert validation_beside(tmp_path / "freihand_training.h5") is None


@pytest.mark.parametrize(
    ("asked", "device", "size", "cores", "expected"),
    [
        (3, "cpu", 1, 2, 3),
        (None, "cpu", 1, 2, 0),
        (None, "cpu", 1, 3, 1),
        (None, "cpu", 2, 4, 0),
        (None, "cuda", 1, 64, 8),
        (None, "cuda", 4, 16, 3),
        (None, "cuda", 4, 4, 1),
    ],
)
def test_reading_processes(
    asked: int | None, device: str, size: int, cores: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    assert reading_processes(asked, torch.device(device), Processes(0, size, 0)) == expected


def test_in_a_thread_signals_are_left_alone(tmp_path: Path, stores: tuple[Path, Path]) -> None:
    errors: list[str] = []

    def work() -> None:
        def stop(progress: Progress) -> None:
            runs[0].stop_asked = "asked"

        runs: list[TrainingRun] = []
        options = TrainOptions(stores[0], out=tmp_path / "r", settings=SETTINGS)
        try:
            launch(options, RUNTIME, Callbacks(start=runs.append, progress=stop))
        except StoppedError as error:
            errors.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(errors) == 1 and errors[0].startswith("asked: saved at step 1 of 3")


@pytest.mark.parametrize("size", [1, 2])
def test_an_interrupt_that_torchrun_passes_on_is_the_same_one(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal sends it to all processes of the group, and torchrun again to its own."""
    run = SimpleNamespace(stop_asked="", processes=Processes(0, size, 0))
    with stopping_module.stopping(run, wanted=True):  # type: ignore[arg-type]
        signal.raise_signal(signal.SIGINT)
        assert run.stop_asked == "interrupted"
        if size == 1:
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            return
        signal.raise_signal(signal.SIGINT)
        monkeypatch.setattr(stopping_module, "_SAME_INTERRUPT", -1.0)  # later
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
