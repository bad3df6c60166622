"""Pose priors of a film's frames, without a search: the lifting network's hypothesis that is nearest to the hand of the
frame before, and the image network's pose between key frames."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from handsss.fitting.problem import FitSettings, HandParameters


class FramePriors(NamedTuple):
    """What is expected of the poses of frames [N] before they are fitted."""

    lifted: Tensor | None  # [N, H, 45] whitened hypotheses; None: the hand model's own prior alone
    predicted: Tensor | None  # [N, 45] whitened; NaN: no network predicts this frame; None: none at all
    scale: Tensor  # [N, 1] factor on standard deviations, see FitSettings.prior_scales

    def of(self, rows: Tensor, hands: HandParameters, settings: FitSettings) -> HandParameters:
        """Hands [B] near those of frames ``rows``, under these frames' priors."""
        parts = hands.rotation, hands.translation, hands.pose, hands.shape
        scale = self.scale[rows]
        if self.lifted is None:
            found = HandParameters.under_model_prior(*parts)
        else:
            hypotheses = self.lifted[rows]
            nearest = (hypotheses - hands.pose[:, None]).square().sum(-1).argmin(1)
            pose = hypotheses[torch.arange(len(rows)), nearest]
            found = HandParameters.under_model_prior(*parts, settings.lifted_model_std)
            found = found.with_pose_prior(pose, settings.lifted_std * scale)
        if self.predicted is None:
            return found
        pose = self.predicted[rows]
        known = torch.isfinite(pose).all(1)
        both = found.with_pose_prior(torch.nan_to_num(pose), settings.predicted_std * scale)
        both.assign(~known, found.select(~known))
        return both


def between(rows: Tensor, poses: Tensor, count: int) -> Tensor:
    """Poses [count, 45] of all rows, linear between those [K, 45] of some rows [K] in increasing order; constant before
    the first and after the last.

    Args:
        rows: [K] at least one.
        poses: theirs.
        count: of all rows.
    """
    every = torch.arange(count)
    after = torch.searchsorted(rows, every).clamp(max=len(rows) - 1)
    before = (after - (rows[after] > every).long()).clamp_min(0)
    span = (rows[after] - rows[before]).clamp_min(1)
    share = ((every - rows[before]).double() / span).clamp(0, 1)[:, None]
    return (1 - share) * poses[before] + share * poses[after]
