"""``handsss train`` and ``handsss info`` as they are typed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from handsss.network.checkpoint import load_checkpoint
from handsss.training.metrics_logger import read_metrics
from tests.cli.conftest import Done
from tests.training.conftest import TINY, stores  # noqa: F401  fixture

Stores = tuple[Path, Path]
Program = Callable[..., Done]


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "handsss", *map(str, arguments)]


def environment() -> dict[str, str]:
    return {**os.environ, "COLUMNS": "200", "OMP_NUM_THREADS": "1"}


def tiny(*more: str) -> list[str]:
    return [word for setting in (*TINY, *more) for word in ("--set", setting)]


def test_default_data_profile_and_info(tmp_path: Path, stores: Stores, program: Program) -> None:  # noqa: F811
    for store in stores:
        (tmp_path / store.name).symlink_to(store)
    done = program("train", "--profile", "--stages", "keypoints,finetune", "--workers", "0", *tiny(), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "data: freihand_training.h5, 8 rows" in done.stdout
    assert "validation: freihand_evaluation.h5" in done.stdout
    for stage, parts in (("keypoints", ("keypoint branch backward",)), ("finetune", ("encoder backward", "render"))):
        part = done.stdout.split(f"stage {stage}:")[1].split("stage ")[0]
        for word in ("load", "losses", "optimiser", *parts):
            assert re.search(rf"{word}\s+[0-9.]+\s+[0-9.]+ %", part), (word, part)
        assert re.search(r"neither encoder nor keypoint branch: [0-9.]+ % of the step", done.stdout)
    assert not (tmp_path / "runs").exists()


def test_a_run_broken_off_goes_on(tmp_path: Path, stores: Stores, program: Program) -> None:  # noqa: F811
    arguments = ("train", "--data", stores[0], "--out", "r", "--workers", "0", *tiny("schedule.steps=60"))
    process = subprocess.Popen(
        command(*arguments), cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
    )
    journal = tmp_path / "r" / "metrics.jsonl"
    begin = time.monotonic()
    while len(read_metrics(journal)) < 3 and time.monotonic() - begin < 120:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "stopped by SIGTERM: saved at step" in errors and "--resume --out r" in errors
    assert "Traceback" not in errors
    reached = load_checkpoint(tmp_path / "r" / "latest.pt")["step"]
    assert 2 <= reached < 60
    wrong = program("train", "--resume", "--out", "r", "--batch", "4", folder=tmp_path)
    assert wrong.returncode == 2 and "Leave out --batch" in wrong.stderr
    again = program("train", "--data", stores[0], "--out", "r", folder=tmp_path)
    assert again.returncode == 2 and "a run is here. Go on with --resume" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "handsss synthesize -n 2000 -o synthetic"),
        (("--data", "absent.h5"), 2, "absent.h5: no such file"),
        (("--device", "gpu", "--data", "x"), 2, "expected auto, cpu, cuda"),
        (("--set", "losses.w_cons=0"), 2, "Did you mean losses.w_con?"),
        (("--set", "shape.rate=1e-3", "--data", "absent.h5"), 2, "note: shape.rate is now called shape.lr\n"),
        (("--set", "shape.rate=1e-3", "--set", "shape.lr=1e-3"), 2, "shape.rate and shape.lr are the same setting"),
        (("--stages", "shape,photo"), 2, "expected some of warm-up, keypoints, shape, finetune"),
        (("--stages", "shape", "--end-to-end"), 2, "Leave one of them out"),
        (("--resume",), 2, "no run in"),
        (("--replay", "no.pt"), 2, "no.pt: no such file"),
        (("--config", "no.toml"), 2, "no.toml: cannot be read"),
    ],
)
def test_mistakes_are_told(
    tmp_path: Path, arguments: tuple[str, ...], code: int, message: str, program: Program
) -> None:
    done = program("train", *arguments, folder=tmp_path)
    assert message in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == code


def test_info_model(tmp_path: Path, program: Program) -> None:
    done = program("info", "model", "--preset", "small", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    for text in ("m_h 1280 x 7 x 7, m_l 24 x 56 x 56", "778 x 3", "keypoints 1 x 21 x 2", "f_base"):
        assert text in done.stdout
    for stage in ("keypoints", "shape", "finetune"):
        assert re.search(rf"{stage}\s+\d+ ms\s+\d+ ms\s+[\d,]+\s", done.stdout), done.stdout
    wrong = program("info", "model", "--preset", "medium", folder=tmp_path)
    assert wrong.returncode == 2 and "expected one of full, small" in wrong.stderr
