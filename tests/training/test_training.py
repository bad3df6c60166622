"""Objective, schedule, order of rows, going on, checkpoints, and the collapse monitor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from handsss.errors import InputError
from handsss.hand.load import load_model
from handsss.network.checkpoint import load_checkpoint, load_weights
from handsss.network.s2hand import NetworkSettings, S2Hand
from handsss.training.checkpoint import save_checkpoint
from handsss.training.collapse import CollapseError, CollapseMonitor, Health, health
from handsss.training.config import resolve
from handsss.training.objective import Batch, LossWeights, Objective, TermNotFiniteError
from handsss.training.sampler import OrderedSampler
from handsss.training.schedule import Stage, StageSettings, downsample_at, lr_at, position, stages_of
from handsss.training.trainer import Step, Trainer

SMALL = NetworkSettings(encoder="efficientnet-b0", stacks=1, features=16, modules=1)


class Rows(Dataset[dict[str, Tensor]]):
    """Twelve made-up rows: one hand, seen by cameras side by side."""

    def __len__(self) -> int:
        return 12

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        rng = torch.Generator().manual_seed(row)
        x = torch.linspace(60, 160, 21) + row
        return {
            "image": torch.rand(3, 224, 224, generator=rng),
            "keypoints_2d": torch.stack([x, 200 - x], 1),
            "confidence": torch.ones(21),
            "K": torch.tensor([[480.0, 0, 112], [0, 480, 112], [0, 0, 1]]),
            "joints_3d": torch.zeros(21, 3) + 0.5,
            "index": torch.tensor(row),
        }


def network(seed: int = 0) -> S2Hand:
    torch.manual_seed(seed)
    return S2Hand(load_model("open"), SMALL)


def trainer(seed: int = 0, **options: Any) -> Trainer:
    stages = (Stage("keypoints", 2, 1e-3), Stage("shape", 2, 1e-3), Stage("finetune", 2, 2.5e-4))
    objective = Objective(LossWeights(), "mediapipe", 0.033)
    return Trainer(network(seed), objective, options.pop("stages", stages), batch=3, **options)


@pytest.fixture(scope="module")
def batch() -> Batch:
    return trainer().as_batch(torch.utils.data.default_collate([Rows()[i] for i in range(3)]))


def test_stages_as_the_method_shares_them() -> None:
    paper = resolve("full").stage_settings()
    stages = stages_of(paper, rows=640, batch=64, steps=300)
    assert [(s.name, s.steps, s.lr) for s in stages] == [
        ("keypoints", 120, 1e-3),
        ("shape", 120, 1e-3),
        ("finetune", 60, 2.5e-4),
    ]
    rates = [lr_at(position(stages, step)) for step in (0, 29, 30, 60, 90, 119, 120, 240, 259, 260, 280, 299)]
    assert rates == pytest.approx(
        [1e-3, 1e-3, 5e-4, 2.5e-4, 1.25e-4, 1.25e-4, 1e-3, 2.5e-4, 2.5e-4, 1.25e-4, 6.25e-5, 6.25e-5]
    )
    # Without a number of steps: FreiHAND's 130,240 rows, 300 epochs, 64 a step.
    assert sum(s.steps for s in stages_of(paper, rows=130240, batch=64)) == 300 * 130240 // 64
    assert sum(s.steps for s in stages_of(paper, rows=640, batch=64, steps=101)) == 101
    with pytest.raises(ValueError, match="after the schedule's 300 steps"):
        position(stages, 300)


def test_end_to_end_and_cosine() -> None:
    whole = resolve("full", None, ("schedule.stages=[end-to-end]",)).stage_settings()
    stages = stages_of(whole, rows=32, batch=32)
    assert [(s.name, s.steps) for s in stages] == [("end-to-end", 180)]
    halved = [lr_at(position(stages, step)) for step in (29, 30, 60, 90, 120, 150, 179)]
    assert halved == pytest.approx([1e-3 * 0.5**n for n in (0, 1, 2, 3, 4, 5, 5)])
    sizes = stages_of({"shape": StageSettings(quarter=0.5, half=0.25)}, rows=1, batch=1, steps=100)
    assert [downsample_at(position(sizes, step)) for step in (0, 49, 50, 74, 75, 99)] == [4, 4, 2, 2, 1, 1]
    with pytest.raises(ValueError, match="expected shares from 0 to 1 together"):
        StageSettings(quarter=0.7, half=0.4)
    cosine = stages_of({"shape": StageSettings(decay="cosine")}, rows=1, batch=1, steps=100)
    assert lr_at(position(cosine, 0)) == pytest.approx(1e-3)
    assert lr_at(position(cosine, 50)) == pytest.approx(1e-3 * (0.01 + 0.99 / 2))
    assert lr_at(position(cosine, 99)) < 1.1e-5


def test_rows_come_in_one_order_from_any_place() -> None:
    whole = list(OrderedSampler(12, 5, 0, 40))
    assert sorted(whole[:12]) == list(range(12))
    assert sorted(whole[12:24]) == list(range(12, 24))  # the second epoch's places
    assert whole[:12] != [place - 12 for place in whole[12:24]]
    assert list(OrderedSampler(12, 5, 17, 23)) == whole[17:]
    assert list(OrderedSampler(12, 6, 0, 12)) != whole[:12]
    # Two processes share every batch of four: together they read what one reads alone.
    shares = [list(OrderedSampler(12, 5, 0, 40, share=(rank, 2), batch=4)) for rank in (0, 1)]
    assert [place for n in range(10) for share in shares for place in share[2 * n : 2 * n + 2]] == whole
    assert len(OrderedSampler(12, 5, 0, 40, share=(0, 2), batch=4)) == 20


def test_the_total_is_the_weighted_sum(batch: Batch) -> None:
    torch.manual_seed(0)
    net = network().eval()
    w = LossWeights()
    with torch.no_grad():
        for stage, wanted in (
            ("keypoints", {"E_2d": w.w_2d}),
            ("shape", {"E_loc": 1e-3, "E_ori": 0.1, "E_beta": 0.01, "E_s": 100.0, "E_J": 0.1}),
            (
                "finetune",
                {
                    "E_loc": 1e-3,
                    "E_ori": 0.1,
                    "E_beta": 0.01,
                    "E_s": 100.0,
                    "E_J": 0.1,
                    "E_pixel": 5e-3,
                    "E_SSIM": 1e-3,
                    "E_C": 5e-3,
                    "E_2d": 1e-3,
                    "E_con": 2e-4,
                },
            ),
        ):
            terms = Objective(w, "mediapipe", 0.033)(net, batch, stage)
            assert set(terms.parts) == set(wanted)
            total = sum(float(terms.parts[name]) * weight for name, weight in wanted.items())
            assert float(terms.total) == pytest.approx(total, rel=1e-5)


def test_ablations_leave_terms_out(batch: Batch) -> None:
    net = network().eval()

    def parts(**weights: Any) -> set[str]:
        with torch.no_grad():
            return set(Objective(LossWeights(**weights), "openpose", 0.033)(net, batch, "finetune").parts)

    everything = parts()
    assert everything - parts(w_con=0.0) == {"E_con"}
    assert everything - parts(w_ori=0.0) == {"E_ori"}
    assert everything - parts(w_photo=0.0) == {"E_pixel", "E_SSIM", "E_C"}
    assert everything ^ parts(pose_prior="average") == {"E_J", "E_pose"}
    assert parts(w_plausible=0.2) - everything == {"E_plausible"}
    assert parts(w_lifted=2.0) - everything == {"E_lifted"}
    assert parts(w_depth=1.0) == everything  # a batch without depth
    supervised = batch._replace(joints_3d=torch.zeros(3, 21, 3))
    with torch.no_grad():
        terms = Objective(LossWeights(), "openpose", 0.033)(net, supervised, "shape")
    assert "E_3dj" in terms.parts
    assert float(terms.total) > 100 * float(terms.parts["E_3dj"])


def test_a_term_that_is_no_number_is_named(batch: Batch) -> None:
    broken = batch._replace(K=batch.K.clone(), samples=torch.tensor([7, 8, 9]))
    broken.K[1, 0, 0] = float("nan")
    with pytest.raises(TermNotFiniteError, match=r"the term E_loc is not a finite number.*samples \[8\]"):
        Objective(LossWeights(), "mediapipe", 0.033)(network().eval(), broken, "shape")
    with pytest.raises(ValueError, match="expected one of warm-up, keypoints, shape, finetune, end-to-end"):
        Objective(LossWeights(), "mediapipe", 0.033)(network(), batch, "photo")


def test_steps_lower_the_objective() -> None:
    seen: list[Step] = []
    run = trainer(stages=(Stage("shape", 12, 1e-3),), seed=0)
    run.run(Rows(), on_step=seen.append)
    totals = [float(step.terms.total.detach()) for step in seen]
    assert len(totals) == 12
    assert sum(totals[-3:]) < 0.6 * sum(totals[:3])
    assert all(step.gradient > 0 for step in seen)


def test_averaged_weights_are_applied_and_taken_back() -> None:
    run = trainer(ema_decay=0.9)
    run.run(Rows(), until=3)
    assert run.ema is not None
    own = {name: value.clone() for name, value in run.network.state_dict().items()}
    with run.ema.applied(run.network):
        inside = run.network.state_dict()
        assert all(torch.equal(inside[name], value) for name, value in run.ema.state.items())
        assert any(not torch.equal(inside[name], value) for name, value in own.items())
    assert all(torch.equal(run.network.state_dict()[name], value) for name, value in own.items())


def test_going_on_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    """Six steps over three stages at once, and broken off and saved after the third."""
    whole = trainer()
    whole.run(Rows())
    first = trainer()
    first.run(Rows(), until=3)
    save_checkpoint(tmp_path / "c.pt", first.state())
    torch.manual_seed(999)
    second = trainer(seed=0)
    second.restore(load_checkpoint(tmp_path / "c.pt"))
    assert second.step == 3
    second.run(Rows())
    assert second.step == whole.step == 6
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, second.network.state_dict()[name]), name
    # And it is no accident: another order of rows gives another network.
    other = Trainer(network(), whole.objective, whole.stages, batch=3, seed=1)
    other.run(Rows())
    assert any(
        not torch.equal(a, b) for a, b in zip(whole.network.parameters(), other.network.parameters(), strict=True)
    )


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch /tmp/handsss-checkpoint-ran",)


def test_files_that_are_no_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_checkpoint(tmp_path / "absent.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(InputError, match="not a checkpoint that can be read"):
        load_checkpoint(tmp_path / "text.pt")
    torch.save({"network": _Bomb()}, tmp_path / "bomb.pt")
    with pytest.raises(InputError, match="Nothing of it was run"):
        load_checkpoint(tmp_path / "bomb.pt")
    assert not Path("/tmp/handsss-checkpoint-ran").exists()
    torch.save({"x": 1}, tmp_path / "other.pt")
    with pytest.raises(InputError, match="holds no checkpoint of handsss"):
        load_checkpoint(tmp_path / "other.pt")
    save_checkpoint(tmp_path / "new.pt", {"format_version": 2, "program": "9.0"})
    with pytest.raises(InputError, match="has format version 2"):
        load_checkpoint(tmp_path / "new.pt")


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    small = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))
    state = {
        "0.weight": torch.zeros(4, 3),
        "0.bias": torch.zeros(2),
        "1.weight": torch.zeros(1, 2),
        "extra": torch.zeros(1),
    }
    before = {name: value.clone() for name, value in small.state_dict().items()}
    with pytest.raises(InputError) as caught:
        load_weights(small, state, tmp_path / "c.pt")
    message = str(caught.value)
    assert "0.weight is [4, 3], [2, 3] expected" in message
    assert "1.bias is missing, [1] expected" in message
    assert "extra [1] is not part of this network" in message
    for name, value in small.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_kill_leaves_a_readable_checkpoint(tmp_path: Path) -> None:
    code = (
        "import torch, sys\n"
        "from pathlib import Path\n"
        "from handsss.training.checkpoint import save_checkpoint\n"
        "n = 0\n"
        "while True:\n"
        "    save_checkpoint(Path('latest.pt'), {'step': n, 'weights': torch.full((500_000,), float(n))})\n"
        "    n += 1\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": os.getcwd()}
    )
    latest = tmp_path / "latest.pt"
    begin = time.monotonic()
    while not latest.exists() and time.monotonic() - begin < 60:
        time.sleep(0.05)
    last = -1
    for moment in (0.11, 0.17, 0.23, 0.31):
        time.sleep(moment)
        process.send_signal(signal.SIGSTOP)  # whatever it was doing, what stands there is whole
        content = load_checkpoint(latest)
        assert bool((content["weights"] == content["step"]).all())
        assert content["step"] >= last
        last = content["step"]
        process.send_signal(signal.SIGCONT)
    process.kill()
    process.wait()
    content = load_checkpoint(latest)
    assert bool((content["weights"] == content["step"]).all())


def test_health_by_hand(batch: Batch) -> None:
    net = network().eval()
    with torch.no_grad():
        terms = Objective(LossWeights(), "mediapipe", 0.033)(net, batch, "finetune")
    now = health(terms, batch)
    assert now is not None
    assert terms.prediction is not None
    points = terms.prediction.projected
    sides = (points.amax(1) - points.amin(1)).amax(1) / 100.0  # detections span 100 px
    assert now.size_ratio == pytest.approx(float(sides.median()), rel=1e-5)
    assert 0.02 < now.bone < 0.05
    assert now.area is not None
    assert now.area > 0.01


def test_collapse_is_noticed_and_health_is_not() -> None:
    def fresh() -> CollapseMonitor:
        monitor = CollapseMonitor(mean_bone=0.033, grace=10, window=5)
        for _ in range(200):
            monitor.watch(Health(0.03, 0.9, 0.2))
            monitor.watch(None)
        return monitor

    monitor = fresh()
    with pytest.raises(CollapseError, match=r"projected joints span 5 % of the detected hand.*stage by stage"):
        for _ in range(10):
            monitor.watch(Health(0.03, 0.05, 0.2))
    monitor = fresh()
    with pytest.raises(CollapseError, match=r"bone 9-10 is 2.0 mm long \(the data's average is 33.0\)"):
        for _ in range(20):
            monitor.watch(Health(0.002, 0.9, None))
    monitor = fresh()
    with pytest.raises(CollapseError, match="silhouette has left the image"):
        for _ in range(20):
            monitor.watch(Health(0.03, 0.9, 0.0))


def test_a_run_made_to_collapse_is_stopped() -> None:
    """A scale head that starts near zero shrinks the hand to a point."""
    net = network()
    with torch.no_grad():
        net.regressor.scale[-1].bias.fill_(0.02)
    run = Trainer(
        net,
        Objective(LossWeights(w_s=0.0), "mediapipe", 0.033),
        (Stage("shape", 30, 1e-6),),
        batch=3,
        monitor=CollapseMonitor(0.033, grace=2, window=3),
    )
    with pytest.raises(CollapseError, match="the training has collapsed"):
        run.run(Rows())
    assert run.step < 8
