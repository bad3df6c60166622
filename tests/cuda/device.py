"""The device that tests of this folder compare with the CPU, and how near results have to be.

It is CUDA where there is one. HANDSSS_TEST_DEVICE=cpu runs the same tests on the CPU, Triton's kernels interpreted
(TRITON_INTERPRET=1): that proves the tests, before a GPU is there.
"""

from __future__ import annotations

import importlib.util
import os

import pytest
import torch
from torch import Tensor

DEVICE = torch.device(os.environ.get("HANDSSS_TEST_DEVICE") or "cuda")
ON_GPU = DEVICE.type == "cuda"
READY = torch.cuda.is_available() if ON_GPU else True
HAS_TRITON = importlib.util.find_spec("triton") is not None and (ON_GPU or os.environ.get("TRITON_INTERPRET") == "1")

pytestmark = [pytest.mark.cuda, pytest.mark.skipif(not READY, reason="needs a GPU (or HANDSSS_TEST_DEVICE=cpu)")]


def near(got: Tensor, wanted: Tensor, share: float) -> None:
    """That all numbers differ by less than a share of the largest one, as sums of float32 do."""
    got, wanted = got.detach().double().cpu(), wanted.detach().double().cpu()
    assert got.shape == wanted.shape
    assert bool(torch.isfinite(got).all())
    largest = float(wanted.abs().max())
    assert largest > 0, "nothing is compared"
    apart = float((got - wanted).abs().max()) / largest
    assert apart < share, f"{apart:.2e} of the largest number, {largest:.3g}, apart"


def near_in_norm(got: Tensor, wanted: Tensor, share: float) -> None:
    """The same by the norm of all numbers."""
    got, wanted = got.detach().double().cpu(), wanted.detach().double().cpu()
    assert float(wanted.norm()) > 0, "nothing is compared"
    apart = float((got - wanted).norm() / wanted.norm())
    assert apart < share, f"{apart:.2e} of the norm {float(wanted.norm()):.3g} apart"
