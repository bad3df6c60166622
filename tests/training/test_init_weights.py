"""What a run's network begins with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from handsss.errors import InputError, UserError
from handsss.hand.load import load_model
from handsss.network.loaded import LoadedNetwork
from handsss.network.s2hand import NetworkSettings, S2Hand
from handsss.network.weights import weights_bytes
from handsss.training.checkpoint import save_checkpoint
from handsss.training.config import DataSettings, TrainConfig, resolve, to_toml
from handsss.training.init_weights import initialise_network
from handsss.training.recipe import Recipe
from handsss.training.run import TrainingRun
from tests.training.conftest import TINY

SMALL = NetworkSettings("efficientnet-b0", stacks=1, features=16, modules=1)


def network(seed: int, settings: NetworkSettings = SMALL) -> S2Hand:
    torch.manual_seed(seed)
    return S2Hand(load_model("open"), settings)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder."""
    folder = tmp_path_factory.mktemp("run")
    content = {"network": network(5).state_dict(), "config": to_toml(TrainConfig(network=SMALL)), "model": "open"}
    about = {"supervision": "ssl", "step": 70}
    save_checkpoint(folder / "final.pt", content | {"keypoint_set": "openpose", "about": about})
    return folder


def test_another_runs_network_is_taken_over(given: Path) -> None:
    made = network(1)
    assert initialise_network(made, DataSettings(weights=str(given)), "open") == (
        f"weights of {given.name}/final.pt (ssl, 70 steps)"
    )
    for name, value in network(5).state_dict().items():
        torch.testing.assert_close(made.state_dict()[name], value, rtol=0, atol=0)


def test_parts_that_only_one_of_them_has(given: Path, tmp_path: Path) -> None:
    more = replace(SMALL, auxiliary=True, appearance=False)
    made, before = network(1, more), network(1, more).state_dict()
    assert initialise_network(made, DataSettings(weights=str(given)), "open").endswith(
        "(ssl, 70 steps); random auxiliary"
    )
    theirs = network(5).state_dict()
    for name, value in made.state_dict().items():
        expected = before[name] if name.startswith("auxiliary.") else theirs[name]
        torch.testing.assert_close(value, expected, rtol=0, atol=0)
    # Finished guided networks keep their heat maps, not the SimCC head.
    guided = replace(SMALL, keypoint_features=True)
    content = {"network": network(6, guided).state_dict(), "config": to_toml(TrainConfig(network=guided))}
    about = {"supervision": "ssl", "step": 70}
    save_checkpoint(tmp_path / "g.pt", content | {"model": "open", "keypoint_set": "openpose", "about": about})
    made = network(1, replace(guided, auxiliary=True))
    assert initialise_network(made, DataSettings(weights=str(tmp_path / "g.pt")), "open").endswith(
        "70 steps); random SimCC head"
    )
    torch.testing.assert_close(made.auxiliary.maps.weight, network(6, guided).auxiliary.maps.weight)  # type: ignore[union-attr]
    with pytest.raises(InputError, match=r"regressor.base.0.weight is \[1024, 1343\], \[1024, 1280\] expected"):
        initialise_network(network(1), DataSettings(weights=str(tmp_path / "g.pt")), "open")
    # A file of weights lacks the keypoint branch.
    loaded = LoadedNetwork(given, network(5), "open", "openpose", to_toml(TrainConfig(network=SMALL)), {})
    (tmp_path / "w.safetensors").write_bytes(weights_bytes(loaded, {}))
    made = network(1)
    words = initialise_network(made, DataSettings(weights=str(tmp_path / "w.safetensors")), "open")
    assert words == "weights of w.safetensors (?, ? steps); random branch"


def test_what_does_not_fit_is_told(given: Path) -> None:
    settings = DataSettings(weights=str(given))
    with pytest.raises(
        InputError,
        match=r"final.pt: does not fit the network: branch.* is \[8, 128, 1, 1\], \[16, 128, 1, 1\] expected",
    ):
        initialise_network(network(1, replace(SMALL, features=32)), settings, "open")
    with pytest.raises(UserError, match=r"before a camera of 0 px.*one of 600 px.*or network.focal=0"):
        initialise_network(network(1, replace(SMALL, focal=600.0)), settings, "open")
    with pytest.raises(UserError, match=r"trained with the hand model 'open'.*Give model open"):
        initialise_network(network(1), settings, "mano")
    with pytest.raises(UserError, match=r"weights and imagenet were both given"):
        initialise_network(network(1), replace(settings, imagenet="download"), "open")
    with pytest.raises(InputError, match="no such file"):
        initialise_network(network(1), DataSettings(weights="absent.pt"), "open")


def test_a_run_begins_with_them_and_says_so(given: Path, tmp_path: Path, stores: tuple[Path, Path]) -> None:
    size = ("network.stacks=1", "network.features=16", "network.modules=1", f'data.weights="{given}"')
    config = resolve("full", None, (*TINY, "schedule.steps=2", "schedule.stages=[finetune]", *size))
    made = TrainingRun(tmp_path / "next", config, Recipe(*stores), device=torch.device("cpu"))
    torch.testing.assert_close(made.network.regressor.scale[0].weight, network(5).regressor.scale[0].weight)
    made.run()
    assert made.about()["start"] == f"weights of {given.name}/final.pt (ssl, 70 steps)"
