"""The expected error of fitted hands: a small network from :mod:`handsss.fitting.doubt`'s features to millimetres.

``tools/train_expected_error`` trains it on rendered hands, whose truth is known; docs/lab/doubt.md shows how far it
holds.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from handsss.errors import InputError
from handsss.fitting.doubt import FEATURES, features_of
from handsss.fitting.fitted_hand import FittedHand
from handsss.fitting.problem import KeypointProblem
from handsss.network.tensor_file import halved, read_tensor_file, tensor_file

FILE = Path(__file__).parent / "data" / "expected_error.safetensors"
FORMAT, FORMAT_VERSION = "handsss-expected-error", 1
MEMBERS, WIDTH = 5, 32
_FARTHEST = 4.0  # standard deviations: features beyond, which rendered hands hardly show, count as there
_LEAST, _LARGEST = 0.5, 150.0  # mm


class ErrorNetwork(nn.Module):
    """Several small networks whose answers are averaged; each adds what the joint is, by its number.

    Args:
        members, width: number of networks, and of their hidden units in each of two layers.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, members: int = MEMBERS, width: int = WIDTH) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("spread", torch.ones(FEATURES))
        self.joint = nn.Parameter(torch.zeros(members, 21, width))
        sizes = (FEATURES, width, width, 1)
        self.weights = nn.ParameterList(
            nn.Parameter(torch.randn(members, a, b) / a**0.5) for a, b in itertools.pairwise(sizes)
        )
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(members, 1, b)) for b in sizes[1:])

    def forward(self, features: Tensor) -> Tensor:
        """Features [B, 21, FEATURES] to errors [members, B, 21] mm."""
        value = ((features - self.mean) / self.spread).clamp(-_FARTHEST, _FARTHEST)
        batch = len(value)
        flat = value.reshape(1, batch * 21, FEATURES).expand(len(self.joint), -1, -1)
        hidden = torch.baddbmm(self.biases[0], flat, self.weights[0])
        hidden = hidden + self.joint.repeat(1, batch, 1)
        hidden = torch.baddbmm(self.biases[1], nn.functional.gelu(hidden), self.weights[1])
        out = torch.baddbmm(self.biases[2], nn.functional.gelu(hidden), self.weights[2])
        return out.reshape(len(self.joint), batch, 21).exp().clamp(_LEAST, _LARGEST)


def network_bytes(network: ErrorNetwork, facts: Mapping[str, Any]) -> bytes:
    """A network as safetensors in half precision: what :func:`load_expected_error` reads."""
    tensors = {name: halved(value) for name, value in network.state_dict().items()}
    return tensor_file(tensors, FORMAT, {"format_version": FORMAT_VERSION, **facts})


def load_expected_error(path: Path = FILE) -> ErrorNetwork:
    """Read a network; the format holds numbers only, nothing of a file is executed.

    Raises:
        InputError: missing, damaged, or of another version.
    """
    try:
        tensors, about = read_tensor_file(path, FORMAT)
        if about.get("format_version") != FORMAT_VERSION:
            raise ValueError(f"expected format {FORMAT!r}, version {FORMAT_VERSION}")
        network = ErrorNetwork()
        network.load_state_dict(tensors)
    except (OSError, SafetensorError, RuntimeError, ValueError) as error:
        raise InputError(
            f"{path}: not a readable network of expected errors ({error}). Install handsss again."
        ) from error
    return network.eval().requires_grad_(False)


@lru_cache(maxsize=1)
def _usual() -> ErrorNetwork:
    return load_expected_error()


def expected_errors(problem: KeypointProblem, hands: Sequence[FittedHand]) -> np.ndarray:
    """The distance of each joint from the truth that is to be expected after a similarity alignment.

    Args:
        problem: the keypoint definition that the hands were fitted with.
        hands: refined ones.

    Returns:
        [B, 21] mm. A hand's expected error is the mean over its joints (aligned MPJPE).
    """
    with torch.no_grad():
        errors: np.ndarray = _usual()(torch.tensor(features_of(problem, hands))).mean(0).double().numpy()
    return errors
