"""ImageNet weights of the encoder: from a file, or fetched when asked for and reachable."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from efficientnet_pytorch.utils import url_map

from handsss.hand.cache import cache_directory
from handsss.network.encoder import Encoder

DOWNLOAD = "download"


def initialise(encoder: Encoder, source: str) -> str:
    """Load weights into an encoder.

    Args:
        encoder: is changed.
        source: a file; "download" for the package's published weights, kept in the cache directory; empty: none.

    Returns:
        What the encoder starts from, for the user.

    Raises:
        InputError: a file that is missing, damaged or of another network.
    """
    if not source:
        return "random weights"
    if source != DOWNLOAD:
        encoder.load_imagenet(Path(source))
        return f"ImageNet weights from {source}"
    address = url_map[encoder.name]
    folder = cache_directory() or Path(tempfile.gettempdir()) / "handsss"
    kept = folder / "efficientnet" / address.rsplit("/", 1)[-1]
    if not kept.exists():
        prefix = kept.stem.rsplit("-", 1)[-1]  # the file's name ends with the beginning of its sha256
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(address, str(kept), hash_prefix=prefix, progress=False)
        except (OSError, RuntimeError) as error:  # no network, no space, or not the file that was published
            return f"random weights: {address} could not be fetched ({error})"
    encoder.load_imagenet(kept)
    return f"ImageNet weights from {kept}"
