"""Detects collapse: the hand shrinks to a point or leaves the image."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

import torch

from handsss.errors import UserError
from handsss.training.objective import Batch, Terms


class Health(NamedTuple):
    """Size and position of the predicted hands of a batch."""

    bone: float  # m, mean length of bone 9-10
    size_ratio: float  # projected joints' box size over the detected keypoints', median (longer sides)
    area: float | None  # silhouette's share of the image, mean; None: not rendered


class CollapseError(UserError):
    """The training has collapsed; the message gives the symptoms and remedies."""

    exit_code = 1


def health(terms: Terms, batch: Batch) -> Health | None:
    """Statistics of one batch; None in stages that predict no hand."""
    if terms.prediction is None:
        return None
    with torch.no_grad():
        joints, projected = terms.prediction.joints, terms.prediction.projected
        bone = float((joints[:, 10] - joints[:, 9]).norm(dim=-1).mean())
        detected = (batch.confidence > 0).all(1)
        if bool(detected.any()):
            sides = [(p.amax(1) - p.amin(1)).amax(1) for p in (projected[detected], batch.keypoints[detected])]
            size_ratio = float((sides[0] / sides[1].clamp_min(1.0)).median())
        else:
            size_ratio = 1.0
        area = None if terms.rendered is None else float(terms.rendered.silhouette.mean())
    return Health(bone, size_ratio, area)


@dataclass
class CollapseMonitor:
    """Watches the statistics of the last batches.

    A run has collapsed if, over ``window`` batches, the projected hand is smaller than ``least_size_ratio`` of the
    detected one, or its bone shorter than ``least_bone`` of the dataset's average, or its silhouette empty. The first
    ``grace`` batches do not count.
    """

    mean_bone: float  # m
    grace: int = 50
    window: int = 20
    least_size_ratio: float = 0.15
    least_bone: float = 0.2
    least_area: float = 0.001
    _seen: int = 0
    _last: deque[Health] = field(default_factory=deque)

    def watch(self, now: Health | None) -> None:
        """Add a batch's statistics.

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
        size_ratio = sorted(h.size_ratio for h in self._last)[count // 2]
        areas = [h.area for h in self._last if h.area is not None]
        signs = []
        if size_ratio < self.least_size_ratio:
            signs.append(f"projected joints span {100 * size_ratio:.0f} % of the detected hand")
        if bone < self.least_bone * self.mean_bone:
            signs.append(f"bone 9-10 is {1000 * bone:.1f} mm long (the data's average is {1000 * self.mean_bone:.1f})")
        if areas and sum(areas) / len(areas) < self.least_area:
            signs.append("the hand's silhouette has left the image")
        if signs:
            raise CollapseError(
                f"the training has collapsed: {'; '.join(signs)}. This happens when rendering terms start before the "
                "hand is in place: train stage by stage, start the last stage from a trained one, or lower the "
                "learning rate."
            )
