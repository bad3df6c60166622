"""One line of ``handsss doctor``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "problem"]
STATES: tuple[State, ...] = ("ok", "note", "problem")


@dataclass(frozen=True)
class Check:
    """A fact about this machine or installation.

    Attributes:
        name: what was looked at.
        state: ok; note: something optional is missing or slow; problem: ``handsss reconstruct`` cannot work.
        text: what came.
        advice: what to do; empty where nothing needs doing.
    """

    name: str
    state: State
    text: str
    advice: str = ""


def ok(name: str, text: str) -> Check:
    """As it should be."""
    return Check(name, "ok", text)


def note(name: str, text: str, advice: str = "") -> Check:
    """Something optional is missing, or slow."""
    return Check(name, "note", text, advice)


def problem(name: str, text: str, advice: str) -> Check:
    """Without this ``handsss reconstruct`` cannot work."""
    return Check(name, "problem", text, advice)


def reason(error: BaseException) -> str:
    """An exception in one line."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def run_checks(checks: Iterable[tuple[str, Callable[[], Iterable[Check]]]]) -> list[Check]:
    """All checks, in order. One that fails itself is a problem of that name, and the others go on.

    Args:
        checks: name -> function.
    """
    results: list[Check] = []
    for name, check in checks:
        try:
            results.extend(check())
        except (Exception, SystemExit) as error:  # a broken library may raise anything
            advice = "Mend the problems above; else reinstall handsss."
            results.append(problem(name, f"cannot be checked: {reason(error)}", advice))
    return results
