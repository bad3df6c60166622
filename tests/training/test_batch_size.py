"""``--batch auto``: the largest batch that fits, by steps that run out of memory."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest
import torch

from handsss.errors import UserError
from handsss.network.checkpoint import load_checkpoint
from handsss.training import batch_size
from handsss.training.batch_size import largest_batch_by_extrapolation, largest_batch_by_trial, step_of_every_stage
from handsss.training.config import resolve
from handsss.training.memory import available_memory, peak_memory, reset_peak_memory
from handsss.training.recipe import Recipe
from handsss.training.run import TrainingRun
from tests.cli.typed import typed
from tests.training.conftest import TINY


class Card:
    """A GPU with room for so many rows."""

    def __init__(self, rows: int) -> None:
        self.rows, self.tried = rows, list[int]()

    def __call__(self, rows: int) -> int:
        self.tried.append(rows)
        if rows > self.rows:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate ...")
        return 100 * rows


@pytest.mark.parametrize(
    ("rows", "room", "most", "chosen", "tried"),
    [
        (100, 1e9, 1024, 64, [2, 4, 8, 16, 32, 64, 128]),  # until one runs out
        (100, 1e9, 64, 64, [2, 4, 8, 16, 32, 64]),  # more is not wanted
        (100, 1e9, 50, 32, [2, 4, 8, 16, 32]),
        (10_000, 5000.0, 1024, 32, [2, 4, 8, 16, 32, 64]),  # 64 rows fit, but leave no margin
        (2, 1e9, 1024, 2, [2, 4]),
    ],
)
def test_doubling_until_it_does_not_fit(rows: int, room: float, most: int, chosen: int, tried: list[int]) -> None:
    card = Card(rows)
    assert largest_batch_by_trial(card, room=room, most=most) == chosen
    assert card.tried == tried


def test_a_card_for_nothing() -> None:
    with pytest.raises(UserError, match=r"batch auto: not even 2 samples fit into 8.0 GB. .*preset small"):
        largest_batch_by_trial(Card(1), room=8e9, most=64)

    def broken(rows: int) -> int:
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        largest_batch_by_trial(broken, room=1.0, most=64)


def test_growth_from_two_sizes() -> None:
    tried = []

    def attempt(rows: int) -> int:
        tried.append(rows)
        return 1000 + 10 * rows

    assert largest_batch_by_extrapolation(attempt, room=1330.0, most=64) == 32
    assert tried == [2, 8]
    assert largest_batch_by_extrapolation(attempt, room=1e9, most=50) == 32
    assert largest_batch_by_extrapolation(attempt, room=1e9, most=2) == 2
    with pytest.raises(UserError, match="not even 2 samples fit"):
        largest_batch_by_extrapolation(attempt, room=1000.0, most=64)


@pytest.mark.slow
def test_a_step_of_every_stage_has_so_many_rows(tmp_path: Path, stores: tuple[Path, Path]) -> None:
    settings = (*TINY, "schedule.steps=100", "shape.half=0.5", "data.augment_on=device", "augmentation.rotation_deg=30")
    run = TrainingRun(tmp_path, resolve("full", None, settings), Recipe(stores[0]), device=torch.device("cpu"))
    seen = []
    original = run.trainer.one_step

    def watched(batch: object) -> object:
        step = original(batch)  # type: ignore[arg-type]
        seen.append((step.stage, len(step.batch.image), run.network.input_downsample))
        return step

    run.trainer.one_step = watched  # type: ignore[method-assign,assignment]
    step_of_every_stage(run, 11)
    assert seen == [("keypoints", 11, 1), ("shape", 11, 2), ("shape", 11, 1), ("finetune", 11, 1)]


def test_memory_is_measured() -> None:
    held = reset_peak_memory()
    if held is None:
        pytest.skip("this system does not tell")
    with mmap.mmap(-1, 200_000_000) as block:  # memory of its own, whatever the process keeps
        block.write(b"1" * len(block))
        peak = peak_memory()
    assert peak is not None and peak - held > 150e6
    free = available_memory()
    assert free is not None and free > 1e8


@pytest.mark.slow
def test_the_command_says_and_keeps_the_batch(
    tmp_path: Path, stores: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = [word for setting in (*TINY, "schedule.batch=64") for word in ("--set", setting)]
    common = ["train", "--data", stores[0], "--workers", 0, "--steps", 1, *settings, "--batch", "auto"]
    assert typed(*common, "--out", "r") == 0
    assert "8 samples per step fit; the learning rate is unchanged" in capsys.readouterr().out
    assert "batch = 8\n" in str(load_checkpoint(Path("r/latest.pt"))["config"])
    # Where steps take all memory, less; and with nothing left, a message.
    monkeypatch.setattr(batch_size, "available_memory", lambda: 1000)
    peaks = iter([400, 800, 9000, 9000])
    monkeypatch.setattr(batch_size, "_peak_on_cpu", lambda run, rows, held: next(peaks))
    assert typed(*common, "--out", "s") == 0
    assert "batch = 8\n" in Path("s/config.toml").read_text()
    assert typed(*common, "--out", "t") == 2
    assert "not even 2 samples fit" in " ".join(capsys.readouterr().err.split())
