"""Training on online pictures: the same after a resume, in run.json, and its mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from handsss.data.mixture import MixedDataset, WeightedStore, parse_stores
from handsss.data.online.dataset import OnlineHands
from handsss.data.online.painter import OnlineSettings
from handsss.errors import InputError
from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model
from handsss.losses.e_s import e_s
from handsss.network.checkpoint import load_checkpoint
from handsss.training.batch_rows import joined, stacked
from handsss.training.config import resolve
from handsss.training.progress import Progress, StoppedError
from handsss.training.recipe import DISTURBED_KEYPOINTS, Recipe, few_keypoints, true_keypoints_note
from handsss.training.resume import restore_run
from handsss.training.run import TrainingRun
from handsss.training.run_data import check_backgrounds, data_facts, validation_beside
from handsss.training.schedule import Stage
from tests.training.conftest import TINY

CPU = torch.device("cpu")
ONLINE = Path("online")


def run(folder: Path, *more: str, data: Path = ONLINE, supervision: str = "ssl") -> TrainingRun:
    settings = (*TINY, "schedule.stages=[shape]", "schedule.steps=6", "network.input_downsample=2", *more)
    config = resolve("full", None, settings)
    return TrainingRun(folder, config, Recipe(data, None, supervision), device=CPU, command=["handsss", "train"])


@pytest.mark.slow
def test_going_on_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    detected = ("data.online_keypoints=detector", "data.online_rows=8")
    whole = run(tmp_path / "whole", *detected)
    whole.run()
    first = run(tmp_path / "parts", *detected)

    def stop(progress: Progress) -> None:
        if progress.step == 3:
            first.stop_asked = "interrupted"

    with pytest.raises(StoppedError):
        first.run(on_progress=stop)
    second = restore_run(tmp_path / "parts", device=CPU)
    assert second.trainer.step == 3 and second.recipe.data == ONLINE
    second.run()
    a, b = (load_checkpoint(tmp_path / name / "final.pt")["network"] for name in ("whole", "parts"))
    assert all(torch.equal(a[name], b[name]) for name in a)
    described = json.loads((tmp_path / "whole" / "run.json").read_text())
    assert described["data"] == "online" and described["rows"] == 8
    assert described["keypoints"] == DISTURBED_KEYPOINTS and described["dataset"] == "online"


def test_full_supervision_gets_true_joints(tmp_path: Path) -> None:
    made = run(tmp_path / "a", supervision="fsl")
    reading = made.trainer.reading(made.data, Stage("shape", 1, 1e-3))
    rows = [reading[number] for number in range(2)]
    batch = made.trainer.as_batch({name: torch.stack([row[name] for row in rows]) for name in rows[0]})
    assert batch.image.shape == (2, 3, 112, 112)
    assert batch.joints_3d is not None and torch.isfinite(batch.joints_3d).all()
    assert made.objective.keypoint_set == "freihand" and (batch.confidence == 1).all()


def test_mistakes_and_notes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such folder"):
        run(tmp_path / "a", data=Path(f"online:{tmp_path / 'nowhere'}"))
    assert few_keypoints(ONLINE) == true_keypoints_note(ONLINE) == ""
    assert validation_beside(ONLINE) is None


def test_photos_with_online_pictures_among_them(tmp_path: Path, stores: tuple[Path, Path]) -> None:
    parts = parse_stores([str(stores[0]), "online:2"])
    assert parts == (WeightedStore(stores[0]), WeightedStore(ONLINE, 2.0))
    settings = (*TINY, "schedule.stages=[shape]", "schedule.steps=2", "network.input_downsample=2", "schedule.batch=8")
    config = resolve("full", None, (*settings, "data.online_rows=8"))
    made = TrainingRun(tmp_path / "a", config, Recipe(stores[0], mixture=parts), device=CPU)
    assert isinstance(made.data, MixedDataset) and made.data.counts == [8, 16]
    assert made.objective.keypoint_set == "freihand"  # the store's
    reading = made.trainer.reading(made.data, Stage("shape", 1, 1e-3))
    rows = [reading[number] for number in (0, 20, 21, 1, 22)]
    batch = made.trainer.as_batch(stacked(rows))
    assert batch.image.shape == (5, 3, 112, 112)
    assert torch.equal(batch.image[0], rows[0]["image"]) and torch.equal(batch.image[3], rows[3]["image"])
    alone = made.trainer.as_batch(stacked(rows[1:3]))
    assert torch.allclose(batch.keypoints[1:3], alone.keypoints, atol=1e-3)
    made.run()
    facts = json.loads((tmp_path / "a" / "run.json").read_text())
    assert [part["data"] for part in facts["mixture"]] == [str(stores[0].resolve()), "online"]
    twice = (WeightedStore(ONLINE), WeightedStore(ONLINE, 2.0))
    with pytest.raises(InputError, match="online was given twice"):
        TrainingRun(tmp_path / "b", config, Recipe(ONLINE, mixture=twice), device=CPU)


def test_rows_of_several_kinds_keep_their_order() -> None:
    first = {"image": torch.zeros(1), "index": torch.tensor(0), "extra": torch.zeros(1)}
    second = {"seed": torch.ones(1), "index": torch.tensor(1)}
    batch = stacked([second, first, second])
    done = joined(batch, lambda part: part if "image" in part else {"image": part["seed"], "index": part["index"]})
    assert done.keys() == {"image", "index", "extra"}
    assert done["extra"][1] == 0 and done["extra"][[0, 2]].isnan().all()
    assert done["image"].tolist() == [[1], [0], [1]] and done["index"].tolist() == [1, 0, 1]
    assert stacked([first, first]).keys() == first.keys()


def test_other_backgrounds_are_told_when_a_run_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"one")
    data = OnlineHands(OnlineSettings(folder), 8)
    about = data_facts(Recipe(Path(f"online:{folder}")), data)
    check_backgrounds(about, data)
    (folder / "b.jpg").write_bytes(b"another")
    with pytest.raises(InputError, match="photos: its pictures are not those that the run began with"):
        check_backgrounds(about, OnlineHands(OnlineSettings(folder), 8))


def test_online_truth_beside_photos(tmp_path: Path, stores: tuple[Path, Path]) -> None:
    """Preset open's data: online pictures alone at first, then photos among them that have no truth."""
    more = ("data.online_truth=true", "data.online_rows=16", "schedule.batch=8", "losses.squared_joints=false")
    settings = (*TINY, "schedule.steps=4", "schedule.stages=[shape,finetune]", "shape.epochs=1", "finetune.epochs=1")
    config = resolve("full", None, (*settings, "shape.online_alone=true", "losses.w_root=0.1", *more))
    mixture = parse_stores([str(stores[0]), "online"])
    made = TrainingRun(tmp_path / "a", config, Recipe(stores[0], mixture=mixture), device=CPU)
    shape, finetune = made.trainer.stages
    assert shape.online_alone and not finetune.online_alone
    assert len(made.trainer.reading(made.data, shape)) == 16  # type: ignore[arg-type]
    reading = made.trainer.reading(made.data, finetune)
    batch = made.trainer.as_batch(stacked([reading[0], reading[12]]))
    assert batch.joints_3d is not None
    assert bool(batch.joints_3d[0].isnan().all()) and bool(batch.joints_3d[1].isfinite().all())
    seen: list[Progress] = []
    made.run(on_progress=seen.append)
    assert {"E_3dj", "E_root", "E_pixel"} <= set(seen[-1].parts)


def test_true_hands_have_the_average_bone(tmp_path: Path) -> None:
    """E_s is least where predicted hands have the size of true ones, whatever the keypoints' definition (D2)."""
    made = run(tmp_path / "a", "data.online_rows=64", "data.online_truth=true", "schedule.batch=64")
    objective = made.objective
    assert (objective.keypoint_set, objective.joints_set) == ("mediapipe", "freihand")
    layer = HandLayer(load_model("open"), flat_hand_mean=True)
    shapes = torch.randn(400, 10, generator=torch.Generator().manual_seed(1)).clamp(-2.5, 2.5)
    values = []
    for scale in (0.86, 0.95, 1.0, 1.05, 1.15):
        posed = layer(axis_angle=torch.zeros(400, 45), shape=shapes, scale=torch.full((400,), scale))
        values.append(float(e_s(layer.keypoints(posed, objective.joints_set), objective.mean_bone)))
    assert min(range(5), key=values.__getitem__) == 2
    detected = layer.keypoints(posed, objective.keypoint_set) / 1.15
    bone = float((detected[:, 10] - detected[:, 9]).norm(dim=1).mean())
    assert bone > 1.1 * objective.mean_bone  # what the definitions differ by
