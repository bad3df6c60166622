"""Weights alone: half precision, without what predictions do not need, and read without trust."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from handsss.errors import InputError
from handsss.hand.load import load_model
from handsss.network import weights
from handsss.network.checkpoint import checkpoint_file, input_view_of, load_network
from handsss.network.loaded import LoadedNetwork
from handsss.network.s2hand import NetworkSettings, S2Hand
from handsss.network.weights import FORMAT, read_weights, weights_bytes, with_network_settings, without_folders
from handsss.network.weights_check import RoundingError, check_rounding
from handsss.training.checkpoint import save_checkpoint

SETTINGS = NetworkSettings("efficientnet-b0", stacks=1, features=16, modules=1, input_downsample=2)
CONFIG = (
    "[network]\nencoder = 'efficientnet-b0'\nstacks = 1\nfeatures = 16\nmodules = 1\ninput_downsample = 2\n"
    "[augmentation]\nupright = true\n"
)


@pytest.fixture(scope="module")
def loaded() -> LoadedNetwork:
    torch.manual_seed(0)
    network = S2Hand(load_model("open"), SETTINGS).eval()
    return LoadedNetwork(Path("run/final.pt"), network, "open", "mediapipe", CONFIG, {"step": 7, "program": "0.0.9"})


def test_what_is_written_predicts_what_the_network_does(loaded: LoadedNetwork, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(weights_bytes(loaded, {"name": "w", "licence": "CC0-1.0"}))
    again = load_network(path)
    assert again.network.branch is None and again.network.settings.stacks == 0 and again.network.input_downsample == 2
    assert (again.model, again.keypoint_set) == ("open", "mediapipe")
    assert again.about == {"step": 7, "program": "0.0.9"}
    assert again.facts == {"name": "w", "licence": "CC0-1.0"} and input_view_of(again) == (True, 0.0)
    assert "upright = true" in again.config
    own = loaded.network.state_dict()
    stored = load_file(path)
    assert not any(name.startswith("branch.") for name in stored) and any(name.startswith("branch.") for name in own)
    for name, value in again.network.state_dict().items():
        rounded = own[name].is_floating_point() and own[name].dim() > 1  # statistics and biases are exact
        expected = own[name].half().float() if rounded else own[name]
        torch.testing.assert_close(value, expected, rtol=0, atol=0)
        assert stored[name].dtype == (torch.float16 if rounded else own[name].dtype)
    image = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    K = torch.tensor([[480.0, 0, 112], [0, 480, 112], [0, 0, 1]]).expand(2, 3, 3)
    with torch.no_grad():
        a, b = loaded.network(image, K, branch=False), again.network(image, K)
    assert 0 < float((a.vertices - b.vertices).abs().max()) < 1e-3  # metres: rounded, and no more than that
    assert path.stat().st_size < 2.1 * sum(v.numel() for name, v in own.items() if not name.startswith("branch."))


def test_the_branch_is_kept_where_asked(loaded: LoadedNetwork, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(weights_bytes(loaded, {}, branch=True))
    again = load_network(path)
    assert again.network.branch is not None and again.network.settings == SETTINGS
    image = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        difference = loaded.network.keypoints_only(image) - again.network.keypoints_only(image)
    assert float(difference.abs().max()) < 1.0  # px


def test_the_same_network_gives_the_same_bytes(loaded: LoadedNetwork) -> None:
    facts = {"name": "w", "licence": "x", "note": "y", "evaluation": {"count": 3}}
    assert weights_bytes(loaded, facts) == weights_bytes(loaded, dict(reversed(facts.items())))


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            "[network]\nstacks = 2\nn = 1\n[schedule]\nstacks = 3\n",
            "[network]\nstacks = 0\nn = 1\n[schedule]\nstacks = 3\n",
        ),
        ("[network]\nfeatures = 128\n", "[network]\nstacks = 0\nfeatures = 128\n"),
        ("[losses]\nw_ori = 1\n", "[losses]\nw_ori = 1\n[network]\nstacks = 0\n"),
        ("", "[network]\nstacks = 0\n"),
    ],
)
def test_other_settings_of_the_network(config: str, expected: str) -> None:
    assert tomllib.loads(with_network_settings(config, {"stacks": 0})) == tomllib.loads(expected)


def test_auxiliary_heads_are_left_out(tmp_path: Path) -> None:
    """As a run's latest state has them."""
    torch.manual_seed(0)
    settings = replace(SETTINGS, auxiliary=True)
    network = S2Hand(load_model("open"), settings).eval()
    config = CONFIG.replace("stacks = 1", "stacks = 1\nauxiliary = true")
    loaded = LoadedNetwork(tmp_path / "latest.pt", network, "open", "openpose", config, {})
    (tmp_path / "w.SafeTensors").write_bytes(weights_bytes(loaded, {}))
    again = load_network(tmp_path / "w.SafeTensors")
    assert again.network.auxiliary is None and again.network.branch is None
    assert not any(name.startswith("auxiliary.") for name in load_file(tmp_path / "w.SafeTensors"))


def test_heat_maps_that_guide_the_prediction_are_kept(tmp_path: Path) -> None:
    torch.manual_seed(0)
    settings = replace(SETTINGS, auxiliary=True, keypoint_features=True)
    network = S2Hand(load_model("open"), settings).eval()
    config = CONFIG.replace("stacks = 1", "stacks = 1\nauxiliary = true\nkeypoint_features = true")
    loaded = LoadedNetwork(tmp_path / "latest.pt", network, "open", "openpose", config, {})
    (tmp_path / "w.safetensors").write_bytes(weights_bytes(loaded, {}))
    again = load_network(tmp_path / "w.safetensors")
    assert again.network.settings == replace(settings, auxiliary=False, stacks=0)
    kept = {name.split(".")[1] for name in load_file(tmp_path / "w.safetensors") if name.startswith("auxiliary.")}
    assert kept == {"sides", "mixing", "maps"}
    image = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    K = torch.tensor([[[480.0, 0, 112], [0, 480, 112], [0, 0, 1]]])
    with torch.no_grad():
        torch.testing.assert_close(again.network(image, K).vertices, network(image, K).vertices, atol=2e-4, rtol=0)


def test_folders_stay_at_home(loaded: LoadedNetwork) -> None:
    config = (
        CONFIG
        + '[data]\nimagenet = "/home/me/b0.pth"\nweights = "C:\\\\Users\\\\me\\\\run/final.pt"\nmean_bone = 0.03\n'
    )
    about = {
        "data": "/home/me/train.h5",
        "mixture": [{"data": "/home/me/train.h5", "weight": 1.2}, {"data": "online:/home/me/rooms"}],
        "start": "ImageNet weights from /home/me/.cache/b0.pth",
        "supervision": "ssl",
        "step": 3,
    }
    kept = without_folders(loaded._replace(config=config, about=about))
    assert kept.about == {
        "data": "train.h5",
        "mixture": [{"data": "train.h5", "weight": 1.2}, {"data": "online:rooms"}],
        "start": "ImageNet weights from b0.pth",
        "supervision": "ssl",
        "step": 3,
    }
    settings = tomllib.loads(kept.config)
    assert settings["data"] == {"imagenet": "b0.pth", "weights": "final.pt", "mean_bone": 0.03}
    assert settings["network"] == tomllib.loads(CONFIG)["network"]
    assert b"me/" not in weights_bytes(kept, {})


def test_numbers_that_half_precision_cannot_hold(loaded: LoadedNetwork) -> None:
    torch.manual_seed(0)
    network = S2Hand(load_model("open"), SETTINGS).eval()
    with torch.no_grad():
        network.regressor.scale[-1].weight.fill_(1e6)
    with pytest.raises(InputError, match=r"run.final.pt: regressor.scale.*half precision cannot hold"):
        weights_bytes(loaded._replace(network=network), {})


def test_rounding_is_told_and_too_much_of_it_refused(loaded: LoadedNetwork) -> None:
    content = weights_bytes(loaded, {})
    assert 0 < check_rounding(loaded, content) < 1
    torch.manual_seed(1)
    other = S2Hand(load_model("open"), SETTINGS).eval()
    with pytest.raises(RoundingError, match=r"would move vertices by \d+\.\d\d mm.*Nothing was written"):
        check_rounding(loaded._replace(network=other), content)


def test_names_of_weights_that_come_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(weights.BUNDLED, "handsss-open-lite0", tmp_path / "it.safetensors")
    with pytest.raises(InputError, match=r"handsss-open-lite0: its file .*it.safetensors is missing. Install"):
        checkpoint_file(Path("handsss-open-lite0"))
    (tmp_path / "it.safetensors").touch()
    assert checkpoint_file(Path("handsss-open-lite0")) == tmp_path / "it.safetensors"
    assert weights.shown_name(tmp_path / "it.safetensors") == "handsss-open-lite0"
    assert weights.shown_name(tmp_path / "other.safetensors") == str(tmp_path / "other.safetensors")
    monkeypatch.chdir(tmp_path)
    Path("handsss-open-lite0").touch()  # one's own file of that name is meant then
    assert checkpoint_file(Path("handsss-open-lite0")) == Path("handsss-open-lite0")
    with pytest.raises(InputError, match=r"handsss-open-b0: came with handsss 0.1. Expected handsss-open-lite0"):
        checkpoint_file(Path("handsss-open-b0"))
    Path("handsss-open-b0").touch()
    assert checkpoint_file(Path("handsss-open-b0")) == Path("handsss-open-b0")


def test_files_from_strangers(loaded: LoadedNetwork, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(InputError, match="no such file"):
        read_weights(path)
    whole = weights_bytes(loaded, {})
    for content in (b"", b"\x80\x04N.", whole[:1000], whole[:-100]):
        path.write_bytes(content)
        with pytest.raises(InputError, match="not weights that can be read"):
            load_network(path)
    path.write_bytes(whole)
    tensors = load_file(path)
    about = {"format_version": 1, "config": CONFIG, "model": "open", "keypoint_set": "mediapipe"}

    def written(content: object, arrays: dict[str, torch.Tensor] = tensors) -> None:
        save_file(arrays, path, metadata={FORMAT: content if isinstance(content, str) else json.dumps(content)})

    for wrong in ("{", "[" * 100_000, [1], about | {"model": 3}, {"format_version": 1}):
        written(wrong)
        with pytest.raises(InputError, match="no weights of handsss with their settings"):
            load_network(path)
    written(about | {"format_version": 2})
    with pytest.raises(InputError, match=r"format version 2; .* Update handsss"):
        load_network(path)
    written(about)  # the branch that these settings have is not in the file
    with pytest.raises(InputError, match=r"does not fit the network: branch\..* is missing"):
        load_network(path)
    for change, words in {
        "input_downsample = 8": "its setting network: .*input_downsample 8: expected 1, 2 or 4",
        "stacks = 1000000": "stacks 1000000: expected 0 to 16",
        'stacks = "x"': "its setting network.stacks: expected a whole number, got 'x'",
        "sauce = 1": "unknown settings: sauce",
    }.items():
        name = change.split()[0]
        lines = [line for line in CONFIG.splitlines() if not line.startswith(name)]
        lines.insert(lines.index("[network]") + 1, change)
        written(about | {"config": "\n".join(lines)})
        with pytest.raises(InputError, match=words):
            load_network(path)
    branchless = with_network_settings(CONFIG, {"stacks": 0})
    close = branchless.replace("[augmentation]", "[augmentation]\ncrop_fill = 'x'")
    for text in ("network = 3", close, "[network", "a = " + "[" * 100_000):
        written(about | {"config": text})
        with pytest.raises(InputError, match=r"w.safetensors: its setting"):
            load_network(path)
    written(about | {"config": branchless, "about": 3, "facts": "no"})
    assert load_network(path).about == {"program": None} and load_network(path).facts == {}
    spoilt = tensors | {"regressor.scale.2.bias": torch.full_like(tensors["regressor.scale.2.bias"], float("nan"))}
    written(about | {"config": branchless}, spoilt)
    with pytest.raises(InputError, match="regressor.scale.2.bias holds numbers that are not finite"):
        load_network(path)


@pytest.mark.parametrize("model", ["/dev/zero", "/dev/stdin", "x" * 5000, "a\0b"])
def test_hand_models_that_are_no_files_are_not_read(model: str) -> None:
    """A file of weights from a stranger names its hand model."""
    with pytest.raises(InputError, match="no hand model"):
        load_model(model)


@pytest.mark.parametrize("network", ["weights", {"encoder.a": "text"}])
def test_checkpoints_without_tensors(tmp_path: Path, network: object) -> None:
    path = tmp_path / "a.pt"
    config = "[network]\nencoder = 'efficientnet-b0'\nstacks = 0\n"
    save_checkpoint(path, {"network": network, "config": config, "model": "open", "keypoint_set": "openpose"})
    with pytest.raises(InputError, match=r"no weights by name|encoder\.a is no tensor"):
        load_network(path)
