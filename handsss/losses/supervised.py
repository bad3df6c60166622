"""E_3dj: true 3D joints, with full supervision."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from handsss.losses.common import single_process, weighted_mean


def e_3dj(joints: Tensor, truth: Tensor, process_mean: Callable[[Tensor], Tensor] = single_process) -> Tensor:
    """``E_3dj = 1/21 sum_j |j_j - j'_j|^2``, m^2, mean over the samples with truth.

    Source: supplement, eq. 5. Weight: ``losses.w_3dj``. See docs/method.md, losses.

    Args:
        joints: [B, 21, 3] m.
        truth: [B, 21, 3] m; samples with NaN do not count.
        process_mean: see :func:`handsss.losses.common.weighted_mean`.
    """
    known = torch.isfinite(truth).all(-1).all(-1)
    squared = (joints - torch.where(known[:, None, None], truth, joints.detach())).square().sum(-1).mean(-1)
    return weighted_mean(squared, known.to(squared.dtype), process_mean)
