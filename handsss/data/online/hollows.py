"""Hollows of a hand are darker: how much of a room's light its own fingers and palm keep from each vertex."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from handsss.hand.load import load_model

_FINGER, _PALM = 0.0095, 0.015  # m, radii of the spheres that stand for phalanges and metacarpals
_MOST = 0.75  # of the light that is kept away
_OPENPOSE_FINGER = (1, 2, 4, 3, 0)  # of the model's fingers: index, middle, little, ring, thumb


class Hollows:
    """Ambient occlusion by nineteen spheres, one in every phalanx and metacarpal, but for a vertex's own neighbours.

    Args:
        device: of the results.
    """

    def __init__(self, device: torch.device) -> None:
        owner = load_model("open-detail").weights.argmax(1)
        finger = np.where(owner > 0, np.array(_OPENPOSE_FINGER)[(np.maximum(owner, 1) - 1) // 3], -1)
        phalanx = np.where(owner > 0, (owner - 1) % 3, -1)
        of_finger, of_phalanx = np.arange(15) // 3, np.arange(15) % 3
        same = (finger[:, None] == of_finger) & (np.abs(phalanx[:, None] - of_phalanx) <= 1)
        near_palm = (owner == 0)[:, None] & (of_phalanx == 0)
        palm = np.repeat((phalanx > 0)[:, None], 4, 1)
        reached = np.concatenate([~same & ~near_palm, palm], 1)
        areas = np.array([_FINGER] * 15 + [_PALM] * 4) ** 2
        self.areas = torch.as_tensor(reached * areas, dtype=torch.float32, device=device)  # [V, 19]

    def __call__(self, vertices: Tensor, normals: Tensor, joints: Tensor) -> Tensor:
        """[B, V, 1] share of a room's light that arrives.

        Args:
            vertices: [B, V, 3] m, of the detail hand.
            normals: [B, V, 3] unit.
            joints: [B, 21, 3] m, OpenPose order.
        """
        fingers = joints[:, 1:].reshape(-1, 5, 4, 3)
        middles = (0.5 * (fingers[:, :, :-1] + fingers[:, :, 1:])).flatten(1, 2)
        palms = torch.lerp(joints[:, :1], fingers[:, 1:, 0], 0.6)
        middle = joints[:, 9:10]  # as the origin: squares of metres would lose millimetres
        centres, points = torch.cat([middles, palms], 1) - middle, vertices - middle
        apart = points.square().sum(-1, keepdim=True) + centres.square().sum(-1)[:, None]
        apart = (apart - 2 * points @ centres.transpose(1, 2)).clamp_min(2.5e-5)
        facing = (normals @ centres.transpose(1, 2) - (normals * points).sum(-1, keepdim=True)).clamp_min(0)
        # A sphere that is seen under an angle of sine r / d, at a slant, keeps away its cosine times that squared.
        inverse = apart.rsqrt_()
        kept = facing.mul_(self.areas).mul_(inverse).mul_(inverse).mul_(inverse).sum(-1, keepdim=True)
        return 1 - kept.clamp_max(_MOST)
