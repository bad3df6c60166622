"""Every code block of README and docs: Python runs, or is compiled; `handsss` lines run, or are parsed by the program.

A comment before a block says more. ``<!-- test: run -->`` runs shell lines, ``<!-- test: slow 20=2 -->`` runs a
block in the slow tests with words replaced, ``<!-- test: skip needs FreiHAND -->`` only parses it.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer

from handsss.cli.main import app, run

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "handsss" / "samples" / "nocurl.jpg"
PAGES = ("README.md", *sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "docs").rglob("*.md")))
BLOCK = re.compile(
    r"(?:^<!-- test: (?P<how>run|slow|skip)(?P<rest>[^>]*?) -->\n)?^```(?P<language>\w+)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A fenced block."""

    language: str
    code: str
    how: str  # run, slow, skip, or "": the language's default
    words: str  # after it: what to replace, or why it is skipped


def blocks(text: str) -> list[Block]:
    return [
        Block(m["language"], m["code"], m["how"] or "", (m["rest"] or "").strip())
        for m in BLOCK.finditer(text)
        if m["language"] in ("sh", "python")
    ]


def page_blocks(page: str) -> list[Block]:
    return blocks((ROOT / page).read_text(encoding="utf-8"))


def commands(code: str) -> Iterator[list[str]]:
    """The arguments of each `handsss` line; comments, variables before it and torchrun are left out."""
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            words = words[1:]
        if words[:1] == ["handsss"]:
            yield words[1:]
        elif "-m" in words and words[words.index("-m") + 1 :][:1] == ["handsss"]:
            yield words[words.index("-m") + 2 :]


def parse(arguments: list[str]) -> None:
    """Let the program parse a line, without doing anything; options and values must exist.

    Raises:
        Exception: of the parser, for what it does not know.
    """
    command: Any = typer.main.get_command(app)
    context = command.make_context("handsss", list(arguments))
    while hasattr(command, "resolve_command"):
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, list(rest), parent=context)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with the sample photo, where blocks run."""
    shutil.copy(SAMPLE, tmp_path / "photo.jpg")
    (tmp_path / "photos").mkdir()
    shutil.copy(SAMPLE, tmp_path / "photos" / "one.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def execute(block: Block, namespace: dict[str, object]) -> None:
    """Run a block as its reader would, here in the current folder."""
    code = block.code
    for old, _, new in (word.partition("=") for word in block.words.split()):
        code = re.sub(rf"(?<![\w.]){re.escape(old)}(?![\w.])", new, code)
    if block.language == "python":
        exec(compile(code, "block", "exec"), namespace)
        return
    for arguments in commands(code):
        with pytest.raises(SystemExit) as end:
            run(arguments)
        assert not end.value.code, (arguments, end.value.code)


@pytest.mark.parametrize("page", PAGES)
def test_blocks_are_parsed(page: str) -> None:
    for block in page_blocks(page):
        if block.language == "python":
            compile(block.code, page, "exec")
            continue
        for arguments in commands(block.code):
            parse(arguments)


@pytest.mark.parametrize("page", PAGES)
def test_programs_and_targets_beside_handsss_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for script in re.findall(r"python ((?:benchmarks|tools)/[\w/]+\.py)", text):
        assert (ROOT / script).is_file(), script
    for module in re.findall(r"python -m\s((?:tools|benchmarks)[\w.]*\w)", text):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"[`\n]make ([\w-]+)", text)) <= targets


def executed(*kinds: str) -> list[str]:
    """Pages with a block of such a kind."""
    return [page for page in PAGES if any(kind(block) in kinds for block in page_blocks(page))]


def kind(block: Block) -> str:
    """How a block is tested: run, slow, or skip (only parsed)."""
    return block.how or ("run" if block.language == "python" else "skip")


@pytest.mark.parametrize("page", executed("run"))
def test_blocks_run(page: str, folder: Path) -> None:
    namespace: dict[str, object] = {"__name__": "block"}
    for block in page_blocks(page):
        if kind(block) == "run":
            execute(block, namespace)
    if page == "README.md":
        made = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        assert {"hand.glb", "hand.json", "hand.png", "results/one.obj", "results/summary.json", "both.ply"} <= made
        assert "look.png" in made


@pytest.mark.slow
@pytest.mark.parametrize("page", executed("slow"))
def test_slow_blocks_run(page: str, folder: Path) -> None:
    namespace: dict[str, object] = {"__name__": "block"}
    for block in page_blocks(page):
        if kind(block) in ("run", "slow"):
            execute(block, namespace)


def test_what_readers_would_stumble_over_is_found() -> None:
    good = "handsss train --ssl --data a.h5 --set losses.w_con=0   # words"
    parse(next(commands(good)))
    for bad in ("handsss train --sll", "handsss recontruct a.jpg", "handsss synthesize -n many"):
        with pytest.raises(Exception, match=r"No such|not a valid|valid integer"):
            parse(next(commands(bad)))
    text = "<!-- test: slow 10=2 -->\n```sh\nhandsss train\n```\n\n```python\nx = 1\n```\n```text\nno\n```\n"
    assert [kind(block) for block in blocks(text)] == ["slow", "run"]
    skipped = [block for page in PAGES for block in page_blocks(page) if block.how == "skip"]
    assert all(block.words for block in skipped), "a skipped block gives a reason"
    assert os.environ.get("HANDSSS_MANO") is None or skipped
