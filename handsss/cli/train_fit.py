"""Checks ``--batch`` and ``--minutes`` of ``handsss train``."""

from __future__ import annotations

from handsss.errors import UserError


def checked_batch(text: str | None) -> int | None:
    """The number of samples; None for "auto" or no value.

    Raises:
        UserError: neither a number nor "auto".
    """
    if text is None or text == "auto":
        return None
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise UserError(f"--batch {text}: expected a number of samples, at least 1, or auto.")
    return int(text)


def checked_minutes(minutes: float | None, steps: int | None, settings: list[str], *, profile: bool) -> None:
    """Checks that nothing else determines the length of the run.

    Raises:
        UserError: something else does, or the time is not positive.
    """
    if minutes is None:
        return
    if not 0 < minutes < float("inf"):
        raise UserError(f"--minutes {minutes:g}: expected a time above 0.")
    if steps is not None or any(setting.replace(" ", "").startswith("schedule.steps=") for setting in settings):
        raise UserError("--minutes and --steps were both given: --minutes chooses the steps. Leave one of them out.")
    if profile:
        raise UserError("--minutes and --profile were both given: --profile measures and ends. Leave one of them out.")
