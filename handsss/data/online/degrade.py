"""What cameras and files do to a batch of pictures: spectrum, exposure, blur, noise, JPEG.

Colours are sRGB all along: the hand's light is converted at its vertices, so no picture needs it at every pixel.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from handsss.data.online.draws import Draws, between

_MOTION, _DEFOCUS = 0.2, 0.08  # shares of pictures with motion blur, and of those out of focus
_GRAINS = 16  # noise pictures, which are mirrored and scaled
SPECTRUM_SIDE = 56  # px: lower frequencies are mixed
_SPECTRUM = 0.3  # share of pictures whose spectrum is mixed with a photo's
_JPEG = 0.4  # share of pictures that went through a file of lesser quality
_LUMA = (0.299, 0.587, 0.114)
# The JPEG standard's example table of luminance (annex K), as every encoder has it.
_TABLE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip


class Degrader:
    """Degrades pictures of one size.

    Args:
        side: px, a multiple of 56.
        device: of the pictures.
    """

    def __init__(self, side: int, device: torch.device) -> None:
        self.side = side
        generator = torch.Generator().manual_seed(side)
        grain = torch.randn(_GRAINS, side, side, 3, generator=generator)
        self.grain = (0.8 * grain + 0.6 * grain.mean(-1, keepdim=True)).to(device)  # partly grey, as sensors' is
        rows = torch.arange(8)[:, None] * (2 * torch.arange(8) + 1)
        cosines = torch.cos(math.pi / 16 * rows) * torch.tensor([math.sqrt(0.125), *[0.5] * 7])[:, None]
        self.dct = torch.kron(cosines, cosines).to(device)  # [64, 64] of blocks of 8 x 8
        self.table = torch.tensor(_TABLE, dtype=torch.float32, device=device) / 255
        self.luma = torch.tensor(_LUMA, device=device)

    def __call__(self, picture: Tensor, chosen: Draws, draws: Draws, zoom: Tensor, amplitude: Tensor | None) -> Tensor:
        """The pictures as a camera and a file would have them: 0..1 in steps of 1/255.

        Args:
            picture: [B, S, S, 3] sRGB; overwritten.
            chosen: random numbers on the CPU, which pick the pictures that get a treatment: no GPU is waited for.
            draws: the same on the device.
            zoom: [B] finished px per px of the crop; enlarged crops are less sharp.
            amplitude: [B, 56, 29, 3] spectra of photos, or None.
        """
        picture.mul_(torch.exp(0.10 * draws.n("exposure") + 0.05 * draws.n("white"))[:, None, None])
        if amplitude is not None:
            self._spectrum(picture, amplitude, chosen, draws)
        share = between(draws.u("motion")[:, 3], 0.1, 0.9) + 0.8 * (zoom - 1).clamp(0, 1)
        _soften(picture, share.clamp_max(1.0), 1)
        self._blur(picture, chosen)
        self._noise(picture, draws)
        self._jpeg(picture, chosen, draws)
        return picture.mul_(255).round_().clamp_(0, 255).mul_(1 / 255)

    def _spectrum(self, picture: Tensor, amplitude: Tensor, chosen: Draws, draws: Draws) -> None:
        """Amplitudes of low frequencies go towards those of a photo; phases stay (HandSynthesis, CVPR 2025; Yang and
        Soatto 2020). Computed on a small picture, and added back as a difference."""
        rows = torch.nonzero(chosen.u("spectrum")[:, 0] < _SPECTRUM)[:, 0].to(picture.device)
        if not len(rows):
            return
        share = 0.5 * draws.u("spectrum")[rows, 1][:, None, None, None]
        cell = self.side // SPECTRUM_SIDE
        blocks = picture[rows].reshape(-1, SPECTRUM_SIDE, cell, SPECTRUM_SIDE, cell, 3)
        spectrum = torch.fft.rfft2(blocks.mean((2, 4)), dim=(1, 2), norm="ortho")
        size = spectrum.abs()
        factor = share * (amplitude[rows] / size.clamp_min(1e-6) - 1).clamp_max(8)
        factor[:, 0, 0] = 0  # brightness stays
        change = torch.fft.irfft2(spectrum * factor, dim=(1, 2), norm="ortho").permute(0, 3, 1, 2)
        full = nn.functional.interpolate(change, (self.side,) * 2, mode="bilinear")
        picture[rows] += full.permute(0, 2, 3, 1)

    def _blur(self, picture: Tensor, chosen: Draws) -> None:
        """Motion and defocus of some pictures, in place."""
        u = chosen.u("motion")
        for row in torch.nonzero(u[:, 0] < _MOTION)[:, 0].tolist():
            length, angle = (1.0 + 3.0 * float(u[row, 2])) * self.side / 224, math.pi * float(u[row, 1])
            steps = 2 * max(round(length), 1) + 1  # of half a pixel and more, rounded to pixels
            shifts = [2 * length * (k / (steps - 1) - 0.5) for k in range(steps)]
            _streak(picture[row], {(round(s * math.sin(angle)), round(s * math.cos(angle))) for s in shifts})
        far = torch.nonzero((u[:, 0] >= _MOTION) & (u[:, 0] < _MOTION + _DEFOCUS))[:, 0]
        for row in far.tolist():
            for step in (2, 1, 1)[: 1 + round(2 * float(u[row, 2]))]:
                _soften(picture[row : row + 1], picture.new_ones(1), step)

    def _noise(self, picture: Tensor, draws: Draws) -> None:
        u = draws.u("noise")
        which = (u[:, 0] * _GRAINS).long().clamp_max(_GRAINS - 1)
        size = 0.025 * u[:, 1].square() + 0.002
        size = torch.where(u[:, 2] < 0.5, -size, size)[:, None, None, None]
        picture.addcmul_(self.grain[which], size)

    def _jpeg(self, picture: Tensor, chosen: Draws, draws: Draws) -> None:
        """Coefficients of brightness in blocks of 8 x 8 rounded as in a JPEG file, in place; colours, which files
        keep at half the resolution, stay."""
        rows = torch.nonzero(chosen.u("jpeg")[:, 0] < _JPEG)[:, 0].to(picture.device)
        if not len(rows):
            return
        quality = between(draws.u("jpeg")[rows, 1], 45, 95)
        factor = torch.where(quality < 50, 50 / quality, 2 - quality / 50)[:, None, None]
        some = picture[rows]
        grey = some @ self.luma - 0.5
        picture[rows] = some.add_((self._rounded(grey, self.table * factor) - grey)[..., None])

    def _rounded(self, plane: Tensor, steps: Tensor) -> Tensor:
        """Planes [n, H, W] of which coefficients are rounded to multiples of steps [n, 1, 64]."""
        count, height, width = plane.shape
        blocks = plane.reshape(count, height // 8, 8, width // 8, 8).transpose(2, 3).reshape(count, -1, 64)
        steps = steps.clamp_min(1 / 255)
        coefficients = (blocks @ self.dct.T).div_(steps).round_().mul_(steps)
        back = coefficients @ self.dct
        return back.reshape(count, height // 8, width // 8, 8, 8).transpose(2, 3).reshape(count, height, width)


def _soften(picture: Tensor, share: Tensor, step: int) -> None:
    """[1 2 1] along both axes, mixed in by shares [B], in place but for a border.

    Args:
        picture: [B, S, S, 3].
        share: [B] 0..1.
        step: px between the three.
    """
    first, middle, last = slice(None, -2 * step), slice(step, -step), slice(2 * step, None)
    across = picture[:, :, first] + picture[:, :, last]
    across.add_(picture[:, :, middle], alpha=2)
    both = across[:, first] + across[:, last]
    both.add_(across[:, middle], alpha=2).mul_(1 / 16)
    picture[:, middle, middle].lerp_(both, share[:, None, None, None])


def _streak(picture: Tensor, shifts: set[tuple[int, int]]) -> None:
    """The mean of a picture [S, S, 3] shifted by (rows, columns), in place but for a border."""
    reach = max(max(abs(y), abs(x)) for y, x in shifts)
    if reach == 0:
        return
    height, width = picture.shape[0] - 2 * reach, picture.shape[1] - 2 * reach
    total = torch.zeros_like(picture[reach:-reach, reach:-reach])
    for y, x in sorted(shifts):
        total += picture[reach + y : reach + y + height, reach + x : reach + x + width]
    picture[reach:-reach, reach:-reach] = total / len(shifts)
