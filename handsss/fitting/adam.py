"""Adam for one tensor.

``torch.optim`` imports torch's compiler with its first optimiser, which takes two seconds: longer than a photo.
"""

from __future__ import annotations

import torch
from torch import Tensor


class Adam:
    """Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015), algorithm 1.

    Args:
        value: changed in place by :meth:`step`.
        betas: decay of the gradient's mean, and of its square's.
        epsilon: beside the square's root.
    """

    def __init__(self, value: Tensor, betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8) -> None:
        self.value, self.betas, self.epsilon = value, betas, epsilon
        self.first = torch.zeros_like(value, requires_grad=False)
        self.second = torch.zeros_like(value, requires_grad=False)
        self.count = 0

    @torch.no_grad()
    def step(self, gradient: Tensor, rate: float) -> None:
        """One step against a gradient, of about the rate's length in each number."""
        decay, decay_square = self.betas
        self.count += 1
        self.first.lerp_(gradient, 1 - decay)
        self.second.mul_(decay_square).addcmul_(gradient, gradient, value=1 - decay_square)
        mean = self.first / (1 - decay**self.count)
        spread = (self.second / (1 - decay_square**self.count)).sqrt_().add_(self.epsilon)
        self.value -= rate * mean / spread
