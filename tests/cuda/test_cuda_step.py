"""A training step on a GPU beside the same step on the CPU: the same weights, the same rows, every stage."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils.data import default_collate

from handsss.data.dataset import HandDataset
from handsss.hand.load import load_model
from handsss.network.precision import for_prediction, for_training
from handsss.network.s2hand import S2Hand
from handsss.training.config import PRESETS
from handsss.training.objective import Batch, Objective
from handsss.training.schedule import Stage
from handsss.training.trainer import Trainer
from tests.cuda.device import DEVICE, ON_GPU, near_in_norm, pytestmark

__all__ = ["pytestmark"]
CPU = torch.device("cpu")
ROWS = 8 if ON_GPU else 4
STAGES = ("warm-up", "keypoints", "shape", "finetune")
SOME = STAGES if ON_GPU else ("shape",)  # a CPU without units for bfloat16 takes a minute


def rows(store: Path) -> Batch:
    """Pictures, keypoints and cameras of a store, as the small preset sees them."""
    data = HandDataset(store, PRESETS["small"].augmentation, fields=())
    row = default_collate([data[number % len(data)] for number in range(ROWS)])
    return Batch(row["image"], row["keypoints_2d"], row["confidence"], row["K"], None, row["index"])


def moved(batch: Batch, device: torch.device) -> Batch:
    return Batch(*(None if value is None else value.to(device) for value in batch))  # type: ignore[arg-type]


def trainer(network: S2Hand, stage: str, keypoints: str = "freihand") -> Trainer:
    objective = Objective(PRESETS["small"].losses, keypoints, 0.031)
    return Trainer(network, objective, (Stage(stage, 100, 1e-3),), batch=ROWS)


def gradients(network: S2Hand, batch: Batch, stage: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Terms and gradients by name."""
    network.train()
    terms = trainer(network, stage).objective(network, batch, stage)
    terms.total.backward()  # type: ignore[no-untyped-call]
    found = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    return terms.parts, found


def networks() -> tuple[S2Hand, S2Hand]:
    """One for the device, one for the CPU, with the same weights."""
    torch.manual_seed(0)
    plain = S2Hand(load_model("open"), PRESETS["small"].network)
    return deepcopy(plain).to(DEVICE), plain


def flat(values: dict[str, Tensor], names: list[str]) -> Tensor:
    return torch.cat([values[name].detach().double().cpu().flatten() for name in names])


@pytest.mark.parametrize("stage", STAGES)
def test_float32_is_the_same_step(stores: tuple[Path, Path], stage: str) -> None:
    ours, theirs = networks()
    batch = rows(stores[0])
    parts, own = gradients(ours, moved(batch, DEVICE), stage)
    expected, wanted = gradients(theirs, batch, stage)
    assert set(parts) == set(expected) and set(own) == set(wanted) and len(own) > 20
    for name, value in expected.items():
        torch.testing.assert_close(parts[name].cpu(), value, rtol=2e-3, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")
    # Batch norm over few rows carries rounding on: pictures changed by a millionth change gradients by 0.05 %, and by
    # 1 % where hands are rendered, as single pixels show another face.
    share = 0.1 if stage == "finetune" else 2e-2
    near_in_norm(flat(own, list(wanted)), flat(wanted, list(wanted)), share)
    for part in {name.split(".")[0] for name in wanted}:
        names = [name for name in wanted if name.startswith(f"{part}.")]
        if float(flat(wanted, names).norm()) > 1e-6:
            near_in_norm(flat(own, names), flat(wanted, names), 2 * share)


@pytest.mark.parametrize("stage", SOME)
def test_bfloat16_goes_the_same_way(stores: tuple[Path, Path], stage: str) -> None:
    ours, theirs = networks()
    batch = rows(stores[0])
    ours.precision = for_prediction("bfloat16")
    parts, own = gradients(ours, moved(batch, DEVICE), stage)
    expected, wanted = gradients(theirs, batch, stage)
    for name, value in expected.items():
        torch.testing.assert_close(parts[name].cpu().float(), value, rtol=0.15, atol=1e-3)
    # Batch norm over few rows of untrained features turns single gradients anywhere; how large they are stays.
    a, b = flat(own, list(wanted)), flat(wanted, list(wanted))
    assert bool(torch.isfinite(a).all())
    assert 0.5 < float(a.norm() / b.norm()) < 2


@pytest.mark.parametrize("stage", SOME)
def test_steps_of_the_optimiser_lower_the_objective(stores: tuple[Path, Path], stage: str) -> None:
    ours, _ = networks()
    ours.precision = for_training("auto", DEVICE)
    assert not ON_GPU or ours.precision.name == "bfloat16"
    made = trainer(ours, stage)
    batch = moved(rows(stores[0]), DEVICE)
    values = [float(made.one_step(batch).terms.total) for _ in range(12 if ON_GPU else 4)]
    assert min(values[1:]) < values[0]
    assert all(bool(torch.isfinite(p).all()) for p in ours.parameters())
