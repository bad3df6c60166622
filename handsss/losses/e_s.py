"""E_s: scale regularisation by the length of one bone."""

from __future__ import annotations

from torch import Tensor

from handsss.losses.common import norm


def e_s(joints: Tensor, mean_bone: float, *, squared: bool = True) -> Tensor:
    """``E_s = (l - l_mean)^2``, mean over the batch; ``l`` is the length of bone 9-10, the middle finger's proximal
    phalanx.

    Source: supplement, section 1. Weight: ``losses.w_s``. See docs/method.md, losses.

    Args:
        joints: [B, 21, 3] m, OpenPose order.
        mean_bone: ``l_mean``, the dataset's average, m.
        squared: True as in the supplement; False: absolute difference, as in the released code
            (``losses.squared_scale``).
    """
    difference = norm(joints[:, 10] - joints[:, 9]) - mean_bone
    return (difference.square() if squared else difference.abs()).mean()
