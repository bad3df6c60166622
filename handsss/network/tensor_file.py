"""Files of tensors in half precision with a description: safetensors, read without executing anything in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save


def halved(value: torch.Tensor) -> torch.Tensor:
    """In half precision, if it holds fractions at all."""
    return (value.detach().half() if value.is_floating_point() else value).contiguous()


def tensor_file(tensors: Mapping[str, torch.Tensor], kind: str, about: Mapping[str, Any]) -> bytes:
    """The content of a file.

    Args:
        tensors: see :func:`halved`.
        kind: names the description, and by that the kind of file.
        about: the description, as JSON.
    """
    # One entry: several come in an order of chance, and the same network should give the same bytes.
    return save(dict(tensors), metadata={kind: json.dumps(about, sort_keys=True)})


def read_tensor_file(path: Path, kind: str, device: str = "cpu") -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read a file: its tensors, fractions in float32, and its description; none if that is of another kind.

    Raises:
        OSError, safetensors.SafetensorError: missing or damaged.
    """
    with safe_open(path, framework="pt", device=device) as file:
        text = (file.metadata() or {}).get(kind, "")
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    try:
        about = json.loads(text)
    except (ValueError, RecursionError):
        about = None
    whole = {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}
    return whole, about if isinstance(about, dict) else {}
