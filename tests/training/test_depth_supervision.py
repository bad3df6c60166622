"""E_depth in runs: stores with depth mixed with others, the detector's definition, data that have none."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from handsss.data.mixture import WeightedStore
from handsss.errors import UserError
from handsss.hand.load import load_model
from handsss.losses.e_depth import e_depth
from handsss.network.s2hand import NetworkSettings, S2Hand
from handsss.training.batch_rows import joined, stacked
from handsss.training.config import resolve
from handsss.training.depth_supervision import rows_with_depth, without_depth
from handsss.training.launch import RuntimeOptions, TrainOptions, launch
from handsss.training.objective import Batch, LossWeights, Objective
from handsss.training.recipe import Recipe, as_baseline, training_data
from tests.training.conftest import TINY

RUNTIME = RuntimeOptions("cpu", workers=0, tensorboard=False)


@pytest.fixture(scope="module")
def deep(stores: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The training store with 3D points in all rows but one: the true joints, as if they lay on the optical axis."""
    target = tmp_path_factory.mktemp("deep") / "deep.h5"
    shutil.copy(stores[0], target)
    with h5py.File(target, "r+") as file:
        joints = file["joints_3d"][:]
        world = np.concatenate([joints - joints.mean(1, keepdims=True), np.full((8, 21, 1), 0.004)], 2)
        world[3] = np.nan
        file["world_3d"] = world.astype(np.float32)
    return target


def test_rows_without_depth_are_filled() -> None:
    plain = {"image": torch.zeros(3, 2, 2), "index": torch.tensor(1)}
    rows = [plain, {**plain, "world_3d": torch.ones(21, 4)}, plain]
    batch = joined(stacked(rows), lambda part: part)
    assert batch["world_3d"].shape == (3, 21, 4)
    assert batch["world_3d"].isnan().flatten(1).all(1).tolist() == [True, False, True]


def test_a_mixture_learns_from_the_rows_that_have_depth(deep: Path, stores: tuple[Path, Path], tmp_path: Path) -> None:
    settings = (*TINY, "schedule.stages=[shape]", "schedule.steps=3", "schedule.batch=4", "losses.w_depth=2")
    mixture = (WeightedStore(stores[1]), WeightedStore(deep))
    recipe = Recipe(stores[1], mixture=mixture)
    data = training_data(recipe, resolve("full", None, (*settings, "augmentation.upright=true")))
    assert ["world_3d" in data[row] for row in (0, 4)] == [False, True]
    assert [rows_with_depth(store) for store in (*mixture, WeightedStore(Path("online")))] == [0, 7, 0]
    result = launch(TrainOptions(data=mixture, out=tmp_path / "run", settings=settings), RUNTIME)
    lines = [json.loads(line) for line in (result.folder / "metrics.jsonl").read_text().splitlines()]
    values = [line["E_depth"] for line in lines if "E_depth" in line]
    assert len(values) == 3 and all(0 < value < 0.2 for value in values)


def test_joints_are_taken_in_the_detectors_definition() -> None:
    torch.manual_seed(0)
    network = S2Hand(load_model("open"), NetworkSettings(encoder="efficientnet-b0", stacks=0, appearance=False)).eval()
    camera = torch.tensor([[480.0, 0, 112], [0, 480, 112], [0, 0, 1]]).expand(2, 3, 3)
    world = 0.05 * torch.randn(2, 21, 4).abs()
    batch = Batch(torch.rand(2, 3, 224, 224), 224 * torch.rand(2, 21, 2), torch.ones(2, 21), camera, world=world)
    with torch.no_grad():
        values = [
            Objective(LossWeights(w_depth=0.5), name, 0.03)(network, batch, "shape").parts["E_depth"]
            for name in ("mediapipe", "freihand")
        ]
        joints = network(batch.image, batch.K, "mediapipe").joints
    wanted = e_depth(joints, world, batch.keypoints, batch.confidence, batch.K)
    assert [float(value) for value in values] == pytest.approx([float(wanted)] * 2, rel=1e-5)


def test_the_term_is_left_out_where_it_cannot_be_had(
    deep: Path, stores: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = resolve("full", None, ("losses.w_depth=2",))
    assert without_depth(config, Recipe(deep), asked=True) == (config, "")
    assert without_depth(resolve("full"), Recipe(stores[0]), asked=False) == (resolve("full"), "")
    for recipe, reason in (
        (Recipe(stores[0]), "no row of .* has any .stores of earlier versions, keypoints from files or truth"),
        (Recipe(Path("online")), "no row of online has any"),
        (Recipe(deep, supervision="fsl"), "true joints are given"),
    ):
        left, words = without_depth(config, recipe, asked=False)
        assert left.losses == replace(config.losses, w_depth=0.0)
        with pytest.raises(UserError, match=f"losses.w_depth = 2: expected .*, but {reason}.*Give losses.w_depth=0"):
            without_depth(config, recipe, asked=True)
        assert words.startswith("without E_depth: ")
    sets = {name: one for name, one in load_model("open").keypoint_sets.items() if name != "mediapipe"}
    other = replace(load_model("open"), keypoint_sets=sets)
    monkeypatch.setattr("handsss.training.depth_supervision.load_model", lambda name: other)
    _, words = without_depth(config, Recipe(deep, model="mine"), asked=False)
    assert "the hand model mine has no keypoints as the detector defines them (mediapipe)" in words
    assert as_baseline(config).losses.w_depth == 0


def test_asking_for_depth_that_is_not_there_is_an_error(stores: tuple[Path, Path], tmp_path: Path) -> None:
    options = TrainOptions(data=stores[0], out=tmp_path / "run", settings=(*TINY, "losses.w_depth=1"))
    with pytest.raises(UserError, match="preprocess ... --keypoints detect"):
        launch(options, RUNTIME)
    assert not (tmp_path / "run").exists()
