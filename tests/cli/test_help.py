"""The help of every command shows all of its words, at 80 columns too."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest
import typer.main
from typer.testing import CliRunner

from handsss.cli.main import app

_FRAME = re.compile("[\u2500-\u257f]")
_MARKUP = re.compile(r"(?<!\\)\[/?(?:bold|dim|italic)\]")


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    for name, sub in getattr(command, "commands", {}).items():
        yield from commands(sub, (*path, name))


ALL = dict(commands(typer.main.get_command(app)))


def missing(texts: list[str], shown: str) -> set[str]:
    """Words of the texts that are not shown; a word may be broken over lines."""
    together = "".join(_FRAME.sub("", shown).split())
    wanted = {word for text in texts for word in _MARKUP.sub("", text).replace("\\[", "[").split()}
    return {word for word in wanted if word not in together}


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_loses_nothing(path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    command = ALL[path]
    texts = [command.help or "", getattr(command, "epilog", "") or ""]
    texts += [parameter.help or "" for parameter in command.params if hasattr(parameter, "help")]
    texts += [parameter.metavar or "" for parameter in command.params]
    for width in ("80", "200"):
        monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", int(width))
        shown = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": width, "TERMINAL_WIDTH": width}).output
        assert missing(texts, shown) == set()
        assert max(map(len, shown.splitlines())) <= int(width)


def test_lost_words_are_noticed() -> None:
    """What rich would take for its own markup."""
    assert missing(["one JSON file [xyz, verts] of all"], "one JSON file  of all") == {"[xyz,", "verts]"}
    assert missing(["pip install handsss\\[onnx]"], "pip install handsss") == {"handsss[onnx]"}
