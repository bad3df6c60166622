"""E_SSIM: structural similarity (Wang et al. 2004) of the rendered hand and the photo."""

from __future__ import annotations

import torch
from torch import Tensor

WINDOW, _SIGMA = 11, 1.5  # px, of the Gaussian
_C1, _C2 = 0.01**2, 0.03**2  # for values 0..1


def e_ssim(rendered: Tensor, image: Tensor, silhouette: Tensor) -> Tensor:
    """``E_SSIM = 1 - SSIM(I * S, I^R)``, mean over the batch.

    Source: main paper. Weight: ``losses.w_ssim``. See docs/method.md, losses.

    Args:
        rendered: [B, H, W, 3] RGB 0..1, zero outside the silhouette.
        image: [B, H, W, 3] RGB 0..1.
        silhouette: [B, H, W] 0..1.
    """
    height, width = silhouette.shape[1:]
    rows, columns = _window_of(silhouette.detach())
    inside = silhouette[:, rows, columns, None]
    if inside.numel() == 0:
        return silhouette.sum() * 0
    masked = image[:, rows, columns] * inside
    similarity = ssim(masked.permute(0, 3, 1, 2), rendered[:, rows, columns].permute(0, 3, 1, 2))
    # Outside this window both images are black: their similarity is 1 there.
    share = masked.shape[1] * masked.shape[2] / (height * width)
    return share * (1 - similarity)


def _window_of(silhouette: Tensor) -> tuple[slice, slice]:
    """Rows and columns within half a filter of any silhouette of the batch. On a GPU all of them, since reading the
    bounds would synchronise."""
    slices = []
    for size, used in zip(silhouette.shape[1:], (silhouette.amax((0, 2)), silhouette.amax((0, 1))), strict=True):
        if silhouette.device.type != "cpu":
            slices.append(slice(0, size))
            continue
        occupied = torch.nonzero(used > 0).flatten()
        if len(occupied) == 0:
            return slice(0, 0), slice(0, 0)
        half = WINDOW // 2
        slices.append(slice(max(int(occupied[0]) - half, 0), min(int(occupied[-1]) + half + 1, size)))
    return slices[0], slices[1]


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Mean structural similarity of images [B, C, H, W] with values 0..1.

    Gaussian window of 11 px (sigma 1.5), zero padding. A fused kernel computes it on the CPU, :func:`ssim_reference`
    elsewhere.
    """
    if a.device.type != "cpu" or b.device.type != "cpu" or a.dtype not in (torch.float32, torch.float64):
        return ssim_reference(a, b)
    from handsss.losses.ssim_kernel import FusedSsim

    value: Tensor = FusedSsim.apply(a, b.to(a.dtype), _gaussian(a), _C1, _C2)
    return value


def ssim_reference(a: Tensor, b: Tensor) -> Tensor:
    """The same with torch's convolutions: for GPUs, and the reference of the kernel's tests."""
    kernel = _gaussian(a)
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
    numerator = (2 * mean_a * mean_b + _C1) * (2 * covariance + _C2)
    denominator = (mean_a.square() + mean_b.square() + _C1) * (variance_a + variance_b + _C2)
    return (numerator / denominator).mean()


def _gaussian(like: Tensor) -> Tensor:
    """[11], normalised to a sum of 1."""
    offset = torch.arange(WINDOW, dtype=like.dtype, device=like.device) - WINDOW // 2
    kernel = torch.exp(-(offset**2) / (2 * _SIGMA**2))
    return kernel / kernel.sum()
