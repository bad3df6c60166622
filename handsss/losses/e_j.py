"""E_J: joint limits. The limits of table 1 come with the hand model: :mod:`handsss.hand.limits`."""

from __future__ import annotations

from torch import Tensor


def e_j(excess: Tensor) -> Tensor:
    """``E_J = 1/15 sum_i f_i(a_i)``, mean over the batch; ``f_i`` adds how far azimuth, pitch and roll leave their
    range.

    Source: supplement, eq. 3-4 and table 1. Weight: ``losses.w_J``. See docs/method.md, losses.

    Args:
        excess: [B, 15, 3] radians outside the range, 0 inside (eq. 4): see
            :meth:`handsss.hand.layer.HandLayer.limit_excess`.
    """
    return excess.abs().sum(-1).mean()
