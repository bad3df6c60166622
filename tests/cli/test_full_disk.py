"""Commands on a full disk, which a limit of file sizes imitates: a sentence, and nothing that looks whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import handsss

ROOT = Path(__file__).parents[2]
SAMPLE = Path(handsss.__file__).parent / "samples/nocurl.jpg"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="limits of files are POSIX's"),
]


@pytest.mark.parametrize(
    ("command", "absent"),
    [
        (["reconstruct", str(SAMPLE), "-o", "out/hand.obj"], "out/hand.*"),
        (["reconstruct", str(SAMPLE), "-o", "out/hand.glb"], "out/hand.*"),
        (["synthesize", "-n", "1", "--eval", "1", "-o", "out"], "out/*.json"),
        (["export", "weights", "handsss-open-b0", "-o", "out.safetensors"], "out.safetensors"),
    ],
)
def test_full_disk(tmp_path: Path, command: list[str], absent: str) -> None:
    def limit() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    done = subprocess.run(
        [sys.executable, "-m", "handsss", *command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr and done.stderr.startswith("error: ")
    assert "space" in done.stderr or "Make room" in done.stderr
    assert not list(tmp_path.glob(absent))
