"""Commands that a user is told to type again."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from handsss.cli.console import typed_command
from handsss.cli.reconstruct_report import Printer
from handsss.reconstruction.outputs import Outcome, OutputPlan


@pytest.mark.skipif(sys.platform == "win32", reason="quoted in POSIX's way")
@pytest.mark.parametrize(
    "words", [["reconstruct", "my photos/", "-o", "res'1"], ["synthesize", "-n", "5", "-o", "syn", "--resume"]]
)
def test_the_command_is_typed_again(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/handsss", *words])
    again = shlex.split(typed_command("--resume"))
    assert again == ["handsss", *[word for word in words if word != "--resume"], "--resume"]


def test_an_interrupted_folder_names_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["handsss", "reconstruct", "in", "-o", "out"])
    outcomes = [
        Outcome("in/a.jpg", "done", files=[Path("out/a.obj")], hands=[{"hand": "left"}], skipped=True),
        Outcome("in/b.jpg", "done", files=[Path("out/b.obj")], hands=[{"hand": "left", "reprojection_of_box": 0.02}]),
        Outcome("in/c.jpg", "not started"),
    ]
    printer = Printer(several=True)
    printer.skipped(1, 3)
    printer.finish(outcomes, OutputPlan(Path("out"), ".obj"))
    out, err = capsys.readouterr()
    assert err.splitlines() == [
        "skipped: 1 of 3 photos, complete already",
        "error: interrupted: 2 of 3 photos done; their results are in out. Go on with: handsss reconstruct in -o out "
        "--resume",
    ]
    assert out.splitlines()[1:3] == [
        "in/b.jpg\tleft\t2.0\t\t0.0\tout/b.obj",
        "2 done, 1 not started (1 of them before)",
    ]
