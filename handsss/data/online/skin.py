"""Skins of a batch: the procedural skin of ``synthesize``, at the vertices of the hand instead of texels."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from handsss.data.online.draws import Draws, between
from handsss.data.synthetic.noise import space_noise
from handsss.data.synthetic.skin import PALM_LIGHT, TONES, surface
from handsss.hand.load import load_model

_PATTERNS = 48  # noise fields over the surface


class _Fields(NamedTuple):
    marks: np.ndarray  # [6, V] palmar, nail, nail edge, line, fingertip, back of the hand
    blotches: np.ndarray  # [P, V] about -1..1
    veins: np.ndarray  # [P, V] 0..1


@lru_cache(maxsize=1)
def _fields() -> _Fields:
    points = load_model("open-detail").v_template
    field = surface()
    owner = cKDTree(points).query(field.points)[1]
    count = np.maximum(np.bincount(owner, minlength=len(points)), 1)
    lines = np.clip(field.crease + 0.8 * field.palm_lines + 0.5 * field.knuckle, 0, 1)
    kinds = (field.palmar, field.nail, field.nail_edge, lines, field.fingertip, field.back_of_hand)
    marks = np.stack([np.bincount(owner, kind, minlength=len(points)) / count for kind in kinds])
    rng = np.random.default_rng(0)
    blotches = [space_noise(points, 0.012, rng, 3) for _ in range(_PATTERNS)]
    waves = [space_noise(points * np.array([0.35, 0.35, 1.0]), 0.009, rng, 1) for _ in range(_PATTERNS)]
    return _Fields(marks, np.stack(blotches), np.exp(-((np.stack(waves) / 0.2) ** 2)))


class SkinPainter:
    """Colours of hands.

    Args:
        device: of the results.
    """

    def __init__(self, device: torch.device) -> None:
        fields = _fields()

        def there(values: np.ndarray) -> Tensor:
            return torch.as_tensor(values, dtype=torch.float32, device=device)

        self.tones, self.palm_light = there(TONES), there(PALM_LIGHT)
        self.palmar, self.nail, self.edge, self.lines, self.fingertip, self.back = there(fields.marks)[..., None]
        self.blotches, self.veins = there(fields.blotches), there(fields.veins)

    def base(self, draws: Draws) -> Tensor:
        """[B, 3] linear RGB: the skin's colour on the back of the hand and on the arm."""
        at = draws.u("skin")[:, 0] * (len(self.tones) - 1)
        below = at.long().clamp_max(len(self.tones) - 2)
        colour = torch.lerp(self.tones[below], self.tones[below + 1], (at - below)[:, None])
        return colour * (1 + 0.04 * draws.n("skin"))

    def colours(self, draws: Draws) -> Tensor:
        """[B, V, 3] linear RGB at the vertices of the detail hand."""
        base = self.base(draws)[:, None]
        u = draws.u("skin")[..., None, None]  # [B, 5, 1, 1]: tone, redness, patterns, veins, depth of lines
        tone, redness = u[:, 0], u[:, 1]
        palm = base + (0.10 + 0.42 * tone) * (self.palm_light * (1.35 - 0.6 * tone) - base).clamp_min(0)
        colour = torch.lerp(base, palm * base.new_tensor([1.03, 0.97, 0.97]), self.palmar)
        which = (u[:, 2, 0, 0] * _PATTERNS).long().clamp_max(_PATTERNS - 1)
        blotches = self.blotches[which][..., None]
        colour = colour * (1 + 0.10 * blotches)
        red = (0.35 + 0.65 * redness) * (1 - 0.55 * tone)
        flush = red * (0.55 * self.fingertip + 0.22 * self.palmar * (blotches > 0.25))
        lines = between(u[:, 4], 0.15, 0.5) * 1.5 * self.lines  # wider and fainter than in a fine texture
        veins = 0.16 * u[:, 3].square() * (1 - 0.7 * tone) * self.back * self.veins[which][..., None]
        colour = colour * (1 - flush * base.new_tensor([0.04, 0.26, 0.22]))
        colour = (
            colour * (1 - lines * base.new_tensor([0.75, 1.0, 1.0])) * (1 - veins * base.new_tensor([1.0, 0.45, 0.25]))
        )
        return (
            torch.lerp(colour, self._nails(draws, base, tone), self.nail).mul_(1 - 0.25 * self.edge).clamp_(0.008, 0.95)
        )

    def _nails(self, draws: Draws, base: Tensor, tone: Tensor) -> Tensor:
        u = draws.u("varnish")[:, None]
        bare = base * 0.55 + base.new_tensor([0.62, 0.40, 0.36]) * 0.45 * (1.2 - 0.6 * tone)
        varnish = (0.02 + 0.68 * u[..., 1:]) * base.new_tensor([1.0, 0.5, 1.0])
        return torch.where(u[..., :1] < 0.08, varnish, bare)
