"""E_lifted: joints against hypotheses of the 2D-to-3D lifting network. Not the paper's."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from handsss.losses.common import MIDDLE_MCP, norm, single_process, weighted_mean


def e_lifted(
    joints: Tensor,
    lifted: Tensor,
    probability: Tensor,
    confidence: Tensor,
    process_mean: Callable[[Tensor], Tensor] = single_process,
) -> Tensor:
    """``E_lifted = sum_h p_h mean_j |j_j - j^h_j|``, m, weighted mean over the batch; joints relative to the middle
    finger's knuckle.

    The distance is not squared: it favours the likeliest hypothesis over a mean of two. Weight: ``losses.w_lifted``.

    Args:
        joints: [B, 21, 3] m.
        lifted: [B, H, 21, 3] m, hypotheses.
        probability: [B, H] of the hypotheses.
        confidence: [B] weights of the samples.
        process_mean: see :func:`handsss.losses.common.weighted_mean`.
    """
    relative = joints - joints[:, MIDDLE_MCP, None]
    offsets = relative[:, None] - (lifted - lifted[:, :, MIDDLE_MCP, None])
    return weighted_mean((probability * norm(offsets).mean(-1)).sum(1), confidence, process_mean)
