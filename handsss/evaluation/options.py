"""Options and progress of an evaluation, shared by every way to run one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from handsss.errors import UserError
from handsss.evaluation.protocols import PROTOCOLS, Protocol, protocol_named

OnProgress = Callable[[str, int, int], None]  # stage, items done, items in all (0: not known)


class StageProgress:
    """Progress in named stages; called with the items done and in all of the current stage.

    Args:
        on_progress: told of every step; None: nobody is.
    """

    def __init__(self, on_progress: OnProgress | None = None) -> None:
        self._on_progress = on_progress
        self._stage = ""

    def begin(self, stage: str) -> None:
        """Begin a stage whose number of items is not known yet."""
        self._stage = stage
        self(0, 0)

    def __call__(self, done: int, total: int) -> None:
        if self._on_progress is not None:
            self._on_progress(self._stage, done, total)


@dataclass(frozen=True)
class EvaluationOptions:
    """What is scored, and by which rules."""

    protocol: str | None = None  # "freihand" or "ho3d"; None: the data's own
    proper: bool = False  # forbid reflections in the Procrustes alignment
    split: str | None = None  # "training" or "evaluation", of a dataset's folder; None: see open_ground_truth
    limit: int | None = None  # first pictures only

    def protocol_for(self, dataset: str, path: Path) -> Protocol:
        """The protocol asked for, or the data's own.

        Raises:
            UserError: an unknown name, or data without a protocol.
        """
        if self.protocol is not None:
            return protocol_named(self.protocol)
        if dataset in PROTOCOLS:
            return PROTOCOLS[dataset]
        raise UserError(
            f"{path}: dataset {dataset!r} has no protocol of its own. Give {{protocol}}.", options=("protocol",)
        )
