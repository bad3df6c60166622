"""Losses on the rendered picture: E_pixel and E_SSIM. Method, section 2."""

from __future__ import annotations

import torch
from torch import Tensor

from handsss.losses.geometric import lengths
from handsss.losses.ssim import WINDOW, ssim


def pixel_loss(rendered: Tensor, image: Tensor, silhouette: Tensor, confidence: Tensor) -> Tensor:
    """E_pixel: ``con_sum / |S|`` times the sum over silhouette pixels of the L2 colour distance; mean over the batch.

    Args:
        rendered: [B, H, W, 3].
        image: [B, H, W, 3] 0..1.
        silhouette: [B, H, W] 0..1.
        confidence: [B, 21]; its sum is con_sum. A sample without silhouette gives 0.
    """
    area = silhouette.sum((1, 2))
    distance = (lengths(rendered - image) * silhouette).sum((1, 2))
    empty = area <= 0
    mean = torch.where(empty, torch.zeros_like(area), distance / torch.where(empty, torch.ones_like(area), area))
    return (confidence.sum(1) * mean).mean()


def ssim_loss(rendered: Tensor, image: Tensor, silhouette: Tensor) -> Tensor:
    """E_SSIM: ``1 - SSIM(I masked by S, rendered)``, mean over the batch.

    Args:
        rendered: [B, H, W, 3], zero outside the silhouette.
        image: [B, H, W, 3] 0..1.
        silhouette: [B, H, W] 0..1.
    """
    height, width = silhouette.shape[1:]
    rows, columns = _reach(silhouette.detach())
    part = silhouette[:, rows, columns, None]
    if part.numel() == 0:
        return silhouette.sum() * 0
    masked = image[:, rows, columns] * part
    inside = ssim(masked.permute(0, 3, 1, 2), rendered[:, rows, columns].permute(0, 3, 1, 2))
    # Beyond the silhouettes' reach both pictures are black, and alike.
    share = masked.shape[1] * masked.shape[2] / (height * width)
    return share * (1 - inside)


def _reach(silhouette: Tensor) -> tuple[slice, slice]:
    """Rows and columns within a window's half of any silhouette of the batch; all of them on a GPU, which would have
    to be waited for."""
    slices = []
    for size, used in zip(silhouette.shape[1:], (silhouette.amax((0, 2)), silhouette.amax((0, 1))), strict=True):
        if silhouette.device.type != "cpu":
            slices.append(slice(0, size))
            continue
        found = torch.nonzero(used > 0).flatten()
        if len(found) == 0:
            return slice(0, 0), slice(0, 0)
        half = WINDOW // 2
        slices.append(slice(max(int(found[0]) - half, 0), min(int(found[-1]) + half + 1, size)))
    return slices[0], slices[1]
