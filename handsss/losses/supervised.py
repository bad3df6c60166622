"""E_3dj: true 3D joints, with full supervision; E_root: their middle knuckle."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from handsss.losses.common import MIDDLE_MCP, norm, single_process, weighted_mean


def e_3dj(
    joints: Tensor,
    truth: Tensor,
    process_mean: Callable[[Tensor], Tensor] = single_process,
    *,
    squared: bool = True,
) -> Tensor:
    """``E_3dj = 1/21 sum_j |j_j - j'_j|^2``, m^2, mean over the samples with truth.

    Source: supplement, eq. 5. Weight: ``losses.w_3dj``. See docs/method.md, losses.

    Args:
        joints: [B, 21, 3] m.
        truth: [B, 21, 3] m; samples with NaN do not count.
        process_mean: see :func:`handsss.losses.common.weighted_mean`.
        squared: False: the distance itself, m, which is not the paper's (``losses.squared_joints``).
    """
    known = torch.isfinite(truth).all(-1).all(-1)
    # Zero of itself where unknown: NaN times zero would still be NaN in the gradient.
    offsets = joints - torch.where(known[:, None, None], truth, joints.detach())
    value = (offsets.square().sum(-1) if squared else norm(offsets)).mean(-1)
    return weighted_mean(value, known.to(value.dtype), process_mean)


def e_root(joints: Tensor, truth: Tensor, process_mean: Callable[[Tensor], Tensor] = single_process) -> Tensor:
    """Distance of the middle finger's knuckle from its true position, m, mean over the samples with truth. Not the
    paper's: beside joints relative to that knuckle (``losses.relative_joints``) it says where the hand is.

    Weight: ``losses.w_root``.

    Args:
        joints: [B, 21, 3] m.
        truth: [B, 21, 3] m; samples with NaN do not count.
        process_mean: see :func:`handsss.losses.common.weighted_mean`.
    """
    return e_3dj(joints[:, MIDDLE_MCP, None], truth[:, MIDDLE_MCP, None], process_mean, squared=False)
