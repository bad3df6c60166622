"""Standard output in any encoding, into closed pipes and on full disks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from handsss.cli.console import output_console
from handsss.cli.output_stream import install, lost_output
install()
console = output_console()
for number in range(int(sys.argv[1])):
    console.print("dash \\u2013, photo \\u624b H\\u00e4nde, lost \\udcff \\u2026")
reason = lost_output()
sys.stderr.write("lost: " + reason + "; done\\n")
"""


def run(stdout: int, *, lines: int = 1, encoding: str = "utf-8") -> subprocess.CompletedProcess[bytes]:
    env = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PROGRAM, str(lines)]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, env=env, check=False, timeout=60)


@pytest.mark.parametrize("encoding", ["cp932", "cp437", "latin-1", "ascii", "utf-8"])
def test_encodings(encoding: str) -> None:
    done = run(subprocess.PIPE, encoding=encoding)
    assert done.returncode == 0 and done.stderr.endswith(b"done\n")
    text = done.stdout.decode(encoding)
    assert ("\u624b" in text) == (encoding in ("cp932", "utf-8"))
    assert ("dash -," in text) == (encoding != "utf-8")
    assert "\\udcff" in text


@pytest.mark.parametrize("lines", [1, 3000])
def test_a_closed_pipe_does_not_end_the_work(lines: int) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = run(writing, lines=lines)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"lost: ; done\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no /dev/full")
@pytest.mark.parametrize("lines", [1, 3000])
def test_a_full_disk_is_told_at_the_end(lines: int) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    done = run(full, lines=lines)
    os.close(full)
    assert (done.returncode, done.stderr) == (0, b"lost: No space left on device; done\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no /dev/full")
def test_the_program_says_that_its_output_is_lost() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "handsss", "--version"], stdout=full, stderr=subprocess.PIPE, cwd=ROOT, check=False
        )
    assert done.returncode == 1
    assert b"standard output cannot be written (No space left on device)" in done.stderr
