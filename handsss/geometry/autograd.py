"""When a hand-written backward pass may stand in for automatic differentiation."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import forward_ad


def plain_autograd_needed(*tensors: Tensor | None) -> bool:
    """Whether a function must run as ordinary torch operations instead of a custom ``autograd.Function``.

    True inside ``torch.func`` transforms (vmap, jacrev, jvp), forward-mode differentiation, ``torch.compile`` /
    ``torch.export`` and tracing: all of these look into the operations themselves.

    Args:
        tensors: the inputs; ``None`` is skipped.
    """
    if torch.compiler.is_compiling() or torch._C._is_tracing():
        return True
    # The only test for an active torch.func transform is a private one; without it torch raises by itself.
    active = getattr(torch._C, "_are_functorch_transforms_active", None)
    if active is not None and active():
        return True
    duals = (forward_ad.unpack_dual(t) for t in tensors if t is not None)  # type: ignore[no-untyped-call]
    return any(dual.tangent is not None for dual in duals)
