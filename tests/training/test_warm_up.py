"""The warm-up: an encoder without ImageNet weights learns to see keypoints; its heads do not outlive the run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from handsss.errors import UserError
from handsss.hand.load import load_model
from handsss.network.checkpoint import load_checkpoint
from handsss.network.s2hand import NetworkSettings, S2Hand
from handsss.training.config import resolve
from handsss.training.objective import LossWeights, Objective
from handsss.training.progress import Progress, StoppedError
from handsss.training.recipe import Recipe
from handsss.training.resume import restore_run
from handsss.training.run import TrainingRun
from handsss.training.schedule import Stage
from handsss.training.trained_network import load_trained_network
from handsss.training.trainer import Step, Trainer
from tests.training.conftest import TINY
from tests.training.test_training import Rows

SMALL = NetworkSettings(
    "efficientnet-b0", stacks=0, appearance=False, auxiliary=True, input_downsample=4, drop_connect=0.0
)
CPU = torch.device("cpu")


def test_the_encoder_learns_and_the_hand_does_not() -> None:
    torch.manual_seed(0)
    network = S2Hand(load_model("open"), SMALL)
    before = {name: value.clone() for name, value in network.named_parameters()}
    seen: list[Step] = []
    objective = Objective(LossWeights(), "mediapipe", 0.033)
    Trainer(network, objective, (Stage("warm-up", 25, 2e-3),), batch=6).run(Rows(), on_step=seen.append)
    assert set(seen[0].terms.parts) == {"E_heatmap", "E_simcc"} and seen[0].terms.prediction is None
    for name in ("E_heatmap", "E_simcc"):
        assert seen[-1].terms.parts[name] < 0.7 * seen[0].terms.parts[name]
    moved = {name.split(".")[0] for name, value in network.named_parameters() if not torch.equal(value, before[name])}
    assert moved == {"encoder", "auxiliary"}


def test_the_shape_stage_keeps_the_heads_terms() -> None:
    torch.manual_seed(0)
    network = S2Hand(load_model("open"), SMALL).eval()
    trainer = Trainer(network, Objective(LossWeights(), "mediapipe", 0.033), (Stage("shape", 1, 1e-3),), batch=2)
    batch = trainer.as_batch(torch.utils.data.default_collate([Rows()[i] for i in range(2)]))
    w = LossWeights()
    with torch.no_grad():
        terms = trainer.objective(network, batch, "shape")
        guided = S2Hand(load_model("open"), replace(SMALL, keypoint_features=True, auxiliary=False)).eval()
        maps_alone = trainer.objective(guided, batch, "shape")
        without = Objective(LossWeights(w_auxiliary=0), "mediapipe", 0.033)(network, batch, "shape")
    extra = w.w_auxiliary * (terms.parts["E_heatmap"] + w.w_simcc * terms.parts["E_simcc"])
    assert "E_heatmap" not in without.parts
    assert maps_alone.parts.keys() - without.parts.keys() == {"E_heatmap"}
    torch.testing.assert_close(terms.total, without.total + extra)


def test_heads_are_left_out_of_the_result(tmp_path: Path, stores: tuple[Path, Path]) -> None:
    settings = (
        *TINY,
        "schedule.steps=4",
        "schedule.stages=[warm-up, shape]",
        "network.auxiliary=true",
        "network.input_downsample=4",
        "network.focal=600",
        "augmentation.crop_fill=0.6",
    )
    config = resolve("full", None, settings)
    made = TrainingRun(tmp_path / "run", config, Recipe(stores[0], stores[1]), device=CPU)

    def stop(progress: Progress) -> None:
        if progress.step == 1:
            made.stop_asked = "stopped"

    with pytest.raises(StoppedError):
        made.run(on_progress=stop)
    assert any(name.startswith("auxiliary.") for name in load_checkpoint(tmp_path / "run/latest.pt")["network"])
    stages: list[str] = []
    restore_run(tmp_path / "run", device=CPU).run(on_progress=lambda progress: stages.append(progress.stage))
    assert stages == ["warm-up", "shape", "shape"]
    assert len(list((tmp_path / "run/pictures").iterdir())) == 1  # of rows that were read reduced
    assert not any(name.startswith("auxiliary.") for name in load_checkpoint(tmp_path / "run/final.pt")["network"])
    trained = load_trained_network(tmp_path / "run")
    assert trained.config == replace(config, network=replace(config.network, auxiliary=False))
    assert trained.network.input_downsample == 4 and trained.network.auxiliary is None


def test_the_stage_needs_the_heads() -> None:
    config = resolve("full", None, ("schedule.stages=[warm-up, shape]",))
    with pytest.raises(UserError, match=r"trains the encoder with auxiliary heads. Add network.auxiliary=true"):
        config.stage_settings()
    with pytest.raises(UserError, match=r"network.*input_downsample 3: expected 1, 2 or 4"):
        resolve("full", None, ("network.input_downsample=3",))
