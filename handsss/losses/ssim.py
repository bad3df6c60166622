"""Structural similarity of pictures (Wang et al. 2004)."""

from __future__ import annotations

import torch
from torch import Tensor

WINDOW, _SIGMA = 11, 1.5  # px, of the Gaussian
_C1, _C2 = 0.01**2, 0.03**2  # for values 0..1


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity of pictures [B, C, H, W] with values 0..1: Gaussian window of 11 px, zeros beyond the
    edges, mean over all. On the CPU by a fused kernel, see :func:`plain_ssim`."""
    if a.device.type != "cpu" or b.device.type != "cpu" or a.dtype not in (torch.float32, torch.float64):
        return plain_ssim(a, b)
    from handsss.losses.ssim_numba import FusedSsim

    value: Tensor = FusedSsim.apply(a, b.to(a.dtype), _kernel(a), _C1, _C2)
    return value


def plain_ssim(a: Tensor, b: Tensor) -> Tensor:
    """The same by torch's convolutions: on GPUs, and what the kernel is tested against."""
    kernel = _kernel(a)
    channels = a.shape[1]

    def blurred(x: Tensor) -> Tensor:
        half = WINDOW // 2
        x = torch.nn.functional.conv2d(
            x, kernel.reshape(1, 1, -1, 1).expand(channels, 1, -1, 1), None, 1, (half, 0), 1, channels
        )
        return torch.nn.functional.conv2d(
            x, kernel.reshape(1, 1, 1, -1).expand(channels, 1, 1, -1), None, 1, (0, half), 1, channels
        )

    mean_a, mean_b = blurred(a), blurred(b)
    variance_a = blurred(a * a) - mean_a.square()
    variance_b = blurred(b * b) - mean_b.square()
    covariance = blurred(a * b) - mean_a * mean_b
    above = (2 * mean_a * mean_b + _C1) * (2 * covariance + _C2)
    below = (mean_a.square() + mean_b.square() + _C1) * (variance_a + variance_b + _C2)
    return (above / below).mean()


def _kernel(like: Tensor) -> Tensor:
    """[11], its sum is 1."""
    offset = torch.arange(WINDOW, dtype=like.dtype, device=like.device) - WINDOW // 2
    kernel = torch.exp(-(offset**2) / (2 * _SIGMA**2))
    return kernel / kernel.sum()
