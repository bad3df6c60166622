"""Messages name options as each side writes them."""

from __future__ import annotations

import pickle

from handsss.cli.console import flag
from handsss.errors import InputError, UserError


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
