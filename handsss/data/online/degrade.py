"""What cameras and files do to a batch of pictures: spectrum, exposure, blur, noise, JPEG.

Colours are sRGB all along: the hand's light is converted at its vertices, so no picture needs it at every pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from handsss.data.online.draws import Draws, between

_MOTION, _DEFOCUS = 0.2, 0.08  # shares of pictures with motion blur, and of those out of focus
_GRAINS = 16  # noise pictures, which are mirrored and scaled
SPECTRUM_SIDE = 56  # px: lower frequencies are mixed
_SPECTRUM = 0.25  # share of pictures whose spectrum is mixed with a photo's
_JPEG = 0.3  # share of pictures that went through a file of lesser quality
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
        one = torch.eye(SPECTRUM_SIDE)[None]
        self.enlarge = nn.functional.interpolate(one, side, mode="linear")[0].T.contiguous().to(device)  # [S, 56]

    def __call__(
        self, picture: Tensor, numbers: Draws, zoom: Tensor, amplitude: Tensor | None, out: Tensor | None = None
    ) -> Tensor:
        """The pictures as a camera and a file would have them: 0..1 in steps of 1/255.

        Args:
            picture: [B, S, S, 3] sRGB; overwritten.
            numbers: random numbers, on the CPU: they pick the pictures that get a treatment, and no GPU is waited for.
            zoom: [B] finished px per px of the crop; enlarged crops are less sharp.
            amplitude: [B, 56, 29, 3] spectra of photos, or None.
            out: [B, S, S, 3] for the result.
        """
        draws = numbers.to(picture.device)
        picture.mul_(torch.exp(0.10 * draws.n("exposure") + 0.05 * draws.n("white"))[:, None, None])
        if amplitude is not None:
            some = torch.nonzero(numbers.u("spectrum")[:, 0] < _SPECTRUM)[:, 0]
            share = 0.5 * draws.u("spectrum")[:, 1]
            _treat(picture, some, lambda part, rows: self._spectrum(part, amplitude[rows], share[rows]))
        softness = between(draws.u("motion")[:, 3], 0.1, 0.9) + 0.8 * (zoom - 1).clamp(0, 1)
        _soften(picture, softness.clamp_max(1.0), 1)
        self._blur(picture, numbers)
        grain = (draws.u("noise")[:, 0] * _GRAINS).long().clamp_max(_GRAINS - 1)
        size = (0.025 * draws.u("noise")[:, 1].square() + 0.002) * (2 * (draws.u("noise")[:, 2] < 0.5) - 1)
        _treat(picture, torch.arange(len(picture)), lambda part, rows: self._noise(part, grain[rows], size[rows]))
        quality = between(draws.u("jpeg")[:, 1], 45, 95)
        some = torch.nonzero(numbers.u("jpeg")[:, 0] < _JPEG)[:, 0]
        _treat(picture, some, lambda part, rows: self._jpeg(part, quality[rows]))
        return torch.mul(picture.mul_(255).round_().clamp_(0, 255), 1 / 255, out=out)

    def _spectrum(self, picture: Tensor, amplitude: Tensor, share: Tensor) -> None:
        """Amplitudes of low frequencies go towards those of a photo by a share; phases stay (HandSynthesis, CVPR 2025;
        Yang and Soatto 2020). Computed on a small picture, and added back as a difference."""
        count, cell = len(picture), self.side // SPECTRUM_SIDE
        rows = picture.reshape(count, SPECTRUM_SIDE, cell, -1).mean(2)
        spectrum = torch.fft.rfft2(rows.reshape(count, SPECTRUM_SIDE, SPECTRUM_SIDE, cell, 3).mean(3), dim=(1, 2))
        factor = share[:, None, None, None] * (amplitude / spectrum.abs().clamp_min(1e-6) - 1).clamp_max(8)
        factor[:, 0, 0] = 0  # brightness stays
        change = torch.fft.irfft2(spectrum * factor, dim=(1, 2))
        # Bilinear enlargement as two matrix products.
        tall = (self.enlarge @ change.flatten(2)).reshape(count, self.side, SPECTRUM_SIDE, 3)
        wide = self.enlarge @ tall.transpose(1, 2).flatten(2)
        picture += wide.reshape(count, self.side, self.side, 3).transpose(1, 2)

    def _noise(self, picture: Tensor, grain: Tensor, size: Tensor) -> None:
        grains = self.grain[int(grain)][None] if len(grain) == 1 and grain.device.type == "cpu" else self.grain[grain]
        picture.addcmul_(grains, size[:, None, None, None])

    def _jpeg(self, picture: Tensor, quality: Tensor) -> None:
        """Coefficients of brightness in blocks of 8 x 8 rounded as in a JPEG file; colours, which files keep at half
        the resolution, stay."""
        factor = torch.where(quality < 50, 50 / quality, 2 - quality / 50)[:, None, None]
        grey = picture @ self.luma - 0.5
        picture += (self._rounded(grey, self.table * factor) - grey)[..., None]

    def _blur(self, picture: Tensor, numbers: Draws) -> None:
        """Motion and defocus of some pictures, in place."""
        u = numbers.u("motion")
        for row in torch.nonzero(u[:, 0] < _MOTION)[:, 0].tolist():
            length, angle = (1.0 + 3.0 * float(u[row, 2])) * self.side / 224, math.pi * float(u[row, 1])
            steps = 2 * max(round(length), 1) + 1  # of half a pixel and more, rounded to pixels
            shifts = [2 * length * (k / (steps - 1) - 0.5) for k in range(steps)]
            _streak(picture[row], {(round(s * math.sin(angle)), round(s * math.cos(angle))) for s in shifts})
        far = torch.nonzero((u[:, 0] >= _MOTION) & (u[:, 0] < _MOTION + _DEFOCUS))[:, 0]
        for row in far.tolist():
            for step in (2, 1, 1)[: 1 + round(2 * float(u[row, 2]))]:
                _soften(picture[row : row + 1], picture.new_ones(1), step)

    def _rounded(self, plane: Tensor, steps: Tensor) -> Tensor:
        """Planes [n, H, W] of which coefficients are rounded to multiples of steps [n, 1, 64]."""
        count, height, width = plane.shape
        blocks = plane.reshape(count, height // 8, 8, width // 8, 8).transpose(2, 3).reshape(count, -1, 64)
        steps = steps.clamp_min(1 / 255)
        coefficients = (blocks @ self.dct.T).div_(steps).round_().mul_(steps)
        back = coefficients @ self.dct
        return back.reshape(count, height // 8, width // 8, 8, 8).transpose(2, 3).reshape(count, height, width)


def _treat(picture: Tensor, rows: Tensor, change: Callable[[Tensor, Tensor], None]) -> None:
    """Change some pictures in place: on a CPU one by one where they lie, on a GPU all at once.

    Args:
        picture: [B, S, S, 3].
        rows: which of them, on the CPU.
        change: given pictures and their numbers on the pictures' device, works in place.
    """
    if picture.device.type == "cpu":
        for row in rows.tolist():
            change(picture[row : row + 1], torch.tensor([row]))
    elif len(rows) == len(picture):
        change(picture, rows.to(picture.device))
    elif len(rows):
        there = rows.to(picture.device)
        some = picture[there]
        change(some, there)
        picture[there] = some


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
