"""Writes checkpoints atomically. For reading see :mod:`handsss.network.checkpoint`."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from handsss.io.atomic import make_folder, write_file
from handsss.network.checkpoint import FORMAT, FORMAT_VERSION
from handsss.version import __version__


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
    make_folder(path.parent, resumable=True)
    write_file(path, buffer.getvalue(), resumable=True)
