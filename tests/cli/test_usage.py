"""Mistakes in options and arguments: one plain line each, in our own words."""

from __future__ import annotations

import pytest

from tests.cli.typed import typed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "--steps", "many"], "--steps: expected a whole number, got 'many'. See: handsss train --help"),
        (["train", "--steps", "0"], "--steps: expected 1 or more, got 0. See: handsss train --help"),
        (["train", "--minutes", "ten"], "--minutes: expected a number, got 'ten'. See: handsss train --help"),
        (["train", "--minutes", "nan"], "--minutes"),
        (["synthesize", "-n", "0", "-o", "x"], "--number: expected 1 or more, got 0. See: handsss synthesize --help"),
        (["reconstruct", "--hand", "both", "a.jpg"], "--hand: expected one of auto, left, right, got 'both'"),
        (["reconstruct"], "is missing. See: handsss reconstruct --help"),
        (["train", "--sll"], "no option --sll. Did you mean --ssl"),
        (["recontruct", "a.jpg"], "no such command 'recontruct'"),
        (["train", "--out"], "option '--out' requires an argument."),
        (["doctor", "now"], "got unexpected extra argument"),
        (["train", "--set", "schedule.steps=x"], "schedule.steps=x: expected a whole number. Now it is 0."),
        (["train", "--set", "data.augment_on=gpu"], "data.augment_on=gpu: expected one of auto, workers, device."),
        (["train", "--set", "losses.w_con=-1"], "losses.w_con=-1: expected 0 or more. Now it is"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_one_plain_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(*words) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and len(said.splitlines()) == 1, said
    assert message in said
    for foreign in ("Invalid value", "Input should be", "Value error", "Usage:", "\u2502", "\u256d"):
        assert foreign not in said


def test_without_words_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert typed() == 2
    shown = capsys.readouterr()
    assert "reconstruct" in shown.out + shown.err
