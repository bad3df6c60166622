"""Checks ``--batch`` and ``--minutes`` of ``handsss train``."""

from __future__ import annotations

from handsss.api import check_minutes
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
    check_minutes(minutes, steps, settings)
    if minutes is not None and profile:
        raise UserError("--minutes and --profile were both given: --profile measures and ends. Leave one of them out.")
