"""The collapse monitor: the known failure in which the hand shrinks to a point or leaves the picture."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

import torch

from handsss.errors import UserError
from handsss.training.objective import Batch, Terms


class Health(NamedTuple):
    """How a batch looks."""

    bone: float  # m, mean length of bone 9-10
    spread: float  # longer side of the projected joints' box over the detected keypoints', median
    area: float | None  # silhouette's share of the picture, mean; None: nothing was rendered


class CollapseError(UserError):
    """Training went wrong in the known way; the message says how it looks and what helps."""

    exit_code = 1


def health(terms: Terms, batch: Batch) -> Health | None:
    """Figures of one batch; None in stages without a hand."""
    if terms.prediction is None:
        return None
    with torch.no_grad():
        joints, projected = terms.prediction.joints, terms.prediction.projected
        bone = float((joints[:, 10] - joints[:, 9]).norm(dim=-1).mean())
        seen = (batch.confidence > 0).all(1)
        if bool(seen.any()):
            sides = [(p.amax(1) - p.amin(1)).amax(1) for p in (projected[seen], batch.keypoints[seen])]
            spread = float((sides[0] / sides[1].clamp_min(1.0)).median())
        else:
            spread = 1.0
        area = None if terms.rendered is None else float(terms.rendered.silhouette.mean())
    return Health(bone, spread, area)


@dataclass
class CollapseMonitor:
    """Watches the last batches.

    A run has collapsed when, over ``window`` batches, the hand's projection is less than ``least_spread`` of the
    detected one, or its bone less than ``least_bone`` of the dataset's average, or nothing of it is in the picture. The
    first ``grace`` batches are not judged.
    """

    mean_bone: float  # m
    grace: int = 50
    window: int = 20
    least_spread: float = 0.15
    least_bone: float = 0.2
    least_area: float = 0.001
    _seen: int = 0
    _last: deque[Health] = field(default_factory=deque)

    def watch(self, now: Health | None) -> None:
        """Take a batch's figures.

        Raises:
            CollapseError: the run has collapsed.
        """
        if now is None:
            return
        self._seen += 1
        self._last.append(now)
        if len(self._last) > self.window:
            self._last.popleft()
        if self._seen <= self.grace or len(self._last) < self.window:
            return
        count = len(self._last)
        bone = sum(h.bone for h in self._last) / count
        spread = sorted(h.spread for h in self._last)[count // 2]
        areas = [h.area for h in self._last if h.area is not None]
        signs = []
        if spread < self.least_spread:
            signs.append(f"projected joints span {100 * spread:.0f} % of the detected hand")
        if bone < self.least_bone * self.mean_bone:
            signs.append(f"bone 9-10 is {1000 * bone:.1f} mm long (the data's average is {1000 * self.mean_bone:.1f})")
        if areas and sum(areas) / len(areas) < self.least_area:
            signs.append("the hand's silhouette has left the picture")
        if signs:
            raise CollapseError(
                f"the training has collapsed: {'; '.join(signs)}. This happens when rendering terms start before the "
                "hand is in place: train stage by stage, start the last stage from a trained one, or lower the "
                "learning rate."
            )
