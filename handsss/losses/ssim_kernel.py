"""SSIM and its gradient on the CPU, fused in one numba kernel; ``e_ssim.ssim_reference`` is its reference.

Each plane (one channel of one image) is filtered while it lies in the cache. With x, y the planes and G the Gaussian
filter, SSIM needs Gx, Gy, G(xx + yy) and G(xy). G is self-adjoint, so the gradient takes four more filters and is
computed along with the value.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from handsss.geometry.jit import is_cached, njit


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _filtered(plane: Any, kernel: Any, rows: Any, out: Any) -> None:
    """A symmetric separable filter of a plane [H, W]; beyond its edges the plane is zero."""
    height, width = plane.shape
    half = kernel.shape[0] // 2
    for i in range(height):
        for j in range(width):
            rows[i, j] = kernel[half] * plane[i, j]
        for k in range(1, half + 1):
            weight = kernel[half + k]
            if i - k >= 0:
                for j in range(width):
                    rows[i, j] += weight * plane[i - k, j]
            if i + k < height:
                for j in range(width):
                    rows[i, j] += weight * plane[i + k, j]
    for i in range(height):
        for j in range(width):
            out[i, j] = kernel[half] * rows[i, j]
        for k in range(1, half + 1):
            weight = kernel[half + k]
            for j in range(k, width):
                out[i, j] += weight * rows[i, j - k]
            for j in range(width - k):
                out[i, j] += weight * rows[i, j + k]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def ssim_planes(a: Any, b: Any, kernel: Any, c1: float, c2: float, grad_a: Any, grad_b: Any, wanted: bool) -> float:
    """Sum of SSIM over planes a and b [N, H, W]; if wanted, its gradients in ``grad_a`` and ``grad_b``."""
    count, height, width = a.shape
    shape = (7, height, width)
    work = np.empty(shape, a.dtype)
    rows, mean_a, mean_b, power, product, given, other = work[0], work[1], work[2], work[3], work[4], work[5], work[6]
    total = 0.0
    for n in range(count):
        x, y = a[n], b[n]
        for i in range(height):
            for j in range(width):
                given[i, j] = x[i, j] * x[i, j] + y[i, j] * y[i, j]
                other[i, j] = x[i, j] * y[i, j]
        _filtered(x, kernel, rows, mean_a)
        _filtered(y, kernel, rows, mean_b)
        _filtered(given, kernel, rows, power)
        _filtered(other, kernel, rows, product)
        for i in range(height):
            line = 0.0
            for j in range(width):
                u, v = mean_a[i, j], mean_b[i, j]
                squares = u * u + v * v
                first, second = 2 * u * v + c1, 2 * (product[i, j] - u * v) + c2
                third, fourth = squares + c1, power[i, j] - squares + c2
                below = 1 / (third * fourth)
                value = first * second * below
                line += value
                if wanted:
                    # Derivatives by Gx, Gy, G(xx + yy) and G(xy) overwrite these.
                    cross = 2 * (second - first) * below
                    along = 2 * value * (1 / fourth - 1 / third)
                    mean_a[i, j] = v * cross + u * along
                    mean_b[i, j] = u * cross + v * along
                    power[i, j] = -value / fourth
                    product[i, j] = 2 * first * below
            total += line
        if not wanted:
            continue
        _filtered(power, kernel, rows, given)
        _filtered(product, kernel, rows, other)
        _filtered(mean_a, kernel, rows, power)
        _filtered(mean_b, kernel, rows, product)
        for i in range(height):
            for j in range(width):
                grad_a[n, i, j] = power[i, j] + 2 * x[i, j] * given[i, j] + y[i, j] * other[i, j]
                grad_b[n, i, j] = product[i, j] + 2 * y[i, j] * given[i, j] + x[i, j] * other[i, j]
    return total


class FusedSsim(torch.autograd.Function):
    """Mean SSIM of images [B, C, H, W] on the CPU, float32 or float64."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, kernel: Tensor, c1: float, c2: float) -> Tensor:
        x, y = (image.detach().contiguous().flatten(0, 1) for image in (a, b))
        wanted = any(ctx.needs_input_grad[:2])
        gradients = [torch.empty_like(x) if wanted else x[:0] for _ in range(2)]
        arrays = [tensor.numpy() for tensor in (x, y, kernel, *gradients)]
        total = ssim_planes(arrays[0], arrays[1], arrays[2], c1, c2, arrays[3], arrays[4], wanted)
        ctx.save_for_backward(*gradients)
        ctx.shape = a.shape
        return torch.tensor(total / max(x.numel(), 1), dtype=a.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor | None, ...]:
        share = given[0] / ctx.shape.numel()
        both = [
            share * gradient.reshape(ctx.shape) if needed else None
            for gradient, needed in zip(ctx.saved_tensors, ctx.needs_input_grad, strict=False)
        ]
        return both[0], both[1], None, None, None


def compile_ssim() -> None:
    """Compile the kernels for float32 images."""
    image = np.zeros((1, 12, 12), dtype=np.float32)
    gradients = np.empty_like(image), np.empty_like(image)
    ssim_planes(image, image, np.ones(11, dtype=np.float32) / 11, 1e-4, 9e-4, *gradients, True)


def ssim_is_compiled() -> bool:
    """Whether the machine code of the kernels is there."""
    return is_cached(ssim_planes)
