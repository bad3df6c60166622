"""What ``handsss train`` shows while it trains."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from handsss.cli.console import output_console
from handsss.cli.train_view import TrainingView, show_start
from handsss.data.mixture import MixedDataset, WeightedStore
from handsss.training.progress import Progress
from handsss.training.throughput import Remaining


def progress(**more: object) -> Progress:
    facts = {"health": None, "seconds": 9.0, "images_per_second": 4.0, "validation": None, "elapsed": 129.0}
    return Progress(5, 9, "shape", 1e-3, 0.5, {}, 1.0, **(facts | {"remaining": Remaining(504.0, True)} | more))  # type: ignore[arg-type]


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("handsss.cli.train_view.show_start", lambda output, run, writes: None)
    monkeypatch.setattr("handsss.cli.train_view._LINE_SECONDS", -1.0)
    with TrainingView() as view:
        view.start(SimpleNamespace(folder="r"))  # type: ignore[arg-type]
        figures = {"step": 0.0, "aligned_mpjpe_mm": 15.74}
        view.show(progress(validation=figures))
        view.show(
            progress(validation=figures | {"step": 5.0}, remaining=Remaining(61.0, False), warning="step 5: worse")
        )
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "step 5/9 shape: E 0.5, 4.0 images/s; at step 0: aligned MPJPE, mm 15.7; 2:09 elapsed, about 8:24 left",
        "note: step 5: worse",
        "step 5/9 shape: E 0.5, 4.0 images/s; at step 5: aligned MPJPE, mm 15.7; 2:09 elapsed, 1:01 left",
    ]


def shown_run(data: object, *stores: str) -> SimpleNamespace:
    recipe = SimpleNamespace(baseline="", supervision="fsl", validation=None, model="open", data_words="a.h5")
    recipe.stores = [WeightedStore(Path(store)) for store in stores]
    return SimpleNamespace(
        recipe=recipe,
        trainer=SimpleNamespace(
            stages=(), batch=4, step=0, device="cpu", objective=SimpleNamespace(keypoint_set="openpose", mean_bone=0.03)
        ),
        data=data,
        config=SimpleNamespace(network=SimpleNamespace(encoder="efficientnet-b0")),
        start="random weights",
        folder="runs/new",
    )


@pytest.mark.parametrize("writes", [True, False])
def test_a_profile_names_no_folder(capsys: pytest.CaptureFixture[str], writes: bool) -> None:
    show_start(output_console(), shown_run(_Rows(), "a.h5"), writes=writes)  # type: ignore[arg-type]
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == ("run: runs/new" if writes else "a profile: nothing is written")
    assert not any(line.startswith("drawn") for line in lines)


@pytest.mark.parametrize(
    ("rows", "drawn", "note"),
    [
        (6, "99 % online, 0.92 % b.h5", "note: b.h5: hardly drawn; raise the weight (--data b.h5:WEIGHT), or lower "),
        (7, "99 % online, 1.1 % b.h5", ""),
    ],
)
def test_a_store_that_is_hardly_drawn_is_named(
    capsys: pytest.CaptureFixture[str], rows: int, drawn: str, note: str
) -> None:
    parts = [_Part([0] * 649), _Part([0] * rows)]
    run = shown_run(MixedDataset(parts, [1, 1]), "online", "b.h5")  # type: ignore[arg-type]
    show_start(output_console(), run)  # type: ignore[arg-type]
    lines = capsys.readouterr().out.splitlines()
    assert f"drawn: {drawn}" in lines
    told = [line for line in lines if line.startswith("note")]
    assert told == [] if not note else [line[: len(note)] for line in told] == [note]


class _Rows(list[int]):
    attributes: dict[str, str] = {}  # noqa: RUF012


class _Part(_Rows):
    path = augmentation = None
    fields: tuple[str, ...] = ()
    reduction, defers = 1, False
