"""Checkpoints and weights of earlier versions: settings and weights by the names that they had then."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from handsss.errors import InputError
from handsss.hand.load import load_model
from handsss.network.checkpoint import FORMAT, FORMAT_VERSION, input_view_of, load_network
from handsss.network.s2hand import NetworkSettings, S2Hand
from handsss.network.setting_names import KEYS, WEIGHTS, Renamed, current_settings
from handsss.network.tensor_file import tensor_file
from handsss.network.weights import FORMAT as WEIGHTS_FORMAT

OLD = (
    "[network]\nencoder = 'efficientnet-b0'\nstacks = 0\nreduction = 2\nauxiliary = true\nguided = true\n"
    "[augmentation]\nupright = true\nclose = 0.8\nlost = 0.05\n"
)
SETTINGS = NetworkSettings("efficientnet-b0", stacks=0, input_downsample=2, auxiliary=True, keypoint_features=True)


def old_state(network: S2Hand) -> dict[str, torch.Tensor]:
    state = {}
    for name, value in network.state_dict().items():
        for old, new in WEIGHTS.items():
            name = name.replace(new, old)
        state[name] = value.contiguous()
    return state


@pytest.mark.parametrize("kind", ["checkpoint", "weights"])
def test_old_files_give_the_same_network(tmp_path: Path, kind: str) -> None:
    torch.manual_seed(0)
    network = S2Hand(load_model("open"), SETTINGS).eval()
    state = old_state(network)
    assert "auxiliary.places.weight" in state and "auxiliary.simcc.weight" not in state
    content = {"config": OLD, "model": "open", "keypoint_set": "mediapipe"}
    if kind == "checkpoint":
        path = tmp_path / "final.pt"
        torch.save({"format": FORMAT, "format_version": FORMAT_VERSION, "network": state, **content}, path)
    else:
        path = tmp_path / "w.safetensors"
        path.write_bytes(tensor_file(state, WEIGHTS_FORMAT, {"format_version": 1, **content}))
    loaded = load_network(path)
    assert loaded.network.settings == SETTINGS
    assert input_view_of(loaded) == (True, 0.8)
    for name, value in loaded.network.state_dict().items():
        torch.testing.assert_close(value, network.state_dict()[name], rtol=0, atol=0)


def test_current_settings() -> None:
    settings, renamed = current_settings({"network": {"reduction": 2, "stacks": 1}, "sauce": {"x": 1}, "n": 3}, "it")
    assert settings == {"network": {"input_downsample": 2, "stacks": 1}, "sauce": {"x": 1}, "n": 3}
    assert renamed == [Renamed("network.reduction", "network.input_downsample")]
    assert renamed[0].note == "network.reduction is now called network.input_downsample"
    same = {"network": {"input_downsample": 2}, "losses": {}}
    assert current_settings(same, "it") == (same, [])


@pytest.mark.parametrize("keys", [("guided", "keypoint_features"), ("keypoint_features", "guided")])
def test_an_old_and_a_new_name_together(keys: tuple[str, str]) -> None:
    message = rf"it: network.{keys[0]} and network.{keys[1]} are the same setting, and both are given. Leave one"
    with pytest.raises(InputError, match=message):
        current_settings({"network": dict.fromkeys(keys, True)}, "it")


def test_no_new_name_is_an_old_one() -> None:
    assert not {(section, new) for (section, _), new in KEYS.items()} & set(KEYS)
