"""Exponential moving average (EMA) of the weights, often better than the last step's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class ExponentialMovingAverage:
    """``average = decay * average + (1 - decay) * weights``, with a smaller decay in the first steps, so that
    the initial weights are soon forgotten.

    Args:
        network: whose weights are averaged; counters (integers) are copied.
        decay: per step, such as 0.999.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        if not 0 < decay < 1:
            raise ValueError(f"decay {decay}: expected a number between 0 and 1")
        self.decay, self.steps = decay, 0
        self.state = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Add the weights of a step."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.state[name].lerp_(value, 1 - decay)
            else:
                self.state[name].copy_(value)

    @contextmanager
    def applied(self, network: nn.Module) -> Iterator[None]:
        """The network with the averaged weights; afterwards with its own, bit for bit."""
        own = {name: value.detach().clone() for name, value in network.state_dict().items()}
        network.load_state_dict(self.state)
        try:
            yield
        finally:
            network.load_state_dict(own)

    def restore(self, state: dict[str, Tensor], steps: int) -> None:
        """Continue a saved average."""
        self.steps = steps
        for name, value in state.items():
            self.state[name].copy_(value)
