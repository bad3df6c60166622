"""Things held in the hand or in front of it: one mesh that becomes a ball, a box, a stick, a can or a card."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import trimesh
from torch import Tensor

from handsss.data.online.draws import Draws, between
from handsss.geometry.rotations import quaternion_to_matrix

SLOTS = 2  # held; in front
_HELD, _IN_FRONT = 0.20, 0.13  # shares of pictures
_EDGE = 10.0  # exponent of the p-norm whose unit ball is a box
# Half extents (m): least, most; whether the first two axes are round.
_KINDS = (
    ((0.018, 0.018, 0.018), (0.035, 0.035, 0.035), 1.0),  # ball
    ((0.012, 0.012, 0.012), (0.040, 0.040, 0.040), 0.0),  # box
    ((0.003, 0.003, 0.060), (0.009, 0.009, 0.125), 1.0),  # stick
    ((0.018, 0.018, 0.040), (0.030, 0.030, 0.070), 1.0),  # can
    ((0.001, 0.025, 0.035), (0.002, 0.040, 0.050), 0.0),  # card
)


class Things(NamedTuple):
    """Objects of a batch; absent ones lie behind the camera."""

    vertices: Tensor  # [B, SLOTS, N, 3] m, camera frame
    colours: Tensor  # [B, SLOTS, N, 3] linear RGB
    present: Tensor  # [B, SLOTS] bool


class ThingMaker:
    """Makes objects.

    Args:
        device: of the results.
    """

    def __init__(self, device: torch.device) -> None:
        mesh = trimesh.creation.icosphere(subdivisions=2)
        self.faces = np.asarray(mesh.faces).astype(np.int64)
        self.directions = torch.as_tensor(np.asarray(mesh.vertices), dtype=torch.float32, device=device)
        least, most, round_ = zip(*_KINDS, strict=True)
        self.least, self.most, self.round = (torch.tensor(v, device=device) for v in (least, most, round_))

    def __call__(self, joints: Tensor, draws: Draws) -> Things:
        """Objects of a batch.

        Args:
            joints: [B, 21, 3] m, camera frame, OpenPose order.
            draws: of the pictures.
        """
        batch = len(joints)
        u = draws.u("objects").reshape(batch, SLOTS, 11)
        present = u[..., 0] < u.new_tensor([_HELD, _IN_FRONT])
        kind = (u[..., 1] * len(_KINDS)).long().clamp_max(len(_KINDS) - 1)
        # Round things are as thick as they are deep; balls as long, too.
        thick, long = u[..., 2], torch.where(kind > 0, u[..., 3], u[..., 2])
        share = torch.where(self.round[kind][..., None] > 0, torch.stack([thick, thick, long], -1), u[..., 2:5])
        size = torch.lerp(self.least[kind], self.most[kind], share)
        turn = quaternion_to_matrix(draws.n("object_turns").reshape(-1, 4)).reshape(batch, SLOTS, 3, 3)
        points = (self._unit(kind) * size[:, :, None]) @ turn.transpose(-1, -2)
        places = draws.n("object_places").reshape(batch, SLOTS, 3)
        held = 0.5 * (joints[:, [5, 9, 13, 17]].mean(1) + joints[:, [8, 12, 16, 20]].mean(1)) + 0.008 * places[:, 0]
        target = joints[torch.arange(batch, device=joints.device), (u[:, 1, 5] * 21).long().clamp_max(20)]
        aside = 0.02 * places[:, 1] * places.new_tensor([1.0, 1.0, 0.0])
        front = target * between(u[:, 1, 6:7], 0.80, 0.93) + aside
        points = points + torch.stack([held, front], 1)[:, :, None]
        points = torch.where(present[..., None, None], points, -1.0)
        return Things(points, self._colours(draws, u), present)

    def _unit(self, kind: Tensor) -> Tensor:
        """[B, SLOTS, N, 3]: the directions, pushed out to the surface of a ball, cylinder or cube of half side 1."""
        x, y, z = self.directions.unbind(1)
        across = (x * x + y * y).sqrt()
        cylinder = (across**_EDGE + z.abs() ** _EDGE) ** (-1 / _EDGE)
        cube = self.directions.abs().pow(_EDGE).sum(1) ** (-1 / _EDGE)
        factors = torch.stack([torch.ones_like(x), cube, cylinder])
        form = torch.where(kind == 0, 0, torch.where(self.round[kind] > 0, 2, 1))
        return factors[form][..., None] * self.directions

    def _colours(self, draws: Draws, u: Tensor) -> Tensor:
        """One colour, or a band of another around the middle."""
        pair = between(draws.u("object_colours"), 0.02, 0.75).reshape(len(u), SLOTS, 1, 2, 3)
        z = self.directions[:, 2]
        band = (z - (2 * u[..., 7:8] - 1)).abs() < 0.6 * u[..., 8:9]
        striped = band & (u[..., 9:10] < 0.5)
        return torch.where(striped[..., None], pair[..., 1, :], pair[..., 0, :])
