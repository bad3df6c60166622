"""Products and convolutions of float32 in full: TF32 keeps ten bits, and these tests look at more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tests.training.conftest import stores

__all__ = ["stores"]


@pytest.fixture(autouse=True)
def in_full() -> Iterator[None]:
    backends = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [backend.allow_tf32 for backend in backends]
    for backend in backends:
        backend.allow_tf32 = False
    yield
    for backend, value in zip(backends, before, strict=True):
        backend.allow_tf32 = value
