"""PyAV, which reads and writes films: an extra."""

from __future__ import annotations

from typing import Any

from handsss.errors import MissingDependencyError


def pyav(purpose: str) -> Any:
    """The module ``av``.

    Raises:
        MissingDependencyError: PyAV is not installed.
    """
    try:
        import av
    except ImportError:
        raise MissingDependencyError("av", purpose, "pip install 'handsss[video]'") from None
    return av
