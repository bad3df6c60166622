"""E_beta: shape regularisation."""

from __future__ import annotations

from torch import Tensor


def e_beta(shape: Tensor) -> Tensor:
    """``E_beta = mean(beta^2)`` over coefficients and batch.

    Source: main paper and released code. Weight: ``losses.w_beta``. See docs/method.md, losses.

    Args:
        shape: [B, 10] shape coefficients.
    """
    return shape.square().mean()
