"""The window of a crop that the network sees, for a whole batch on a device.

The batched twin of :class:`handsss.network.input_view.InputView` with the random changes of
:meth:`handsss.data.augment.Augmentation.window`; hands are painted in the window at once, so nothing is resampled.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from handsss.data.augment import Augmentation
from handsss.data.online.draws import Draws
from handsss.geometry.framing import CROP, LEAST_BOX, USUAL_BOX


class Views(NamedTuple):
    """Windows of crops, and their cameras."""

    affine: Tensor  # [B, 2, 3] crop px -> window px, both of 224
    inverse: Tensor  # [B, 2, 3]
    rotation: Tensor  # [B, 3, 3] the crop's camera frame to the window's
    scale: Tensor  # [B] window px per crop px

    def pixels(self, points: Tensor) -> Tensor:
        """Points [B, N, 2] px of the crop in the window."""
        return points @ self.affine[:, :, :2].transpose(1, 2) + self.affine[:, None, :, 2]

    def intrinsics(self, K: Tensor) -> Tensor:
        """The windows' cameras [B, 3, 3] of the crops' K [B, 3, 3]: ``A K R^T``."""
        full = torch.cat([self.affine, self.affine.new_tensor([[[0.0, 0.0, 1.0]]]).expand(len(K), 1, 3)], 1)
        return full @ K @ self.rotation.transpose(1, 2)


def views(keypoints: Tensor, confidence: Tensor, how: Augmentation, draws: Draws) -> Views:
    """The windows that a network is trained on.

    Args:
        keypoints: [B, 21, 2] px of the crop.
        confidence: [B, 21].
        how: which view, and how much it is turned and zoomed at random.
        draws: decide what is random.
    """
    lost = draws.u("view_lost") < how.detection_dropout
    confidence = torch.where(lost, 0.0, confidence)
    roll = -math.radians(how.rotation_deg) * (2 * draws.u("roll")[:, 0] - 1)
    if how.upright:
        x, y = (keypoints[:, 9] - keypoints[:, 0]).unbind(1)
        known = (confidence[:, [0, 9]] > 0).all(1) & ((x != 0) | (y != 0))
        roll = roll + torch.where(known, math.pi / 2 + torch.atan2(y, x), 0.0)
    cosine, sine = torch.cos(roll), torch.sin(roll)
    axes = torch.stack([torch.stack([cosine, sine], 1), torch.stack([-sine, cosine], 1)], 1)  # [B, 2, 2]
    side = torch.full_like(roll, float(CROP))
    centre = keypoints.new_full((len(roll), 2), CROP / 2)
    if how.crop_fill > 0:
        seen = confidence > 0
        enough = 2 * seen.sum(1) >= keypoints.shape[1]
        rolled = keypoints @ axes.transpose(1, 2)
        low = torch.where(seen[..., None], rolled, torch.inf).amin(1)
        high = torch.where(seen[..., None], rolled, -torch.inf).amax(1)
        box = (high - low).amax(1).clamp_min(LEAST_BOX)
        middle = ((low + high) / 2)[:, None] @ axes
        side = torch.where(enough, box, USUAL_BOX) / how.crop_fill
        centre = torch.where(enough[:, None], middle[:, 0], centre)
    if how.zoom > 0:
        u = 2 * draws.u("zoom") - 1
        side = side / torch.exp(-how.zoom * u[:, 0])
        centre = centre + how.zoom / 2 * u[:, 1:] * side[:, None]
    scale = CROP / side
    linear = scale[:, None, None] * axes
    shift = CROP / 2 - (linear @ centre[..., None])[..., 0]
    back = axes.transpose(1, 2) / scale[:, None, None]
    rotation = torch.zeros(len(roll), 3, 3, device=roll.device)
    rotation[:, :2, :2], rotation[:, 2, 2] = axes, 1.0
    return Views(
        torch.cat([linear, shift[..., None]], 2),
        torch.cat([back, -back @ shift[..., None]], 2),
        rotation,
        scale,
    )
