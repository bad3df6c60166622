"""E_loc: projected joints against detected keypoints."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from handsss.hand.joints import OPENPOSE_TIP_ROWS
from handsss.losses.common import norm, single_process, smooth_l1, weighted_mean

_WRIST, _TIP = 2.0, 1.5  # joint weights; all others are 1


def e_loc(
    projected: Tensor,
    detected: Tensor,
    confidence: Tensor,
    process_mean: Callable[[Tensor], Tensor] = single_process,
) -> Tensor:
    """``E_loc = sum_j w_j^2 smooth_l1(|x_j - x'_j|) / sum_j w_j^2``, over the joints of the whole batch.

    ``w_j`` is the joint's weight (wrist 2, tips 1.5, others 1) times its confidence; squared, as in the released code.
    Source: main paper; knee and joint weights from the released code. Weight: ``losses.w_geo``. See docs/method.md,
    losses.

    Args:
        projected: [B, 21, 2] px.
        detected: [B, 21, 2] px.
        confidence: [B, 21] 0..1.
        process_mean: see :func:`handsss.losses.common.weighted_mean`.
    """
    return weighted_mean(smooth_l1(norm(projected - detected)), joint_weights(confidence).square(), process_mean)


def joint_weights(confidence: Tensor) -> Tensor:
    """[B, 21]: wrist 2, tips 1.5, others 1, times the confidence."""
    weights = torch.ones(21, dtype=confidence.dtype, device=confidence.device)
    weights[0] = _WRIST
    weights[list(OPENPOSE_TIP_ROWS)] = _TIP
    return weights * confidence
