"""EfficientNet as the image encoder (supplement, section 1)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from efficientnet_pytorch import EfficientNet
from efficientnet_pytorch.utils import MemoryEfficientSwish, Swish, get_model_params
from torch import Tensor, nn

from handsss.errors import InputError, UserError
from handsss.geometry.framing import CROP
from handsss.io.content import why_unreadable

NORM_MOMENTUM = 0.01  # EfficientNet's own
_SIZES = (CROP, CROP // 2, CROP // 4)  # px; the paddings for the first are right for the others too
# Channels of the 7 x 7 and of the 56 x 56 feature map. The supplement's tables have b3's.
CHANNELS = {"efficientnet-b0": (1280, 24), "efficientnet-b3": (1536, 32), "efficientnet-lite0": (1280, 24)}
# Of the 28 x 28 and of the 14 x 14 map.
_BETWEEN = {"efficientnet-b0": (40, 112), "efficientnet-b3": (48, 136), "efficientnet-lite0": (40, 112)}
# b0 without squeeze-and-excitation, with ReLU6 for SiLU; its open ImageNet weights expect (x - 127) / 128 of 0..255.
LITE0 = "efficientnet-lite0"
_LITE0_MEAN, _LITE0_STD = 127 / 255, 128 / 255


IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Features(NamedTuple):
    """Feature maps and pooled vector."""

    high: Tensor  # [B, C_h, 7, 7]
    low: Tensor  # [B, C_l, 56, 56]
    vector: Tensor  # [B, C_h] pooled
    third: Tensor  # [B, C, 28, 28]
    fourth: Tensor  # [B, C, 14, 14]

    @property
    def pyramid(self) -> tuple[Tensor, ...]:
        """All maps, largest first."""
        return self.low, self.third, self.fourth, self.high


class Encoder(nn.Module):
    """EfficientNet without its classifier.

    Args:
        name: "efficientnet-b0" or "efficientnet-b3", as in the paper; or "efficientnet-lite0", whose ImageNet weights
            are open.
        pooling: "max" (supplement) or "average" (released code) over the 7 x 7 map.
        drop_connect: probability of skipping the last block for a sample in training; rises from 0 at the first.
        norm_momentum: of batch norm's running statistics.

    Raises:
        UserError: another name or pooling.
    """

    _scale: Tensor
    _shift: Tensor

    def __init__(
        self,
        name: str = "efficientnet-b3",
        pooling: str = "max",
        drop_connect: float = 0.2,
        norm_momentum: float = NORM_MOMENTUM,
    ) -> None:
        super().__init__()
        if name not in CHANNELS:
            raise UserError(f"encoder {name!r}: expected one of {', '.join(CHANNELS)}.")
        if pooling not in ("max", "average"):
            raise UserError(f"pooling {pooling!r}: expected max or average.")
        self.name, self.pooling = name, pooling
        self.high_channels, self.low_channels = CHANNELS[name]
        # The paddings are computed for the input's size.
        self.body = efficientnet(name, drop_connect)
        del self.body._fc, self.body._dropout, self.body._avg_pooling
        mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
        self.register_buffer("_scale", std / _LITE0_STD, persistent=False)
        self.register_buffer("_shift", (mean - _LITE0_MEAN) / _LITE0_STD, persistent=False)
        for module in self.body.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = norm_momentum

    @property
    def pyramid_channels(self) -> tuple[int, ...]:
        """Of :attr:`Features.pyramid`."""
        return self.low_channels, *_BETWEEN[self.name], self.high_channels

    def forward(self, image: Tensor) -> Features:
        """Encode images [B, 3, S, S] with ImageNet's normalisation (of any encoder); S is 224, 112 or 56."""
        if image.ndim != 4 or image.shape[1] != 3 or image.shape[2] != image.shape[3] or image.shape[2] not in _SIZES:
            raise ValueError(f"expected images [B, 3, {CROP}, {CROP}], got {list(image.shape)}")
        if self.name == LITE0:
            image = image * self._scale + self._shift
        ends = self.body.extract_endpoints(image.contiguous(memory_format=torch.channels_last))
        high, low = ends["reduction_6"], ends["reduction_2"]
        pooled = high.amax((2, 3)) if self.pooling == "max" else high.mean((2, 3))
        return Features(high, low, pooled, ends["reduction_3"], ends["reduction_4"])

    def load_imagenet(self, path: Path) -> None:
        """Load ImageNet weights from a file in efficientnet_pytorch's format.

        Raises:
            InputError: missing, unsafe, or of another network; names what does not fit.
        """
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            raise InputError(f"{path}: no such file. Expected {self.name}'s ImageNet weights (.pth).") from None
        except Exception as error:  # damaged and hostile files raise nearly anything
            raise InputError(
                f"{path}: cannot be read as weights ({why_unreadable(path, error)}). Expected {self.name}'s .pth."
            ) from error
        if not isinstance(state, dict):
            raise InputError(f"{path}: holds a {type(state).__name__}, expected a dictionary of weights.")
        wanted = self.body.state_dict()
        given = {key: value for key, value in state.items() if not key.startswith("_fc.")}
        wrong = [
            f"{key} ({list(given[key].shape) if key in given else 'absent'}, expected {list(value.shape)})"
            for key, value in wanted.items()
            if key not in given or given[key].shape != value.shape
        ]
        if wrong:
            more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
            raise InputError(f"{path}: not {self.name}: {'; '.join(wrong[:5])}{more}.")
        self.body.load_state_dict({key: given[key] for key in wanted})


def efficientnet(name: str, drop_connect: float = 0.2) -> EfficientNet:
    """The whole network for images of 224 px, classifier included, with torch's own activations.

    Args:
        name: see :data:`CHANNELS`.
    """
    base = "efficientnet-b0" if name == LITE0 else name
    blocks, settings = get_model_params(base, {"image_size": CROP, "drop_connect_rate": drop_connect})
    if name == LITE0:
        blocks = [block._replace(se_ratio=None) for block in blocks]
    network = EfficientNet(blocks, settings)
    _replace_swish(network, nn.ReLU6 if name == LITE0 else nn.SiLU)
    return network


def _replace_swish(module: nn.Module, activation: Callable[[], nn.Module]) -> None:
    """Replace the package's memory-efficient swish, which recomputes it."""
    for name, child in module.named_children():
        if isinstance(child, (Swish, MemoryEfficientSwish)):
            setattr(module, name, activation())
        else:
            _replace_swish(child, activation)
