"""Forearms of a batch, bare or in a sleeve: those of ``synthesize``, all pictures at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from handsss.data.online.draws import Draws, between
from handsss.data.synthetic.arm import BEND_OVER, SEAM, template
from handsss.data.synthetic.noise import space_noise
from handsss.hand.load import load_model

_PATTERNS = 24  # of folds and weaves
_RING = 0.021  # m between rings of vertices; the hem pulls one of them to itself, so that its edge is sharp
_SLEEVED = 0.55  # share of arms in sleeves


class Arms(NamedTuple):
    """Forearms in the model frame."""

    vertices: Tensor  # [B, A, 3] m
    colours: Tensor  # [B, A, 3] linear RGB
    skin: Tensor  # [B, A] 1 where bare, 0 cloth


class ArmMaker:
    """Makes forearms for posed hands.

    Args:
        device: of the results.
    """

    def __init__(self, device: torch.device) -> None:
        base = template(refined=0)
        model = load_model("open-detail")
        ring, own = model.v_template[base.ring_hand], base.vertices[base.ring_arm]
        turn = Rotation.align_vectors(ring - ring.mean(0), own - own.mean(0))[0]
        start = turn.apply(base.vertices - own.mean(0))
        nearest = np.linalg.norm(base.vertices[:, None] - own[None], axis=-1).argmin(1)
        fade = np.exp(-((base.distance / SEAM) ** 2))
        fade[base.ring_arm] = 1
        share = np.clip(base.distance / BEND_OVER, 0, 1)
        share = share * share * (3 - 2 * share)
        share[base.ring_arm] = 0
        rng = np.random.default_rng(1)
        folds = [space_noise(base.vertices * np.array([2.2, 1, 1]), 0.03, rng, 2) for _ in range(_PATTERNS)]
        weave = [space_noise(base.vertices, 0.015, rng, 3) for _ in range(_PATTERNS)]
        axis = start - start[base.ring_arm].mean(0)
        axis[:, 0] = 0

        def there(values: np.ndarray) -> Tensor:
            return torch.as_tensor(values, dtype=torch.float32, device=device)

        self.faces = base.faces
        self.start, self.fade, self.share, self.distance = map(there, (start, fade, share, base.distance))
        self.outward = there(axis / np.maximum(np.linalg.norm(axis, axis=1, keepdims=True), 1e-6))
        self.folds, self.weave = there(np.stack(folds)), there(np.stack(weave))
        self.size = float(np.linalg.norm(start[base.ring_arm]))
        self.ring_hand, self.ring_arm, self.nearest = (
            torch.as_tensor(i, device=device).long() for i in (base.ring_hand, base.ring_arm, nearest)
        )

    def __call__(self, hand: Tensor, wrist: Tensor, base: Tensor, draws: Draws) -> Arms:
        """Forearms.

        Args:
            hand: [B, V, 3] vertices of the detail hand with identity root rotation.
            wrist: [B, 3] its wrist joint.
            base: [B, 3] the skin's colour.
            draws: of the pictures.
        """
        ring = hand[:, self.ring_hand]
        middle = ring.mean(1, keepdim=True)
        scale = (ring - middle).flatten(1).norm(dim=1)[:, None, None] / self.size
        u, n = draws.u("sleeve"), draws.n("sleeve")
        hem = torch.where(u[:, 0] < _SLEEVED, between(u[:, 1], 0.004, 0.12), 10.0)[:, None]
        # The ring before the hem moves up to it.
        gap = hem - self.distance
        pulled = torch.where((gap > 0) & (gap < _RING) & (self.distance > 0.002), gap - 0.0004, 0.0)
        cloth = ((self.distance - hem) / 0.0004 + 1).clamp(0, 1)
        which = (draws.u("cloth_pattern")[:, 0] * _PATTERNS).long().clamp_max(_PATTERNS - 1)
        thickness = between(u[:, 2:], 0.004, 0.010) + 0.002 * (1 + n[:, :1].abs()) * self.folds[which]
        cuff = 0.002 * torch.exp(-(((self.distance - hem - 0.012) / 0.01) ** 2))
        outward = (thickness.clamp_min(0.002) + cuff) * cloth * (self.distance > hem)
        points = (self.start + self.outward * outward[..., None]) * scale + middle
        points = points + (ring - points[:, self.ring_arm])[:, self.nearest] * self.fade[:, None]
        points[..., 0] += pulled
        colour = base[:, None] * (1 + 0.07 * self.weave[which])[..., None]
        fabric = between(draws.u("cloth"), 0.02, 0.7)[:, None] * (1 + 0.15 * self.weave[which])[..., None]
        seam = 1 - 0.35 * torch.exp(-(((self.distance - hem - 0.012) / 0.004) ** 2))
        colours = torch.where((cloth > 0.5)[..., None], fabric * seam[..., None], colour)
        return Arms(self._bent(points, wrist, draws), colours.clamp(0.005, 1), 1 - cloth)

    def _bent(self, points: Tensor, wrist: Tensor, draws: Draws) -> Tensor:
        """Turned about the wrist, by Rodrigues' formula: about one axis a picture, by a share of its angle a vertex."""
        degrees = (draws.n("wrist") * points.new_tensor([22.0, 9.0])).clamp(-50, 50)
        vector = torch.deg2rad(torch.stack([torch.zeros_like(degrees[:, 0]), degrees[:, 1], degrees[:, 0]], 1))
        angle = vector.norm(dim=1, keepdim=True).clamp_min(1e-6)
        axis = (vector / angle)[:, None].expand_as(points)
        turn = (angle * self.share)[..., None]
        arm = points - wrist[:, None]
        along = (axis * arm).sum(-1, keepdim=True)
        cosine = torch.cos(turn)
        return (
            arm * cosine
            + torch.linalg.cross(axis, arm) * torch.sin(turn)
            + axis * along * (1 - cosine)
            + wrist[:, None]
        )
