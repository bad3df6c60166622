"""Checkpoints: written whole or not at all, read without running anything in them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from torch import nn

from handsss import __version__
from handsss.data.blocks import write_atomically
from handsss.errors import InputError

FORMAT = "handsss-checkpoint"
FORMAT_VERSION = 1
_LISTED = 8  # layers that a message names


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint: under another name first, renamed when it is on the disk.

    Args:
        path: the file.
        content: tensors, numbers, strings, and lists and dictionaries of them.

    Raises:
        UserError: it cannot be written; what stood there stays.
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "format_version": FORMAT_VERSION, "program": __version__, **content}, buffer)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())


def load_checkpoint(path: Path, device: str | torch.device = "cpu") -> dict[str, Any]:
    """Read a checkpoint.

    Raises:
        InputError: missing, damaged, of a newer format, or holding anything but weights and plain values.
    """
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Expected a checkpoint of `handsss train`.") from None
    except Exception as error:  # damaged and hostile files raise nearly anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path}: not a checkpoint that can be read ({reason}). Nothing of it was run. Expected a file that "
            "`handsss train` wrote."
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path}: holds no checkpoint of handsss. Expected a file that `handsss train` wrote.")
    if int(content.get("format_version", 0)) > FORMAT_VERSION:
        raise InputError(
            f"{path}: has format version {content['format_version']}, written by handsss {content.get('program')}; "
            f"this program reads versions up to {FORMAT_VERSION}. Update handsss."
        )
    result: dict[str, Any] = content
    return result


def load_weights(network: nn.Module, state: dict[str, torch.Tensor], path: Path) -> None:
    """Put weights into a network, all of them or none.

    Raises:
        InputError: layers are missing, left over or of other shapes; each is named with both shapes.
    """
    own = network.state_dict()
    problems = [f"{name} is missing, {list(own[name].shape)} expected" for name in own if name not in state]
    problems += [f"{name} {list(state[name].shape)} is not part of this network" for name in state if name not in own]
    problems += [
        f"{name} is {list(state[name].shape)}, {list(own[name].shape)} expected"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    if problems:
        more = f"; and {len(problems) - _LISTED} more" if len(problems) > _LISTED else ""
        raise InputError(
            f"{path}: does not fit the network: {'; '.join(problems[:_LISTED])}{more}. Use the settings that the "
            "checkpoint was trained with (its config.toml)."
        )
    network.load_state_dict(state)
