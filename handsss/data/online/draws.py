"""The random numbers of a picture: drawn on the CPU from (seed, epoch, row), turned into a picture on any device.

All that is random in a picture comes from two vectors of fixed layout. So a picture depends neither on the batch or the
process it is painted in nor on the device, and a resumed run paints the same ones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

_STREAM = 7391  # tells these numbers from those of the augmentations, which have the same seed, epoch and row
_FURTHEST = 3.0  # normal numbers are clipped there

_UNIFORM = {
    "pose": 8, "skin": 5, "varnish": 4, "upright": 6, "turn": 12, "kind": 1, "focal": 2, "depth": 2, "principal": 2,
    "sleeve": 3, "cloth": 3, "cloth_pattern": 1, "lamps": 14, "ambient": 4, "objects": 22, "object_colours": 12,
    "photo": 7, "spectrum": 4, "exposure": 1, "motion": 4, "noise": 4, "jpeg": 2, "roll": 1, "zoom": 3, "view_lost": 1,
    "clean": 1, "finger": 1, "gross": 1, "dropped": 1, "lost": 21, "lost_share": 1,
}  # fmt: skip
_NORMAL = {
    "shake": 45, "shape": 10, "skin": 3, "lean": 3, "rotation": 16, "focal": 2, "principal": 2, "offset": 2, "wrist": 2,
    "fill": 1, "sleeve": 2, "lamps": 9, "lamp_colours": 9, "harmonics": 27, "object_turns": 8, "object_places": 6,
    "exposure": 1, "white": 3, "error_size": 1, "finger_size": 5, "error": 42, "gross": 2, "trust": 21,
}  # fmt: skip


def _slices(sizes: dict[str, int]) -> dict[str, slice]:
    ends = np.cumsum([0, *sizes.values()])
    return {name: slice(int(a), int(b)) for name, a, b in zip(sizes, ends[:-1], ends[1:], strict=True)}


_UNIFORM_SLICES, _NORMAL_SLICES = _slices(_UNIFORM), _slices(_NORMAL)


class Draws(NamedTuple):
    """Random numbers of a batch of pictures."""

    uniform: Tensor  # [B, U] 0..1
    normal: Tensor  # [B, N]

    def u(self, name: str) -> Tensor:
        """Uniform numbers [B, n] of a purpose."""
        return self.uniform[:, _UNIFORM_SLICES[name]]

    def n(self, name: str) -> Tensor:
        """Standard normal numbers [B, n] of a purpose, clipped at 3."""
        return self.normal[:, _NORMAL_SLICES[name]]

    def to(self, device: torch.device) -> Draws:
        """The same on a device."""
        return Draws(self.uniform.to(device, non_blocking=True), self.normal.to(device, non_blocking=True))

    def part(self, rows: slice | Tensor) -> Draws:
        """Those of some pictures."""
        return Draws(self.uniform[rows], self.normal[rows])


def draw(seed: int, epoch: int, row: int) -> Draws:
    """The numbers of one picture, a batch of one.

    Args:
        seed: of the run.
        epoch: which pass over the rows.
        row: of the data.
    """
    rng = np.random.default_rng((seed, epoch, row, _STREAM))
    uniform = rng.random(_UNIFORM_SLICES["lost_share"].stop, dtype=np.float32)
    normal = rng.standard_normal(_NORMAL_SLICES["trust"].stop, dtype=np.float32)
    return Draws(
        torch.from_numpy(uniform)[None], torch.from_numpy(np.clip(normal, -_FURTHEST, _FURTHEST, out=normal))[None]
    )


def between(u: Tensor, low: float, high: float) -> Tensor:
    """Uniform numbers of 0..1 between two others."""
    return low + (high - low) * u
