"""Runs in their folders: files, going on, stopping, numbers that are not finite, replaying, and over-fitting."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from handsss.errors import InputError, UserError
from handsss.network.checkpoint import load_checkpoint
from handsss.network.device import choose_device
from handsss.training.best import BestValidation
from handsss.training.config import TrainConfig, resolve
from handsss.training.metrics_logger import MetricsLogger, read_metrics
from handsss.training.objective import Batch
from handsss.training.progress import NotFiniteStopError, Progress, StoppedError
from handsss.training.recipe import Recipe, as_baseline, default_training_data, mean_bone_of
from handsss.training.replay import replay
from handsss.training.resume import restore_run
from handsss.training.run import TrainingRun
from handsss.training.run_files import newest_run
from handsss.training.schedule import Stage, lengthened, lr_at, position
from handsss.training.throughput import Throughput
from handsss.training.trained_network import load_trained_network
from tests.training.conftest import TINY

CPU = torch.device("cpu")


def config(*more: str) -> TrainConfig:
    return resolve("full", None, (*TINY, "schedule.steps=5", *more))


def run(folder: Path, stores: tuple[Path, Path], *more: str, **recipe: Any) -> TrainingRun:
    return TrainingRun(
        folder, config(*more), Recipe(stores[0], stores[1], **recipe), device=CPU, command=["handsss", "train"]
    )


def test_a_run_leaves_all_its_files(tmp_path: Path, stores: tuple[Path, Path]) -> None:
    seen: list[Progress] = []
    made = run(tmp_path / "a", stores, "logging.picture_every=2", "logging.validate_every=3", "schedule.ema_decay=0.9")
    last = made.run(on_progress=seen.append)
    assert [p.step for p in seen] == [1, 2, 3, 4, 5]
    assert [p.stage for p in seen] == ["keypoints"] * 2 + ["shape"] * 2 + ["finetune"]
    assert seen[-1].health is not None and seen[-1].parts.keys() >= {"E_loc", "E_con", "E_SSIM"}
    metrics = read_metrics(tmp_path / "a" / "metrics.jsonl")
    assert [line["step"] for line in metrics if line["kind"] == "validation"] == [0, 3, 5]
    assert [line["step"] for line in metrics if line["kind"] == "train"] == [1, 2, 3, 4, 5]
    assert all(line["learning_rate"] > 0 for line in metrics if line["kind"] == "train")
    final = [line for line in metrics if line["kind"] == "validation"][-1]
    assert last is not None and last["aligned_mpjpe_mm"] == final["aligned_mpjpe_mm"] > 0
    assert {path.name for path in (tmp_path / "a" / "pictures").iterdir()} == {
        "step-000002.png",
        "step-000004.png",
        "step-000005.png",
    }
    described = json.loads((tmp_path / "a" / "run.json").read_text())
    assert described["rows"] == 8 and described["start"] == "random weights" and described["command"][1] == "train"
    beside = json.loads((tmp_path / "a" / "latest.json").read_text())
    assert beside["step"] == 5 and beside["program"] and beside["validation_figures"]["step"] == 5
    trained = load_trained_network(tmp_path / "a")
    assert trained.path.name == "final.pt" and trained.config == made.config
    assert trained.about["supervision"] == "ssl" and trained.keypoint_set == "freihand"
    # The result holds the averaged weights.
    assert made.trainer.ema is not None
    name, value = next(iter(trained.network.named_parameters()))
    assert torch.equal(value, made.trainer.ema.state[name])
    assert not torch.equal(value, dict(made.network.named_parameters())[name])
    with pytest.raises(UserError, match=r"a run is here. Go on with resume, or give another out"):
        run(tmp_path / "a", stores)
    with pytest.raises(UserError, match=r"this run is finished \(5 steps\)"):
        restore_run(tmp_path / "a", device=CPU)


def test_stopping_and_going_on_is_the_same_bit_for_bit(tmp_path: Path, stores: tuple[Path, Path]) -> None:
    turned = ("augmentation.rotation_deg=40", "augmentation.colour=0.3")
    whole = run(tmp_path / "whole", stores, *turned)
    whole.run()
    first = run(tmp_path / "parts", stores, *turned)

    def stop(progress: Progress) -> None:
        if progress.step == 3:
            first.stop_asked = "interrupted"

    with pytest.raises(StoppedError, match=r"interrupted: saved at step 3 of 5 in .*latest.pt"):
        first.run(workers=1, on_progress=stop)
    torch.manual_seed(77)
    second = restore_run(tmp_path / "parts", device=CPU)
    assert second.trainer.step == 3
    second.run()
    a, b = (load_checkpoint(tmp_path / name / "final.pt")["network"] for name in ("whole", "parts"))
    assert all(torch.equal(a[name], b[name]) for name in a)
    journals = [read_metrics(tmp_path / name / "metrics.jsonl") for name in ("whole", "parts")]
    figures = [[(x["step"], x["E"]) for x in metrics if x["kind"] == "train"] for metrics in journals]
    assert figures[0] == figures[1]


@pytest.mark.slow
def test_a_finished_run_is_lengthened(tmp_path: Path, stores: tuple[Path, Path]) -> None:
    settings = ("schedule.stages=[shape]", "schedule.steps=2", "shape.lr_steps=1")
    run(tmp_path / "a", stores, *settings).run()
    with pytest.raises(UserError, match="steps 2: this run has 2 steps. Expected more"):
        restore_run(tmp_path / "a", device=CPU, steps=2)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    whole = restore_run(tmp_path / "a", device=CPU, steps=4, command=["longer"])
    whole.run()
    lines = [line for line in read_metrics(tmp_path / "a" / "metrics.jsonl") if line["kind"] == "train"]
    assert [(line["step"], line["learning_rate"]) for line in lines] == [(1, 1e-3), (2, 5e-4), (3, 5e-4), (4, 5e-4)]
    assert load_checkpoint(tmp_path / "a" / "final.pt")["about"]["step"] == 4
    described = json.loads((tmp_path / "a" / "run.json").read_text())
    assert described["command"] == ["handsss", "train"] and described["steps"] == 4
    assert [(resume["command"], resume["step"], resume["steps"]) for resume in described["resumes"]] == [
        (["longer"], 2, 4)
    ]

    # Broken off and resumed it is the same, bit for bit.
    first = restore_run(tmp_path / "b", device=CPU, steps=4)

    def stop(progress: Progress) -> None:
        first.stop_asked = "interrupted"

    with pytest.raises(StoppedError, match="saved at step 3 of 4"):
        first.run(on_progress=stop)
    restore_run(tmp_path / "b", device=CPU).run()
    a, b = (load_checkpoint(tmp_path / name / "final.pt")["network"] for name in "ab")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert len(json.loads((tmp_path / "b" / "run.json").read_text())["resumes"]) == 2


def test_added_steps_keep_the_last_learning_rate() -> None:
    stages = (Stage("shape", 4, 1e-3, 1), Stage("finetune", 4, 1e-3, 0, "cosine"))
    longer = lengthened(lengthened(stages, 1), 2)
    rates = [lr_at(position(stages, step)) for step in range(8)]
    assert [lr_at(position(longer, step)) for step in range(11)] == [*rates, *3 * [rates[-1]]]


@pytest.mark.slow
def test_the_best_validation_is_kept(tmp_path: Path, stores: tuple[Path, Path]) -> None:
    settings = ("schedule.stages=[shape]", "schedule.steps=3", "logging.validate_every=1", "logging.save_every=3")
    made = run(tmp_path / "b", stores, *settings, "schedule.ema_decay=0.9")
    validations = iter([15.7, 17.0, 16.5, float("nan")])
    made.validation = lambda network: {"aligned_mpjpe_mm": next(validations)}  # type: ignore[assignment]
    warnings: list[str] = []
    weights: list[dict[str, torch.Tensor]] = []

    def keep(progress: Progress) -> None:
        warnings.append(progress.warning)
        assert made.trainer.ema is not None
        weights.append({name: value.clone() for name, value in made.trainer.ema.state.items()})

    made.run(on_progress=keep)
    assert warnings[0] == "step 1: aligned MPJPE 17.00 mm, worse than 15.70 mm at step 0, before training"
    assert "worse than 15.70 mm at step 0" in warnings[1] and warnings[2] == ""
    best = load_trained_network(tmp_path / "b" / "best.pt")
    assert best.about["step"] == 2 and made.best.mm == 16.5
    state = best.network.state_dict()
    assert all(torch.equal(state[name], value) for name, value in weights[1].items() if name in state)
    size = (tmp_path / "b" / "best.pt").stat().st_size
    assert abs(size - (tmp_path / "b" / "final.pt").stat().st_size) < 0.01 * size
    assert json.loads((tmp_path / "b" / "best.json").read_text())["validation_figures"]["aligned_mpjpe_mm"] == 16.5
    assert load_trained_network(tmp_path / "b").about["step"] == 3  # a folder still means its result


def test_a_later_validation_that_is_worse_names_the_best() -> None:
    best = BestValidation()
    for step, value in enumerate((16.0, 12.0, 13.0)):
        figures = {"step": 10 * step, "aligned_mpjpe_mm": value}
        assert best.update(figures) == (step == 1)
    assert best.worse(figures) == ("step 20: aligned MPJPE 13.00 mm, worse than 12.00 mm at step 10, kept in best.pt")
    again = BestValidation.restored(best.state())
    assert again == best and not again.update({"step": 30, "aligned_mpjpe_mm": 12.5})
    assert BestValidation.restored(None).update({"step": 30, "aligned_mpjpe_mm": 12.5})  # a run of earlier versions
    assert BestValidation().worse({"step": 3}) == ""  # no true joints


def test_throughput_is_that_of_the_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 2.0, 4.0, 5.0, 6.0, 8.0])
    monkeypatch.setattr("handsss.training.throughput.time.perf_counter", lambda: next(clock))
    throughput = Throughput(batch=10)
    assert [throughput.update("keypoints", number) for number in (7, 8)] == [5.0, 5.0]
    assert [throughput.update("shape", number) for number in (9, 10, 11)] == [10.0, 10.0, 7.5]


def test_remaining_time_sums_over_the_stages_own_paces(monkeypatch: pytest.MonkeyPatch) -> None:
    stages = (Stage("keypoints", 3, 1e-3), Stage("shape", 4, 1e-3), Stage("finetune", 2, 1e-3))
    clock = iter([0.0, 20.0, 22.0, 24.0, 30.0, 31.0])
    monkeypatch.setattr("handsss.training.throughput.time.perf_counter", lambda: next(clock))
    throughput = Throughput(batch=10, before=100.0)
    left = []
    for number, stage in enumerate(["keypoints"] * 3 + ["shape"]):
        throughput.update(stage, number)
        left.append(throughput.remaining(stages, number + 1))
    # The first step of a stage compiles: it counts only until there is another. Others are priced as the nearest stage.
    assert left == [(8 * 20.0, True), (7 * 2.0, True), (6 * 2.0, True), (3 * 6.0 + 2 * 6.0, True)]
    throughput.update("shape", 4)
    assert throughput.remaining(stages, 5) == (2 * 1.0 + 2 * 1.0, True)
    assert throughput.remaining(stages[:2], 5) == (2.0, False)
    clock = iter([45.0])
    assert throughput.elapsed == 145.0


def test_the_device_turns_and_recolours_as_readers_do(tmp_path: Path, stores: tuple[Path, Path]) -> None:
    settings = (
        "augmentation.rotation_deg=40",
        "augmentation.colour=0.3",
        "schedule.steps=3",
        "schedule.stages=[shape]",
    )
    energies = {}
    for who in ("workers", "device"):
        made = run(tmp_path / who, stores, *settings, f"data.augment_on={who}")
        assert made.trainer.finishes == (who == "device")
        made.run(workers=1)
        energies[who] = [x["E"] for x in read_metrics(tmp_path / who / "metrics.jsonl") if x["kind"] == "train"]
    # Some pixels differ by a level of 255, no more; the steps after the first carry that on.
    assert [len(values) for values in energies.values()] == [3, 3]
    np.testing.assert_allclose(energies["device"][0], energies["workers"][0], rtol=1e-3)
    assert not run(tmp_path / "auto", stores).trainer.finishes  # on a CPU readers do it
    with pytest.raises(UserError, match=r"data.augment_on=gpu: expected one of auto, workers, device"):
        config("data.augment_on=gpu")


def test_a_number_that_is_not_finite_names_term_step_and_sample(tmp_path: Path, stores: tuple[Path, Path]) -> None:
    made = run(tmp_path / "nan", stores, "schedule.stages=[shape]")
    original = made.trainer.as_batch

    def poisoned(row: dict[str, torch.Tensor]) -> Batch:
        batch = original(row)
        if made.trainer.step == 2:
            batch.keypoints[1, 4] = float("nan")
        return batch

    made.trainer.as_batch = poisoned  # type: ignore[method-assign]
    with pytest.raises(NotFiniteStopError) as caught:
        made.run()
    message = str(caught.value)
    assert "step 2 (stage shape): the term E_loc is not a finite number" in message
    assert "whose keypoints hold NaN" in message and "The batch is kept in" in message
    assert caught.value.batch == tmp_path / "nan" / "bad-batch.pt"
    found = replay(tmp_path / "nan" / "bad-batch.pt", CPU)
    assert (found.step, found.stage, found.data) == (2, "shape", ["keypoints"])
    assert len(found.samples) == 1 and f"samples {found.samples}" in message
    assert not np.isfinite(found.terms["E_loc"]) and np.isfinite(found.terms["E_s"])
    with pytest.raises(InputError, match="holds no batch"):
        made.save()
        replay(tmp_path / "nan" / "latest.pt", CPU)


def test_a_gradient_that_is_not_finite_names_its_term(tmp_path: Path, stores: tuple[Path, Path]) -> None:
    made = run(tmp_path / "g", stores, "schedule.stages=[shape]")
    made.objective = replace(made.objective)
    # The square root of zero has no slope: a term whose value is fine and whose gradient is not.
    original = type(made.objective)._geometry

    def broken(self: Any, network: Any, prediction: Any, batch: Any) -> Any:
        terms = original(self, network, prediction, batch)
        terms["E_s"] = 1.0, (prediction.hand.shape * 0).sum().sqrt()
        return terms

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(made.objective), "_geometry", broken)
        with pytest.raises(NotFiniteStopError, match=r"the gradient of the term E_s is not finite in encoder"):
            made.run()


def test_full_supervision_takes_the_truth(tmp_path: Path, stores: tuple[Path, Path]) -> None:
    made = run(tmp_path / "fsl", stores, supervision="fsl")
    rows = [made.data[i] for i in range(2)]
    batch = made.trainer.as_batch(torch.utils.data.default_collate(rows))
    flat = batch.joints_3d @ batch.K.transpose(1, 2)
    torch.testing.assert_close(batch.keypoints, flat[..., :2] / flat[..., 2:])
    assert bool((batch.confidence == 1).all())
    assert made.objective.keypoint_set == "freihand"
    seen: list[Progress] = []
    made.run(on_progress=seen.append)
    assert "E_3dj" in seen[3].parts and "E_3dj" not in seen[0].parts


def test_the_baseline_lacks_what_it_should(tmp_path: Path, stores: tuple[Path, Path]) -> None:
    base = as_baseline(config())
    seen: list[Progress] = []
    made = TrainingRun(tmp_path / "b", base, Recipe(stores[0], None, baseline="mano-cnn"), device=CPU)
    made.run(on_progress=seen.append)
    assert made.network.branch is None and made.network.appearance is None
    assert [p.stage for p in seen] == ["shape"] * 3 + ["finetune"] * 2
    assert set(seen[-1].parts) == {"E_loc", "E_beta", "E_s", "E_J"}
    assert load_trained_network(tmp_path / "b").about["baseline"] == "mano-cnn"


def test_where_the_mean_bone_comes_from() -> None:
    from handsss.hand.load import load_model

    model, plain = load_model("open"), config()
    assert mean_bone_of({"dataset": "freihand", "samples": 32560, "mean_bone_9_10": 0.03}, plain, model)[0] == 0.0282
    assert mean_bone_of({"dataset": "ho3d", "mean_bone_9_10": 0.03}, plain, model)[0] == 0.0282
    assert mean_bone_of({"dataset": "freihand", "samples": 8, "mean_bone_9_10": 0.031}, plain, model)[0] == 0.031
    assert mean_bone_of({"dataset": "images"}, plain, model)[0] == pytest.approx(0.0331, abs=2e-4)
    assert mean_bone_of({}, config("data.mean_bone=0.03"), model) == (0.03, "data.mean_bone")


def test_data_that_do_not_do(tmp_path: Path, stores: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"8 rows, but a batch has 64. Give more data, or batch 8 at most"):
        run(tmp_path / "x", stores, "schedule.batch=64")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"(?s)no data, and neither .*handsss synthesize -n 2000.*handsss preprocess"):
        default_training_data()
    (tmp_path / "freihand_training.h5").write_bytes(b"")
    assert default_training_data() == Path("freihand_training.h5")
    with pytest.raises(UserError, match="no run in"):
        newest_run(tmp_path)
    with pytest.raises(InputError, match=r"no latest.pt here to go on from"):
        restore_run(tmp_path, device=CPU)


def test_devices_that_are_not_there() -> None:
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match=r"device cuda: .*CUDA.* device cpu"):
            choose_device("cuda")
    with pytest.raises(UserError, match="expected auto, cpu, cuda or cuda:NUMBER"):
        choose_device("gpu")
    with pytest.raises(UserError, match="the renderer runs on cpu and cuda only"):
        choose_device("mps")


def test_the_metrics_file_survives_a_kill(tmp_path: Path) -> None:
    metrics = MetricsLogger(tmp_path)
    for step in range(1, 5):
        metrics.write("train", step, {"E": 1.0 / step, "area": float("nan")})
    metrics.close()
    with (tmp_path / "metrics.jsonl").open("a") as stream:
        stream.write('{"kind": "train", "step": 5, "E"')  # killed here
    lines = read_metrics(tmp_path / "metrics.jsonl")
    assert [line["step"] for line in lines] == [1, 2, 3, 4] and lines[0]["area"] is None
    MetricsLogger(tmp_path, 2).close()
    assert [line["step"] for line in read_metrics(tmp_path / "metrics.jsonl")] == [1, 2]


def test_metrics_files_with_the_old_key_are_read(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"kind": "train", "step": 1, "rate": 0.001, "spread": 0.9}\n')
    assert read_metrics(tmp_path / "metrics.jsonl") == [
        {"kind": "train", "step": 1, "learning_rate": 0.001, "size_ratio": 0.9}
    ]
