"""Where hands are before the camera, and the camera: crops of larger pictures, as FreiHAND's and detectors' are."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from handsss.data.online.draws import Draws, between
from handsss.geometry.framing import CROP, FOCAL_LENGTH, MARGIN
from handsss.geometry.rotations import axis_angle_to_matrix, quaternion_to_matrix

_HELD = 0.5  # share of hands that are held up to the camera or reach in
_FROM_CAMERA = -0.75  # z of the forearm's direction below which it would hide the hand
_FAR_ARM, _ARM = 0.1, 0.42  # m, depth of a hand whose forearm comes from the camera: it ends before the camera
_TRIES = 4  # rotations, of which the first is taken whose forearm does not come from the camera
_LARGEST_BOX = 0.93  # of the crop's side; larger hands move away


class Placement(NamedTuple):
    """Poses of hands relative to the camera, and their cameras."""

    rotation: Tensor  # [B, 3, 3] model frame to camera frame
    translation: Tensor  # [B, 3] m
    K: Tensor  # [B, 3, 3] px at 224


def rotations(draws: Draws) -> Tensor:
    """[B, 3, 3]: half of the hands are held up to the camera or reach in, the others are seen from any side.

    Only what looks along the forearm from behind, within 41 degrees, is left out.
    """
    u, n = draws.u("upright"), draws.n("lean")
    side = torch.pi * (u[:, 1] < 0.5) + 0.65 * n[:, 2]
    zero = torch.zeros_like(side)
    roll = axis_angle_to_matrix(torch.stack([zero, zero, 0.75 * n[:, 0]], 1))
    lean = axis_angle_to_matrix(torch.stack([0.45 * n[:, 1], zero, zero], 1))
    turn = axis_angle_to_matrix(torch.stack([zero, side, zero], 1))
    fingers_up = torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]], device=u.device)
    held = roll @ lean @ turn @ fingers_up
    anyhow = quaternion_to_matrix(draws.n("rotation").reshape(-1, 4)).reshape(-1, _TRIES, 3, 3)
    candidates = torch.where(
        (u[:, 0] < _HELD)[:, None, None, None], torch.cat([held[:, None], anyhow], 1)[:, :4], anyhow
    )
    usable = candidates[:, :, 2, 0] > _FROM_CAMERA  # the forearm lies along the model's +x
    first = usable.int().argmax(1)
    return candidates[torch.arange(len(u), device=u.device), first]


def place(joints: Tensor, draws: Draws) -> Placement:
    """Place hands.

    Half of them as ``synthesize`` does: a camera like FreiHAND's, the hand at whatever distance it was. Half as crops
    around detected hands are: the hand's box has the usual margin, the picture's middle is somewhere else.

    Args:
        joints: [B, 21, 3] m, model frame.
        draws: of the pictures.
    """
    rotation = rotations(draws)
    turned = joints @ rotation.transpose(1, 2)
    middle = turned.mean(1)
    span = (turned[..., :2] - middle[:, None, :2]).abs().amax((1, 2)) * 2  # m, of the box across the line of sight
    nearest = (middle[:, 2] - turned[..., 2].amin(1)) + 0.08
    detector_crop = draws.u("kind")[:, 0] < 0.5
    u, n = draws.u("depth"), draws.n("focal")
    focal = torch.where(
        draws.u("focal")[:, 0] < 0.8, FOCAL_LENGTH + 25 * n[:, 0], between(draws.u("focal")[:, 1], 230, 420)
    )
    depth = torch.where(
        draws.u("focal")[:, 0] < 0.8, between(u[:, 0] * u[:, 1].sqrt(), 0.4, 1.2), between(u[:, 0], 0.27, 0.6)
    )
    away = 0.22 * torch.exp(u[:, 0] * math.log(1.8 / 0.22))  # m
    fill = CROP / (1 + 2 * MARGIN) * torch.exp(0.10 * draws.n("fill")[:, 0])
    focal = torch.where(detector_crop, fill * away / span, focal)
    depth = torch.where(detector_crop, away, depth)
    towards = -rotation[:, 2, 0]
    nearest = torch.where(towards > 0.5, torch.maximum(nearest, _FAR_ARM + _ARM * towards), nearest)
    depth = torch.maximum(torch.maximum(depth, nearest), focal * span / (_LARGEST_BOX * CROP))
    # A crop of a photo whose longer side is 0.75 to 1.5 focal lengths, and that holds the crop's middle.
    reach = (0.5 * focal / between(u[:, 1], 0.75, 1.5) - 40).clamp(2, 500)
    aside = torch.where(
        detector_crop[:, None], (2 * draws.u("principal") - 1) * reach[:, None], 2 * draws.n("principal")
    )
    principal = CROP / 2 + aside
    offset = torch.where(detector_crop[:, None], 4.0, 9.0) * draws.n("offset")
    ray = (CROP / 2 + offset - principal) / focal[:, None]
    centre = torch.cat([ray * depth[:, None], depth[:, None]], 1)
    K = torch.zeros(len(focal), 3, 3, device=focal.device)
    K[:, 0, 0] = K[:, 1, 1] = focal
    K[:, :2, 2], K[:, 2, 2] = principal, 1.0
    return Placement(rotation, centre - middle, K)
