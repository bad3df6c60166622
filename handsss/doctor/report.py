"""All checks of ``handsss doctor``, and their verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from handsss.doctor import files, machine, packages
from handsss.doctor.check import STATES, Check, run_checks

_CHECKS = (
    ("python", packages.python),
    ("torch", packages.torch),
    ("libraries", packages.libraries),
    ("extras", packages.extras),
    ("compile cache", machine.compile_cache),
    ("file cache", machine.file_cache),
    ("models", files.hand_models),
    ("weights", files.weights),
    ("datasets", files.datasets),
    ("disk", machine.disk),
    ("shared memory", machine.shared_memory),
    ("output", machine.output),
    ("threads", machine.threads),
)


def all_checks() -> list[Check]:
    """Every check of this machine and installation."""
    return run_checks(_CHECKS)


def is_usable(checks: Sequence[Check]) -> bool:
    """Whether ``handsss reconstruct`` can work."""
    return all(check.state != "problem" for check in checks)


def summary(checks: Sequence[Check]) -> str:
    """The verdict in one line."""
    counts = Counter(check.state for check in checks)
    listed = ", ".join(f"{counts[state]} {state}" for state in STATES)
    return f"{'usable' if is_usable(checks) else 'not usable: handsss reconstruct cannot work'} ({listed})"


def document(checks: Sequence[Check]) -> dict[str, Any]:
    """The report as JSON."""
    listed = [{"name": c.name, "state": c.state, "text": c.text, "advice": c.advice} for c in checks]
    return {"format_version": 1, "usable": is_usable(checks), "checks": listed}
