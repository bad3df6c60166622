"""Train, resume, score and use a network, all from Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import handsss
from handsss.errors import InputError, UserError
from tests.training.conftest import TINY, stores  # noqa: F401  fixture

Stores = tuple[Path, Path]
SAMPLE = Path(handsss.__file__).parent / "samples/nocurl.jpg"
SMALLEST = dict(setting.split("=") for setting in TINY)
SETTINGS = {name: int(value) if value.isdigit() else value for name, value in SMALLEST.items()}


def test_from_store_to_hand(tmp_path: Path, stores: Stores) -> None:  # noqa: F811
    out = tmp_path / "run"
    run = handsss.train(stores[0], out=str(out), settings=SETTINGS, steps=3, device="cpu", workers=0)
    assert isinstance(run, handsss.TrainResult)
    assert (run.folder, run.steps, run.total) == (out, 3, 3)
    assert run.checkpoint.is_file() and run.state.is_file()
    assert run.metrics is not None and run.metrics["aligned_mpjpe_mm"] > 0
    assert [entry["step"] for entry in run.history] == [0, 3]

    scores = handsss.evaluate(out, str(stores[1]), out=tmp_path / "report", device="cpu")
    assert isinstance(scores, handsss.EvaluationResult)
    assert scores.metrics["aligned_mpjpe_mm"] > 0
    assert len(repr(scores)) < 400 and "aligned_mpjpe_mm=" in repr(scores)
    for limit in (0, -1):
        with pytest.raises(UserError, match=f"limit {limit}: expected at least 1 picture"):
            handsss.evaluate(out, str(stores[1]), limit=limit)
    assert [path.is_file() for path in scores.files] and scores.files[0].name == "report.html"

    reconstructor = handsss.Reconstructor(checkpoint=out, refine=False, texture=False)
    (hand,) = reconstructor(SAMPLE)
    assert np.isfinite(hand.vertices).all() and hand.network != ""

    with pytest.raises(UserError, match="finished"):
        handsss.train(out=out, resume=True)
    with pytest.raises(UserError, match="a run is here"):
        handsss.train(stores[0], out=out, settings=SETTINGS, steps=3, device="cpu")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resume": True, "batch": 3}, "resume continues a run with its own settings. Leave out .*batch"),
        ({"minutes": 3, "steps": 3}, "minutes and steps were both given"),
        ({"minutes": 3, "settings": {"schedule.steps": 3}}, "minutes and steps were both given"),
        ({"minutes": float("nan")}, "expected a time above 0"),
        ({"preset": "large"}, "expected one of full, small, open"),
        ({"settings": {"losses.w_cin": 0}}, "Did you mean losses.w_con"),
        ({"settings": "losses.w_con"}, "losses.w_con: expected section.key=value"),
        ({"batch": 0}, "schedule.batch=0: expected 1 or more"),
        ({"settings": {"schedule.steps": -3}}, "schedule.steps=-3: expected 0 or more"),
        ({"steps": 0}, "steps 0: expected at least 1"),
        ({"minutes": "3"}, "minutes 3: expected a time above 0"),
        ({"baseline": "mano"}, "baseline mano: expected mano-cnn"),
        ({"settings": ["losses.w_con"]}, "expected section.key=value"),
    ],
)
def test_options_that_cannot_be(options: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        handsss.train(tmp_path / "none.h5", out=tmp_path / "run", **options)  # type: ignore[arg-type]


def test_data_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.h5"):
        handsss.train(tmp_path / "none.h5", out=tmp_path / "run", device="cpu")
    with pytest.raises(UserError):
        handsss.evaluate(tmp_path / "none.pt", tmp_path / "none.h5")
