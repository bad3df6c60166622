"""E_con: consistency of the keypoint branch and the projected joints."""

from __future__ import annotations

from torch import Tensor

from handsss.losses.common import norm, smooth_l1


def e_con(keypoints: Tensor, projected: Tensor) -> Tensor:
    """``E_con = mean_j smooth_l1(|x_j - y_j|)`` over joints and batch, unweighted. Both sides get a gradient.

    Source: main paper. Weight: ``losses.w_con``. See docs/method.md, losses.

    Args:
        keypoints: [B, S, 21, 2] px; the last stack's count.
        projected: [B, 21, 2] px.
    """
    return smooth_l1(norm(keypoints[:, -1] - projected)).mean()
