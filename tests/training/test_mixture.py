"""Several stores in one training: rows by weight, the same ones after a resume, definitions that fit."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from handsss.data.dataset import HandDataset
from handsss.data.mixture import MixedDataset, WeightedStore, parse_stores, with_weights
from handsss.errors import InputError, UserError
from handsss.network.checkpoint import load_checkpoint
from handsss.training.config import resolve
from handsss.training.launch import Callbacks, RuntimeOptions, TrainOptions, launch, resume
from handsss.training.progress import Progress, StoppedError
from handsss.training.recipe import Recipe, keypoint_origin, training_data
from handsss.training.run_data import recipe_of
from tests.training.conftest import TINY

RUNTIME = RuntimeOptions("cpu", workers=0, tensorboard=False, command=("train", "it"))
SETTINGS = (*TINY, "schedule.stages=[shape]", "schedule.steps=4", "losses.w_lifted=0", "augmentation.rotation_deg=20")


def edited(store: Path, copy: Path, **attributes: Any) -> Path:
    """A copy with other attributes."""
    shutil.copy(store, copy)
    with h5py.File(copy, "r+") as file:
        for name, value in attributes.items():
            file.attrs[name] = value
    return copy


def drawn(data: MixedDataset, epochs: int) -> list[tuple[int, int]]:
    """Part and row of every number, epoch by epoch."""
    rows = []
    for epoch in range(epochs):
        data.set_epoch(epoch)
        rows += [data.source(row)[:2] for row in range(len(data))]
    return rows


def test_weights_by_a_setting() -> None:
    stores = (WeightedStore(Path("a.h5")), WeightedStore(Path("b.h5"), 2.0))
    assert with_weights(stores, (), "data.store_weights") == stores
    recipe = recipe_of(stores, Path("v.h5"), supervision="ssl", baseline="", model="open", weights=(0.5, 2))
    assert [store.weight for store in recipe.stores] == [0.5, 2.0]
    assert resolve(settings=("data.store_weights=[0.5, 2]",)).data.store_weights == (0.5, 2.0)
    for weights, message in (
        ((1.0,), "has 1 weights, but data gives 2 stores"),
        ((1.0, 3.0), "data b.h5:2, but data.store_weights = 3 for it"),
        ((0.0, 2.0), "data.store_weights = 0: expected 0.001 to 1000"),
    ):
        with pytest.raises(UserError, match=message):
            with_weights(stores, weights, "data.store_weights")


@pytest.mark.parametrize(("weights", "epochs"), [((1, 1), 1), ((2, 1), 1), ((0.5, 1), 2), ((1.5, 0.25), 4)])
def test_rows_come_by_weight(stores: tuple[Path, Path], weights: tuple[float, float], epochs: int) -> None:
    parts = [HandDataset(store, fields=()) for store in stores]  # 8 and 4 rows
    data = MixedDataset(parts, weights, seed=3)
    assert len(data) == round(8 * weights[0]) + round(4 * weights[1])
    counts = Counter(drawn(data, epochs))
    for part, (rows, weight) in enumerate(zip((8, 4), weights, strict=True)):
        assert [counts[part, row] for row in range(rows)] == [weight * epochs] * rows
    assert drawn(data, 2) == drawn(MixedDataset(parts, weights, seed=3), 2)
    data.set_epoch(0)
    number, row, _ = data.source(5)
    assert torch.equal(data[5]["image"], HandDataset(stores[number], fields=())[row]["image"])
    assert data.reduced(2)[5]["image"].shape == (3, 112, 112)


def test_a_row_that_comes_twice_is_augmented_twice(stores: tuple[Path, Path]) -> None:
    config = resolve("full", None, SETTINGS)
    recipe = Recipe(stores[0], None, "ssl", "", "open", (WeightedStore(stores[0], 2), WeightedStore(stores[1])))
    data = training_data(recipe, config)
    assert isinstance(data, MixedDataset)
    same = [n for n in range(16) if data.source(n)[1] == 0]
    assert len(same) == 2 and not torch.equal(data[same[0]]["image"], data[same[1]]["image"])


def test_stopping_and_going_on_is_the_same_bit_for_bit(tmp_path: Path, stores: tuple[Path, Path]) -> None:
    mixture = (WeightedStore(stores[0], 0.5), WeightedStore(stores[1], 2))

    def options(name: str) -> TrainOptions:
        return TrainOptions(data=mixture, validation=stores[1], out=tmp_path / name, settings=SETTINGS)

    whole = launch(options("whole"), RUNTIME)
    runs: list[Any] = []

    def stop(progress: Progress) -> None:
        runs[0].stop_asked = "interrupted" if progress.step == 2 else ""

    with pytest.raises(StoppedError):
        launch(options("cut"), RUNTIME, Callbacks(start=runs.append, progress=stop))
    again = resume(tmp_path / "cut", RUNTIME)
    a, b = (load_checkpoint(result.checkpoint)["network"] for result in (whole, again))
    assert all(torch.equal(a[name], b[name]) for name in a)
    facts = json.loads((tmp_path / "cut/run.json").read_text())
    assert [(one["weight"], one["rows"], one["rows_an_epoch"]) for one in facts["mixture"]] == [(0.5, 8, 4), (2, 4, 8)]
    assert facts["rows"] == 12 and all(str(store.resolve()) in facts["data"] for store in stores)
    assert facts["keypoints"] == "ground-truth keypoints"


def test_stores_that_do_not_fit(tmp_path: Path, stores: tuple[Path, Path]) -> None:
    config = resolve("full", None, SETTINGS)

    def of(other: Path, supervision: str = "ssl") -> HandDataset:
        mixture = (WeightedStore(stores[0]), WeightedStore(other))
        return training_data(Recipe(stores[0], None, supervision, "", "open", mixture), config)

    points = edited(stores[1], tmp_path / "points.h5", keypoint_set="openpose")
    with pytest.raises(InputError, match="keypoint_set is freihand in one and openpose in the other"):
        of(points)
    joints = edited(stores[1], tmp_path / "joints.h5", joints_3d_set="other")
    assert len(of(joints)) == 12
    with pytest.raises(InputError, match="joints_3d_set is freihand in one and other in the other"):
        of(joints, "fsl")
    bare = edited(stores[1], tmp_path / "bare.h5")
    with h5py.File(bare, "r+") as file:
        del file["joints_3d"]
    with pytest.raises(InputError, match=r"bare.h5: has no true joints"):
        of(bare, "fsl")


def test_where_keypoints_of_a_mixture_come_from(tmp_path: Path, stores: tuple[Path, Path]) -> None:
    detected = edited(stores[1], tmp_path / "d.h5", keypoint_source=json.dumps({"source": "detect"}))
    parts = [HandDataset(store, fields=()) for store in (stores[0], detected)]
    words = keypoint_origin(MixedDataset(parts, (1, 1)).attributes)
    assert words == "detected keypoints and ground-truth keypoints"


def test_the_mean_bone_is_that_of_the_rows(tmp_path: Path, stores: tuple[Path, Path]) -> None:
    small = edited(stores[1], tmp_path / "small.h5", mean_bone_9_10=0.02)
    large = edited(stores[0], tmp_path / "large.h5", mean_bone_9_10=0.03)
    recipe = Recipe(large, None, "ssl", "", "open", (WeightedStore(large), WeightedStore(small, 4)))
    data = training_data(recipe, resolve("full", None, SETTINGS))
    assert data.attributes["mean_bone_9_10"] == pytest.approx(np.average([0.03, 0.02], weights=[8, 16]))


def test_names_and_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("b:2").touch()
    assert parse_stores(["a.h5", "c.h5:2", "b:2", "d.h5:0.5"]) == (
        WeightedStore(Path("a.h5")),
        WeightedStore(Path("c.h5"), 2.0),
        WeightedStore(Path("b:2")),
        WeightedStore(Path("d.h5"), 0.5),
    )
    assert parse_stores(["C:\\data\\a.h5", "C:\\data\\b.h5:3"]) == (
        WeightedStore(Path("C:\\data\\a.h5")),
        WeightedStore(Path("C:\\data\\b.h5"), 3.0),
    )
    for wrong in ("a.h5:0", "a.h5:-1", "a.h5:nan", "a.h5:inf"):
        with pytest.raises(UserError, match="is not between 0.001 and 1000"):
            parse_stores([wrong])
    with pytest.raises(UserError, match="given twice"):
        parse_stores(["a.h5", "./a.h5:2"])
