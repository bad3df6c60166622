"""The hook that a logger fills."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from handsss.io.atomic import write_file

_IDENTITIES = "loggers.json"  # of the run in other programs, so that a resumed run goes on there


class RunFacts(NamedTuple):
    """What loggers are told of a run."""

    folder: Path
    step: int  # that it begins at; above 0: resumed
    settings: Mapping[str, Any]  # section.key -> number, word or list
    toml: str  # the same as text

    @classmethod
    def of(cls, folder: Path, step: int, toml: str) -> RunFacts:
        """Of a run with settings as TOML."""
        sections = tomllib.loads(toml)
        flat = {f"{section}.{key}": value for section, values in sections.items() for key, value in values.items()}
        return cls(folder, step, flat, toml)

    @property
    def name(self) -> str:
        """Of the run, for people."""
        return self.folder.resolve().name

    def identity(self, logger: str) -> str:
        """The name of this run in another program, kept in its folder; empty for a new run."""
        return str(self._identities().get(logger, "")) if self.step > 0 else ""

    def keep_identity(self, logger: str, identity: str) -> None:
        """Keep that name for a resumed run.

        Raises:
            UserError: it cannot be written.
        """
        content = {**self._identities(), logger: identity}
        write_file(self.folder / _IDENTITIES, json.dumps(content, indent=1).encode(), resumable=True)

    def _identities(self) -> dict[str, Any]:
        try:
            content = json.loads((self.folder / _IDENTITIES).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}


class RunLogger(Protocol):
    """A logger. Whatever it raises ends the logger, not the training."""

    def values(self, step: int, values: Mapping[str, float]) -> None:
        """Figures by name, such as ``train/E_loc`` and ``validation/mpjpe_mm``."""

    def picture(self, step: int, name: str, picture: np.ndarray) -> None:
        """A picture [H, W, 3] uint8 RGB."""

    def close(self) -> None:
        """Nothing comes after."""
