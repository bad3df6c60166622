"""E_2d: the keypoint branch against detected keypoints."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from handsss.losses.common import norm, single_process, weighted_mean


def e_2d(
    keypoints: Tensor,
    detected: Tensor,
    confidence: Tensor,
    process_mean: Callable[[Tensor], Tensor] = single_process,
) -> Tensor:
    """``E_2d = sum_s (sum_j c_j^2 |x_sj - x'_j| / sum_j c_j^2)``: joints over the whole batch, stacks summed.

    Source: main paper; squared confidences from the released code. Weight: ``losses.w_2d``. See docs/method.md, losses.

    Args:
        keypoints: [B, S, 21, 2] px, of every stack.
        detected: [B, 21, 2] px.
        confidence: [B, 21] 0..1.
        process_mean: see :func:`handsss.losses.common.weighted_mean`.
    """
    weights = confidence.square()
    total = keypoints.sum() * 0
    for stack in range(keypoints.shape[1]):
        total = total + weighted_mean(norm(keypoints[:, stack] - detected), weights, process_mean)
    return total
