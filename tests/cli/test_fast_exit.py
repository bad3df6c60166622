"""The process ends at once, and loses nothing by it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


def test_objects_are_left_to_the_system_but_output_and_last_words_are_not() -> None:
    """A module's object whose end would be heard is not taken apart; what waits in buffers is written."""
    done = python(
        "import atexit, sys\n"
        "from handsss.cli.fast_exit import leave\n"
        "class Heard:\n"
        "    def __del__(self): print('taken apart')\n"
        "kept = Heard()\n"
        "atexit.register(print, 'last words')\n"
        "sys.stdout.write('buffered, '); sys.stderr.write('also here')\n"
        "leave(3)\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "buffered, last words\n", "also here")


@pytest.mark.parametrize(
    "begin",
    [
        "import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.5), print('finished'))).start()",
        "import multiprocessing, time\n"
        "def work(): time.sleep(0.5); print('finished', flush=True)\n"
        "multiprocessing.get_context('fork').Process(target=work).start()",
    ],
)
def test_work_under_way_is_waited_for(begin: str) -> None:
    done = python(f"{begin}\nfrom handsss.cli.fast_exit import leave\nleave(0)\n")
    assert (done.returncode, done.stdout) == (0, "finished\n")


def test_a_profiler_gets_its_figures(tmp_path: Path) -> None:
    profile = tmp_path / "figures"
    command = [sys.executable, "-m", "cProfile", "-o", str(profile), "-m", "handsss", "--version"]
    assert subprocess.run(command, capture_output=True).returncode == 0
    assert profile.stat().st_size > 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_that_is_lost_is_no_success() -> None:
    """Output that cannot be written ends as Python ends it: with 120."""
    code = "print('lost'); from handsss.cli.fast_exit import leave; leave(0)"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, env=environment)
    assert done.returncode == 120 and b"No space left" in done.stderr


@pytest.mark.parametrize(("arguments", "code"), [(["--version"], 0), (["reconstruct"], 2), (["info", "nonsense"], 2)])
def test_exit_codes_of_the_program(arguments: list[str], code: int) -> None:
    done = subprocess.run([sys.executable, "-m", "handsss", *arguments], capture_output=True, text=True)
    assert done.returncode == code
    assert done.stdout or done.stderr
