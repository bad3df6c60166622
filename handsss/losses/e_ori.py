"""E_ori: 2D bone directions."""

from __future__ import annotations

import torch
from torch import Tensor

from handsss.hand.joints import BONES
from handsss.losses.common import norm


def e_ori(projected: Tensor, detected: Tensor, confidence: Tensor) -> Tensor:
    """``E_ori = mean_b c_i c_j |v_b - v'_b|^2`` over the 20 bones ``b = (i, j)`` and the batch.

    ``v`` are unit 2D directions of the bones, ``c`` the confidences of their ends. A bone of length zero has the
    direction zero. Source: main paper. Weight: ``losses.w_ori``. See docs/method.md, losses.

    Args:
        projected: [B, 21, 2] px.
        detected: [B, 21, 2] px.
        confidence: [B, 21] 0..1.
    """
    bones = torch.tensor(BONES, device=projected.device)
    start, end = bones[:, 0], bones[:, 1]
    difference = _directions(projected, start, end) - _directions(detected, start, end)
    return (confidence[:, start] * confidence[:, end] * difference.square().sum(-1)).mean()


def _directions(points: Tensor, start: Tensor, end: Tensor) -> Tensor:
    bone = points[:, end] - points[:, start]
    length = norm(bone)[..., None]
    return bone / torch.where(length == 0, torch.ones_like(length), length)
