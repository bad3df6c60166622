"""Backgrounds kept small in memory: squares of photos, or procedural pictures; turned, cut and sampled as needed."""

from __future__ import annotations

import logging
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from handsss.data.online.degrade import SPECTRUM_SIDE
from handsss.data.online.draws import Draws, between
from handsss.data.synthetic.background import list_backgrounds, procedural
from handsss.errors import InputError, UserError
from handsss.geometry.framing import CROP
from handsss.geometry.warp import warp
from handsss.io.image import read_image

SIDE = CROP  # px, of the squares
MOST = 400  # photos kept: 60 MB
_PROCEDURAL = 48  # pictures, beside photos and without any
_SELDOM = 0.125  # share of procedural backgrounds where there are photos
_LOG = logging.getLogger(__name__)


class Backgrounds:
    """A bank of backgrounds on a device.

    Args:
        folder: of photos without hands; None: procedural ones alone. Of more than 400 photos every n-th is taken.
        device: to sample on.
        seed: of the procedural pictures.

    Raises:
        InputError: no such folder, no pictures in it, or none that can be read.
    """

    def __init__(self, folder: Path | None, device: torch.device, seed: int = 0) -> None:
        photos = [] if folder is None else _photos(folder)
        self.photos = len(photos)
        squares = [*photos, *_made(seed)]
        self.bank = torch.from_numpy(np.stack(squares)).to(device)  # [P, SIDE, SIDE, 3] uint8
        small = np.stack([np.asarray(_resized(Image.fromarray(one), SPECTRUM_SIDE)) for one in squares])
        values = torch.from_numpy(small).to(device).float() / 255
        self._levels = {1: self.bank}
        self.mean = values.mean((1, 2))  # [P, 3] of sRGB
        self.amplitude = torch.fft.rfft2(values, dim=(1, 2)).abs()  # [P, 56, 29, 3]

    def choose(self, draws: Draws) -> Tensor:
        """[B] which picture of the bank is behind each hand."""
        u = draws.u("photo")
        from_photos = (u[:, 1] * self.photos).long().clamp_max(max(self.photos - 1, 0))
        other = self.photos + (u[:, 1] * _PROCEDURAL).long().clamp_max(_PROCEDURAL - 1)
        return torch.where((u[:, 0] >= _SELDOM) & (self.photos > 0), from_photos, other)

    def placed(self, draws: Draws, from_view: Tensor) -> Tensor:
        """[B, 2, 3] maps from pixels of finished 224 px pictures to pixels of the bank's.

        Args:
            draws: decide which part is seen, and whether mirrored.
            from_view: [B, 2, 3] finished pixels to the crop's.
        """
        u = draws.u("photo")
        shrunk = torch.det(from_view[:, :, :2]).sqrt().clamp_min(1.0)  # never below the photo's own resolution
        side = 0.999 * SIDE * between(u[:, 2], 0.4, 1.0) / shrunk
        corner = (SIDE - side)[:, None] * u[:, 3:5]
        mirrored = torch.where(u[:, 5] < 0.5, -1.0, 1.0)
        scale = side / CROP
        zero = torch.zeros_like(scale)
        x = torch.stack([scale * mirrored, zero, torch.where(mirrored < 0, corner[:, 0] + side, corner[:, 0])], 1)
        y = torch.stack([zero, scale, corner[:, 1]], 1)
        to_bank = torch.stack([x, y], 1)
        full = torch.cat([from_view, from_view.new_tensor([[[0.0, 0.0, 1.0]]]).expand(len(scale), 1, 3)], 1)
        return to_bank @ full

    def sample(self, which: Tensor, maps: Tensor, side: int) -> Tensor:
        """What is behind hands: [B, side, side, 3] sRGB 0..1; edges are continued.

        Args:
            which: [B] of :meth:`choose`.
            maps: [B, 2, 3] of :meth:`placed`.
            side: px of the finished pictures.
        """
        bank = self._level(CROP // side)
        if bank.device.type != "cpu":
            return sampled(bank[which], maps, side)
        # The same sums, at a fifth of the time.
        affine = maps.numpy().astype(np.float64)
        affine[:, :, 2] *= side / CROP
        rows = [warp(bank[k].numpy(), a, side, repeat=True) for k, a in zip(which.tolist(), affine, strict=True)]
        return torch.from_numpy(np.stack(rows))

    def _level(self, reduction: int) -> Tensor:
        """The bank at a fraction of its size, for smaller pictures."""
        if reduction not in self._levels:
            smaller = nn.functional.avg_pool2d(self.bank.permute(0, 3, 1, 2).float(), reduction)
            self._levels[reduction] = smaller.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
        return self._levels[reduction]


def sampled(squares: Tensor, maps: Tensor, side: int) -> Tensor:
    """As :meth:`Backgrounds.sample`, of squares [B, S, S, 3] uint8, by torch alone."""
    centres = (torch.arange(side, device=maps.device) + 0.5) * (CROP / side)
    v, u = torch.meshgrid(centres, centres, indexing="ij")
    points = torch.stack([u, v], -1) @ maps[:, None, :, :2].transpose(-1, -2) + maps[:, None, None, :, 2]
    pictures = squares.permute(0, 3, 1, 2).float() / 255
    shown = nn.functional.grid_sample(pictures, 2 * points / SIDE - 1, padding_mode="border", align_corners=False)
    return shown.permute(0, 2, 3, 1).contiguous()


@lru_cache(maxsize=1)
def _made(seed: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng((seed, 2))
    return tuple(np.round(255 * procedural(SIDE, rng)).astype(np.uint8) for _ in range(_PROCEDURAL))


def _resized(picture: Image.Image, side: int) -> Image.Image:
    return picture.resize((side, side), Image.Resampling.BOX if side < picture.width else Image.Resampling.BILINEAR)


def _photos(folder: Path) -> list[np.ndarray]:
    """Squares of a folder's photos; those that cannot be read are named in the log and left out."""
    paths = list_backgrounds(folder, "data", "online:")
    squares = []
    for path in paths[:: -(-len(paths) // MOST)]:
        try:
            picture = Image.fromarray(read_image(path).array)
        except UserError as error:
            _LOG.warning("%s", error)
            continue
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        squares.append(np.asarray(_resized(picture.crop((left, top, left + side, top + side)), SIDE)))
    if not squares:
        raise InputError(
            f"{{data}} online:{folder}: none of its {len(paths)} pictures can be read. Expected photos without hands.",
            options=("data",),
        )
    return squares
