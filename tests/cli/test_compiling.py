"""The first compilation is announced, once, and only by commands that wait for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from handsss.cli import compiling

SCRIPT = """
import sys
from handsss.cli.compiling import compile_kernels
compile_kernels(*sys.argv[1:])
from handsss.geometry.warp import warps_are_compiled
print(warps_are_compiled())
"""


@pytest.mark.parametrize("names", [["crops"], ["renderer", "ssim"]])
def test_announcements(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], names: list[str]) -> None:
    done: set[str] = set()

    def part(name: str) -> compiling._Part:
        return compiling._Part(10, lambda: name in done, lambda: done.add(name))

    monkeypatch.setattr(compiling, "_PARTS", {name: (lambda name=name: part(name)) for name in names})
    monkeypatch.setattr(compiling, "_how_often", lambda: "once a machine")
    compiling.compile_kernels(*names)
    assert capsys.readouterr().err == f"note: compiling, once a machine, about {10 * len(names)} s.\n"
    assert done == set(names)
    compiling.compile_kernels(*names)
    assert capsys.readouterr().err == ""
    done.clear()
    compiling.compile_kernels(*names, quiet=True)
    assert (capsys.readouterr().err, done) == ("", set(names))


@pytest.mark.slow
def test_an_empty_cache(tmp_path: Path) -> None:
    def call() -> subprocess.CompletedProcess[str]:
        import os

        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
        return subprocess.run(
            [sys.executable, "-c", SCRIPT, "crops"], env=environment, capture_output=True, text=True, check=True
        )

    first, second = call(), call()
    assert first.stderr.startswith("note: compiling, once a machine, about 5 s.")
    assert second.stderr == ""
    assert first.stdout == second.stdout == "True\n"
