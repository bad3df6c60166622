"""Choice of the device."""

from __future__ import annotations

import torch

from handsss.errors import UserError


def choose_device(name: str = "auto") -> torch.device:
    """The device to compute on.

    Args:
        name: "auto" (CUDA where there is one), "cpu", "cuda" or "cuda:1".

    Raises:
        UserError: not a device that torch knows, or not on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise _error(name, "expected auto, cpu, cuda or cuda:NUMBER.") from None
    if device.type == "cuda":
        if not torch.cuda.is_available():
            why = "this torch is built without CUDA" if torch.version.cuda is None else "torch finds no CUDA GPU"
            raise _error(
                name, f"{why}. Use {{device}} cpu, or install a torch built for CUDA (https://pytorch.org/get-started)."
            )
        if device.index is not None and device.index >= torch.cuda.device_count():
            raise _error(name, f"this machine has {torch.cuda.device_count()} GPU(s), numbered from 0.")
    elif device.type != "cpu":
        raise _error(name, "the renderer runs on cpu and cuda only.")
    return device


def _error(name: str, text: str) -> UserError:
    return UserError(f"{{device}} {name}: {text}", options=["device"])
