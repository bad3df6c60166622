"""A network and its ONNX file say the same, and what does not is told."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from handsss.errors import InputError, MissingDependencyError, UserError
from handsss.hand.load import load_model
from handsss.network.loaded import LoadedNetwork
from handsss.network.onnx import export as onnx_export
from handsss.network.onnx.check import ExportError, compare
from handsss.network.onnx.export import OUTPUTS, example, export_onnx, metadata
from handsss.network.regressors import AppearanceRegressor
from handsss.network.s2hand import NetworkSettings, S2Hand

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

# Reduced, and before a camera of its own: the settings that change what is computed.
SETTINGS = NetworkSettings(
    "efficientnet-b0", stacks=1, features=16, modules=1, input_downsample=2, focal=480.0, keypoint_features=True
)
CONFIG = "[augmentation]\nupright = true\nclose = 0.75\n"
ABOUT = {"supervision": "ssl", "step": 12, "data": "/home/somebody/freihand.h5"}


@pytest.fixture(scope="module")
def loaded() -> LoadedNetwork:
    """A network whose every output depends on its picture."""
    torch.manual_seed(0)
    network = S2Hand(load_model("open"), SETTINGS)
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.momentum = 1.0  # statistics of the pictures: random weights would hardly tell them apart otherwise
    assert network.appearance is not None
    with torch.no_grad():
        for head in (network.regressor.scale, network.regressor.translation, network.appearance.texture):
            head[-1].weight *= 20
        network(*example(4, seed=1))
    network.eval()
    return LoadedNetwork(Path("runs/made-up.pt"), network, "open", "mediapipe", CONFIG, ABOUT)


@pytest.fixture(scope="module")
def content(loaded: LoadedNetwork) -> bytes:
    return export_onnx(loaded, keypoints=True)


@pytest.mark.slow
def test_it_predicts_what_the_network_does(loaded: LoadedNetwork, content: bytes) -> None:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    image, K = example(2, seed=7)
    names = [value.name for value in session.get_outputs()]
    got = dict(zip(names, session.run(None, {"image": image.numpy(), "K": K.numpy()}), strict=True))
    assert names == list(OUTPUTS)
    with torch.no_grad():
        made = loaded.network(image, K, "mediapipe")
    assert made.keypoints is not None and made.texture is not None
    pairs = {
        "vertices": (made.vertices, 1e-5),
        "joints": (made.joints, 1e-5),
        "projected": (made.projected, 1e-2),
        "translation": (made.hand.translation, 1e-5),
        "joint_rotations": (made.rotations, 1e-4),
        "texture": (made.texture, 1e-4),
        "keypoints": (made.keypoints[:, -1], 1e-2),
    }
    for name, (wanted, tolerance) in pairs.items():
        assert np.ptp(got[name], axis=0).max() > 10 * tolerance, f"{name} does not depend on the picture"
        np.testing.assert_allclose(got[name], wanted.numpy(), rtol=1e-4, atol=tolerance, err_msg=name)


@pytest.mark.slow
def test_the_comparison(loaded: LoadedNetwork, content: bytes) -> None:
    found = compare(content, loaded, keypoints=True)
    assert [item.output for item in found] == list(OUTPUTS)
    assert all(item.largest <= item.allowed for item in found)
    assert found[0].shape == (778, 3)

    other = loaded._replace(network=copy.deepcopy(loaded.network))
    assert other.network.appearance is not None
    with torch.no_grad():
        other.network.appearance.texture[-1].bias[5] += 0.25
    with pytest.raises(ExportError, match=r"runs/made-up.pt: .*texture differs by 0.25, at most 0.0005 expected"):
        compare(content, other, keypoints=True)
    with pytest.raises(ExportError, match="has the outputs .*'keypoints'"):
        compare(content, loaded)
    with pytest.raises(ExportError, match="ONNX Runtime cannot run the exported network"):
        compare(b"no model", loaded, keypoints=True)
    with torch.no_grad():
        other.network.regressor.shape[-1].bias[0] = torch.nan
    with pytest.raises(InputError, match="numbers that are not finite"):
        compare(content, other, keypoints=True)


@pytest.mark.slow
def test_what_the_file_says_of_itself(loaded: LoadedNetwork, content: bytes) -> None:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    assert about["program"].startswith("handsss ")
    assert (about["hand_model"], about["keypoint_set"]) == ("open", "mediapipe")
    wanted = {"size": 224, "channels": "RGB", "range": [0, 1], "upright": True, "crop_fill": 0.75}
    assert json.loads(about["preparation"]) == wanted
    assert json.loads(about["outputs"])["vertices"]["unit"] == "m"
    assert json.loads(about["joint_order"])[8] == "index_tip"
    np.testing.assert_array_equal(json.loads(about["faces"]), loaded.network.hand.faces.numpy())
    assert json.loads(about["training"]) == {"supervision": "ssl", "step": 12}
    assert "licence" not in about
    assert [value.shape for value in session.get_inputs()] == [["N", 3, 224, 224], ["N", 3, 3]]
    assert all(value.shape[0] == "N" for value in session.get_outputs())
    for private in (b"somebody", b"stack_trace", str(Path(onnx_export.__file__).parent).encode()):
        assert private not in content


@pytest.mark.slow
def test_the_network_stays_as_it_was(loaded: LoadedNetwork, content: bytes) -> None:
    assert content
    assert type(loaded.network.appearance) is AppearanceRegressor
    assert not any(parameter.isnan().any() for parameter in loaded.network.parameters())


def test_other_makers_hand_models_have_a_licence(loaded: LoadedNetwork) -> None:
    about = metadata(loaded._replace(model="mano"), ["joints"])
    assert "makers' licence decides" in about["licence"]
    assert list(json.loads(about["outputs"])) == ["joints"]


def test_what_is_missing(loaded: LoadedNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = NetworkSettings("efficientnet-b0", stacks=0)
    plain = loaded._replace(network=S2Hand(load_model("open"), settings).eval())
    with pytest.raises(UserError, match="no keypoint branch .* Leave keypoints out"):
        export_onnx(plain, keypoints=True)
    monkeypatch.setattr(onnx_export, "find_spec", lambda name: None if name == "onnxscript" else object())
    with pytest.raises(MissingDependencyError, match=r'needs the package onnxscript.*pip install "handsss\[onnx\]"'):
        export_onnx(plain)
