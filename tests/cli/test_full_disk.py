"""Commands on a full disk, which a limit of file sizes imitates: a sentence, and nothing that looks whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import handsss
from tests.evaluation.runs import write_run, write_store
from tests.fuzz.stores import make_store
from tests.training.conftest import TINY as SETTINGS

ROOT = Path(__file__).parents[2]
SAMPLE = Path(handsss.__file__).parent / "samples/nocurl.jpg"

TINY = [f"--set={one}" for one in (*SETTINGS, "schedule.steps=2", "logging.picture_every=1")]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="limits of files are POSIX's"),
]


def with_room(folder: Path, size: int, command: list[str]) -> subprocess.CompletedProcess[str]:
    """A command in a process whose files cannot be larger than so many bytes."""

    def limit() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return subprocess.run(
        [sys.executable, "-m", "handsss", *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize(
    ("command", "absent"),
    [
        (["reconstruct", str(SAMPLE), "-o", "out/hand.obj"], "out/hand.*"),
        (["reconstruct", str(SAMPLE), "-o", "out/hand.glb"], "out/hand.*"),
        (["synthesize", "-n", "1", "--eval", "1", "-o", "out"], "out/*.json"),
        (["export", "weights", "handsss-open-lite0", "-o", "out.safetensors"], "out.safetensors"),
        (["export", "onnx", "handsss-open-lite0", "-o", "out.onnx"], "out.onnx"),
        (["demo", "-o", "out"], "out/*.glb"),
        (["preprocess", "inspect", "a.h5", "--sheet", "out.png"], "out.png"),
        (["preprocess", "merge", "a.h5", "--copy", "-o", "out.h5"], "out.h5"),
        (["preprocess", "images", str(SAMPLE.parent), "-o", "out.h5"], "out.h5"),
        (["evaluate", "--checkpoint", "handsss-open-lite0", "--data", "a.h5", "--report", "out"], "out/*.html"),
        (["train", "--preset", "small", "--data", "a.h5", "--out", "out", *TINY], "out/final.pt"),
    ],
    ids=lambda value: "-".join(word for word in value[:2] if "/" not in word) if isinstance(value, list) else "",
)
def test_full_disk(tmp_path: Path, command: list[str], absent: str) -> None:
    make_store(tmp_path / "a.h5", "jpeg")
    done = with_room(tmp_path, 3000, command)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr and done.stderr.startswith("error: ")
    assert "space" in done.stderr or "Make room" in done.stderr
    assert not list(tmp_path.glob(absent))


@pytest.mark.parametrize("words", [["table4", "--data", "training.h5"], ["figure2"]])
def test_paper_on_a_full_disk(tmp_path: Path, words: list[str]) -> None:
    write_run(tmp_path / "runs/ours", data=str(write_store(tmp_path, 3)))
    done = with_room(tmp_path, 300, ["paper", words[0], "runs/ours", *words[1:], "--out", "paper"])
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr and "error: " in done.stderr
    assert "space" in done.stderr or "Make room" in done.stderr
    assert not list(tmp_path.glob(f"paper/{words[0]}.*"))
