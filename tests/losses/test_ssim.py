"""The fused SSIM against torch's convolutions, value and gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from handsss.losses.e_ssim import ssim, ssim_reference


def pictures(shape: tuple[int, ...], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    a = torch.rand(shape, generator=generator, dtype=torch.float64)
    b = (a + 0.3 * torch.rand(shape, generator=generator, dtype=torch.float64)).clamp(0, 1)
    b[..., : shape[-2] // 3, :] = 0  # black parts, as around hands
    return a.to(dtype).requires_grad_(), b.to(dtype).requires_grad_()


@pytest.mark.parametrize("shape", [(2, 3, 40, 33), (1, 1, 1, 1), (1, 2, 3, 30), (2, 1, 30, 4)])
def test_values_and_gradients(shape: tuple[int, ...]) -> None:
    a, b = pictures(shape, torch.float64)
    values = ssim(a, b), ssim_reference(a, b)
    torch.testing.assert_close(*values, rtol=1e-12, atol=1e-12)
    ours, theirs = (torch.autograd.grad(3 * value, (a, b)) for value in values)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_gradients_by_differences() -> None:
    a, b = pictures((1, 2, 7, 9), torch.float64)
    assert torch.autograd.gradcheck(ssim, (a, b))
    assert torch.autograd.gradcheck(lambda x: ssim(x, b.detach()), (a,))
    assert torch.autograd.gradcheck(lambda x: ssim(a.detach(), x), (b,))


def test_single_precision() -> None:
    a, b = pictures((2, 3, 64, 48), torch.float32)
    exact = ssim_reference(a.double(), b.double())
    for function in (ssim, ssim_reference):
        value = function(a, b)
        assert value.dtype == torch.float32
        assert float(value) == pytest.approx(float(exact), abs=2e-6)
    ours, theirs = (torch.autograd.grad(function(a, b), (a, b)) for function in (ssim, ssim_reference))
    for one, other in zip(ours, theirs, strict=True):
        assert float((one - other).abs().max()) < 1e-3 * float(other.abs().max())


def test_other_layouts_and_no_gradient() -> None:
    a, b = pictures((2, 3, 20, 24), torch.float64)
    with torch.no_grad():
        expected = ssim_reference(a, b)
        last = (x.contiguous(memory_format=torch.channels_last) for x in (a, b))
        torch.testing.assert_close(ssim(*last), expected)
        torch.testing.assert_close(ssim(a.transpose(2, 3), b.transpose(2, 3)), expected)
    assert not ssim(a.detach(), b.detach()).requires_grad
    half = a.detach().to(torch.bfloat16)
    assert ssim(half, half).dtype == torch.bfloat16  # torch's own then
