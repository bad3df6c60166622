"""The best validation of a run: which step it was, and whether later ones are worse."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

BEST = "best.pt"  # of a run's folder: the weights at its best validation
CRITERION = "aligned_mpjpe_mm"


@dataclass
class BestValidation:
    """The validation with the lowest aligned MPJPE."""

    step: int = -1  # of trained weights; -1: none yet
    mm: float = math.inf
    start_mm: float = math.inf  # of the initial weights, step 0

    def update(self, figures: dict[str, Any]) -> bool:
        """Take a validation's figures; returns whether trained weights are better than all before."""
        value, step = float(figures.get(CRITERION, math.nan)), int(figures["step"])
        if step == 0:
            self.start_mm = value if math.isfinite(value) else math.inf
        if step == 0 or not value < self.mm:  # nor is NaN
            return False
        self.step, self.mm = step, value
        return True

    def worse(self, figures: dict[str, Any]) -> str:
        """How a later validation compares to a better one, as a sentence; empty if it is the best."""
        value, step = float(figures.get(CRITERION, math.nan)), int(figures["step"])
        best, at = min((self.mm, self.step), (self.start_mm, 0))
        if step in (0, at) or not value > best or not math.isfinite(best):
            return ""
        kept = f", kept in {BEST}" if at > 0 else ", before training"
        return f"step {step}: aligned MPJPE {value:.2f} mm, worse than {best:.2f} mm at step {at}{kept}"

    def state(self) -> dict[str, Any]:
        """For checkpoints: see :meth:`restored`."""
        return {"step": self.step, "mm": self.mm, "start_mm": self.start_mm}

    @classmethod
    def restored(cls, state: dict[str, Any] | None) -> BestValidation:
        """From a checkpoint; those of earlier versions have none, and the next validation counts as the best."""
        return cls(int(state["step"]), float(state["mm"]), float(state["start_mm"])) if state else cls()
