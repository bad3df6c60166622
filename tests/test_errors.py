"""Messages name options as each side writes them."""

from __future__ import annotations

import ast
import pickle
import re
from pathlib import Path

import pytest

import handsss.errors
from handsss.cli.console import flag
from handsss.errors import InputError, MissingDependencyError, UserError


def test_options_are_written_by_each_side() -> None:
    error = UserError("{x}: give a {validation}, or less {keypoint_set}.", options=("validation", "keypoint_set"))
    assert str(error) == "{x}: give a validation, or less keypoint_set."
    assert error.text(flag) == "{x}: give a --val, or less --keypoint-set."


def test_a_message_without_options_stays() -> None:
    assert str(InputError("a.json: expected {...}, got [].")) == "a.json: expected {...}, got []."


def test_errors_cross_processes_with_their_options() -> None:
    error = pickle.loads(pickle.dumps(InputError("{batch}: too large", options=["batch"])))
    assert isinstance(error, InputError)
    assert error.text(flag) == "--batch: too large"


def test_errors_with_other_arguments_cross_processes() -> None:
    error = pickle.loads(pickle.dumps(MissingDependencyError("litert", "the detector", "pip install litert")))
    assert isinstance(error, MissingDependencyError) and error.package == "litert"
    assert str(error).startswith("the detector needs the package litert, which is not installed.")


# OpenPose's own flags, and the command that trains a missing run.
_COMMANDS = {"keypoints/openpose_run.py", "paper/runs.py"}


@pytest.mark.parametrize("package", ["data", "evaluation"])
def test_messages_below_the_command_line_name_no_flags(package: str) -> None:
    root = Path(handsss.errors.__file__).parent / package
    found = []
    for path in sorted(root.rglob("*.py")):
        if path.relative_to(root).as_posix() in _COMMANDS:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
                text = re.sub(r"`handsss[^`]*`?", "", node.value)  # whole commands may be quoted
                if re.search(r"(?<![\w-])--[a-z]|(?<!\w)-o\b", text):
                    found.append(f"{path.relative_to(root)}:{node.lineno}: {node.value}")
    assert found == []


def test_messages_cite_no_documents() -> None:
    """An installation has none."""
    root = Path(handsss.errors.__file__).parent
    found, cites = [], re.compile(r"docs/|README|CONTRIBUTING")
    for path in sorted(root.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        strings = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        cited = [node for node in strings if id(node) not in documents and cites.search(str(node.value))]
        found += [f"{path.relative_to(root)}:{node.lineno}: {node.value!r}" for node in cited]
    assert found == []
    assert cites.search("see docs/guides/train.md") and cites.search("as the README says")


def test_a_long_message_keeps_its_start_and_its_end() -> None:
    """It repeats what a damaged file holds."""
    text = str(InputError(f"a.json: expected numbers, got {'x' * 1_000_000}. Write the file again."))
    assert len(text) < 2000 and text.startswith("a.json: expected numbers") and text.endswith("Write the file again.")
