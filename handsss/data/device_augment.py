"""Augmentation of whole batches on the training device: rotation, zoom, downsampling, colour, occlusion.

A loader that only decodes crops reads twice as many as one that also warps them, and transfers bytes instead of floats.
The loader (:class:`handsss.data.dataset.HandDataset`) still draws the random parameters, so a row gets the same
augmentation on either device. Pixels differ by one level of 255 through rounding, and by a few where contrast is
stretched afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from handsss.data.augment import LUMA
from handsss.geometry.framing import CROP

RAW, WARP, SAMPLES, REDUCTION, LINEAR, GREY, COVER = "raw", "warp", "samples", "reduction", "linear", "grey", "cover"


def augment_on_device(row: Mapping[str, Tensor], device: torch.device) -> Tensor:
    """Apply the augmentation of a batch of deferred rows; returns images [B, 3, S, S] in 0..1.

    Args:
        row: what :meth:`handsss.data.dataset.HandDataset.deferred` gives, stacked: ``raw`` [B, 224, 224, 3] uint8,
            ``warp`` [B, 2, 3] finished pixels to crop pixels, ``samples`` [B] along a pixel's side, ``reduction`` [B],
            and, where colours change, ``linear`` [B, 3, 3] and ``grey`` [B], where things are covered ``cover``
            [B, S, S, 4] uint8. Numbers of samples and the reduction are read on the CPU: they decide shapes.
        device: to compute on.
    """

    def to_device(name: str) -> Tensor:
        return row[name].to(device, non_blocking=True)

    side = CROP // int(row[REDUCTION][0])
    raw = to_device(RAW).permute(0, 3, 1, 2).float()
    warp, samples = to_device(WARP), row[SAMPLES].cpu()
    picture = raw.new_empty(len(raw), 3, side, side)
    for count in samples.unique().tolist():
        rows = torch.nonzero(samples == count).flatten().to(device, non_blocking=True)
        picture[rows] = _warped(raw[rows], warp[rows], side, int(count))
    picture = picture.round()  # as the readers keep bytes between their steps
    if LINEAR in row:
        red, green, blue = picture.mean((2, 3)).unbind(1)
        mean = red * float(LUMA[0]) + green * float(LUMA[1]) + blue * float(LUMA[2])  # no copy from the host
        recoloured = torch.einsum("bij,bjhw->bihw", to_device(LINEAR), picture)
        picture = (recoloured + (to_device(GREY) * mean)[:, None, None, None]).clamp(0, 255).round()
    if COVER in row:
        cover = to_device(COVER).permute(0, 3, 1, 2)
        picture = torch.where(cover[:, 3:] > 0, cover[:, :3].to(picture.dtype), picture)
    return picture / 255


def _warped(raw: Tensor, warp: Tensor, side: int, samples: int) -> Tensor:
    """Bilinear look-ups, edges continued outwards, averaged over samples x samples a pixel."""
    centres = (torch.arange(side * samples, device=raw.device) + 0.5) / samples
    v, u = torch.meshgrid(centres, centres, indexing="ij")
    points = torch.stack([u, v], -1) @ warp[:, None, :, :2].transpose(-1, -2) + warp[:, None, None, :, 2]
    grid = points / (CROP / 2) - 1
    sampled = nn.functional.grid_sample(raw, grid, padding_mode="border", align_corners=False)
    return sampled if samples == 1 else nn.functional.avg_pool2d(sampled, samples)
