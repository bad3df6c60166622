"""The program in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from handsss.cli.main import run


class Done(NamedTuple):
    """A finished command."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """A command line, run in a folder: starting Python anew takes longer than most of the work here."""

    def program(*arguments: object, folder: Path, **environment: str) -> Done:
        monkeypatch.chdir(folder)
        for name, value in {"HANDSSS_DATA": "", "COLUMNS": "200", **environment}.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as end:
            run(list(map(str, arguments)))
        return Done(int(end.value.code or 0), *capsys.readouterr())

    return program
