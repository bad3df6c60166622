"""The network that comes along: what it is, and that it sees hands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from handsss.data.dataset import HandDataset
from handsss.data.keypoints.sources import TruthSource
from handsss.data.preprocess import PreprocessOptions, preprocess
from handsss.data.readers.freihand import open_freihand
from handsss.data.synthetic.generate import SynthesizeOptions, settings_of, synthesize
from handsss.errors import UserError
from handsss.fitting.network_prediction import NetworkPredictor
from handsss.geometry.procrustes import procrustes
from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model
from handsss.network.checkpoint import load_network
from handsss.network.weights import OPEN, bundled, read_weights
from handsss.reconstruction.pipeline import HandPipeline
from handsss.reconstruction.settings import PipelineSettings
from handsss.training.config import from_toml
from handsss.training.validate import Validation


@pytest.fixture(scope="module")
def hands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty hands of a seed that nothing was trained on."""
    folder = tmp_path_factory.mktemp("others")
    synthesize(folder / "root", SynthesizeOptions(1, 40, settings_of(20261125, None, clean=True)))
    target = folder / "hands.h5"
    preprocess(open_freihand(folder / "root", "evaluation"), TruthSource("freihand"), target, PreprocessOptions())
    return target


def test_it_is_small_and_says_what_it_is() -> None:
    path = bundled(OPEN)
    assert path.stat().st_size < 20_000_000
    content = read_weights(path)
    assert content["model"] == "open" and content["facts"]["name"] == OPEN
    assert content["facts"]["licence"] == "Apache-2.0"
    assert content["facts"]["evaluation"]["count"] == 2000
    assert not any("/" in str(value) for key, value in content["about"].items() if key in ("data", "validation"))
    loaded = load_network(Path(OPEN))
    assert loaded.network.branch is None and loaded.network.appearance is not None
    assert loaded.network.settings.encoder == "efficientnet-lite0"


def test_it_sees_hands(hands: Path) -> None:
    loaded = load_network(Path(OPEN))
    validation = Validation(hands, 0, view=from_toml(loaded.config, OPEN).augmentation.view)
    truth = np.stack([validation.data[row]["joints_3d"].numpy() for row in validation.rows])
    model = load_model("open")
    layer = HandLayer(model, flat_hand_mean=False)
    with torch.no_grad():
        mean = layer.keypoints(layer(pca=torch.zeros(1, 30)), validation.set).numpy().repeat(len(truth), 0)
    miss = np.linalg.norm(procrustes(mean, truth, reflection=False)(mean) - truth, axis=2).mean()
    reached = validation(loaded.network)
    assert reached["aligned_mpjpe_mm"] < 0.85 * 1e3 * miss
    assert reached["projected_px"] < 30  # of pictures in which hands fill 180 px


def test_photos_are_predicted_with_it_unless_told_otherwise() -> None:
    quick = {"texture_size": 64, "appearance": False}
    usual = HandPipeline("open", PipelineSettings(**quick))
    assert isinstance(usual.predictor, NetworkPredictor) and usual.predictor.name == OPEN
    detail = HandPipeline("open-detail", PipelineSettings(**quick))
    assert isinstance(detail.predictor, NetworkPredictor)
    assert HandPipeline("open", PipelineSettings(checkpoint="none", **quick)).predictor is None


@pytest.mark.parametrize(("precision", "allowed"), [("bfloat16", 4.0), ("float16", 0.5)])
def test_lower_precision_moves_hands_little(hands: Path, precision: str, allowed: float) -> None:
    data = HandDataset(hands)
    image = torch.stack([data[row]["image"] for row in range(8)])
    camera = torch.stack([data[row]["K"] for row in range(8)]).float()
    with torch.inference_mode():
        made = [load_network(Path(OPEN), "cpu", name).network(image, camera) for name in ("float32", precision)]
    places = [each.vertices - each.joints[:, :1] for each in made]
    assert all(each.vertices.dtype == torch.float32 for each in made)  # the hand itself never computes in less
    moved = 1e3 * (places[1] - places[0]).norm(dim=2)
    assert 0 < float(moved.mean()) < allowed, f"{float(moved.mean()):.2f} mm"


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(UserError, match=r"precision 'int4': expected one of float32, bfloat16, float16"):
        load_network(Path(OPEN), "cpu", "int4")
    with pytest.raises(UserError, match=r"device abacus: expected auto, cpu, cuda or cuda:NUMBER"):
        HandPipeline("open", PipelineSettings(device="abacus"))
