"""Poses and shapes of a batch, from a bank of sampled poses."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from handsss.data.online.draws import Draws
from handsss.data.synthetic.poses import WIDE_GRASPS, grasp_pose
from handsss.hand.load import load_model
from handsss.hand.wide_sampling import sample_wide_poses

_BETWEEN = 1 / 3  # share of poses that lie between two of the bank
_SHAKE = 0.1  # standard deviations of the hand model's pose coefficients


class PoseBank:
    """Poses of the wide sampler, and grasps and signs; what is drawn lies at one or between two, a little shaken.

    Args:
        count: poses; a sixteenth as many grasps.
        seed: of the bank.
        device: of the results.
    """

    def __init__(self, count: int, seed: int, device: torch.device) -> None:
        wide, grasps = _bank(count, seed)
        model = load_model("open-detail")
        self.wide, self.grasps = wide.to(device), grasps.to(device)
        axes = model.hands_std[:, None] * model.hands_components  # [45, 45]
        self.shake = torch.as_tensor(_SHAKE * axes, dtype=torch.float32, device=device)

    def poses(self, draws: Draws) -> Tensor:
        """[B, 15, 3] axis-angle relative to the flat hand, radians."""
        u = draws.u("pose")
        first, second = self._one(u[:, 0], u[:, 1]), self._one(u[:, 2], u[:, 3])
        share = torch.where(u[:, 4] < _BETWEEN, 0.5 * u[:, 5], 0.0)[:, None, None]
        return first + share * (second - first) + (draws.n("shake") @ self.shake).reshape(-1, 15, 3)

    def _one(self, kind: Tensor, which: Tensor) -> Tensor:
        wide = self.wide[(which * len(self.wide)).long().clamp_max(len(self.wide) - 1)]
        grasps = self.grasps[(which * len(self.grasps)).long().clamp_max(len(self.grasps) - 1)]
        return torch.where((kind < WIDE_GRASPS)[:, None, None], grasps, wide)


@lru_cache(maxsize=2)
def _bank(count: int, seed: int) -> tuple[Tensor, Tensor]:
    model = load_model("open-detail")
    rng = np.random.default_rng((seed, 1))
    blocks = [sample_wide_poses(model, min(count, 1024), rng) for _ in range(-(-count // 1024))]
    grasps = np.stack([grasp_pose(model, rng) for _ in range(max(count // 16, 1))])
    wide = torch.as_tensor(np.concatenate(blocks)[:count], dtype=torch.float32)
    return wide, torch.as_tensor(grasps, dtype=torch.float32)


def shapes(draws: Draws) -> Tensor:
    """[B, 10] shape coefficients, as ``synthesize`` has them."""
    return draws.n("shape").clamp(-2.5, 2.5)
