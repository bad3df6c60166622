"""Checks a weights file against the network it was exported from."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from handsss.errors import UserError
from handsss.network.checkpoint import load_network
from handsss.network.loaded import LoadedNetwork
from handsss.network.onnx.export import example
from handsss.network.weights import SUFFIX

ALLOWED_MM = 1.0  # largest wrist-relative change of a vertex by half precision
_IMAGES = 4


class RoundingError(UserError):
    """Half precision changes what the network predicts."""

    exit_code = 1


def check_rounding(loaded: LoadedNetwork, content: bytes) -> float:
    """Read weights back and compare their predictions with the network's, on random images.

    Args:
        loaded: the network.
        content: of the file, see :func:`handsss.network.weights.weights_bytes`.

    Returns:
        The largest wrist-relative change of a vertex, mm.

    Raises:
        RoundingError: by more than a millimetre.
    """
    image, K = example(_IMAGES)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"weights{SUFFIX}"
        file.write_bytes(content)
        written = load_network(file)
    shapes = []
    for network in (loaded.network, written.network):
        with torch.no_grad():
            output = network(image, K, branch=False)
        shapes.append(output.vertices - output.joints[:, :1])
    moved = 1e3 * float((shapes[0] - shapes[1]).norm(dim=-1).max())
    if not moved <= ALLOWED_MM:
        raise RoundingError(
            f"{loaded.path}: half precision would move vertices by {moved:.2f} mm on random images; {ALLOWED_MM:g} "
            "mm are allowed. Nothing was written."
        )
    return moved
