"""``handsss paper`` as it is typed: tables on the terminal, files, messages, exit codes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.runs import write_run, write_store

Run = Callable[..., Any]


@pytest.fixture
def run(program: Run) -> Run:
    return partial(program, "paper")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs in runs/ and the store that they were trained on."""
    folder = tmp_path_factory.mktemp("place")
    store = write_store(folder, 3)
    write_run(folder / "runs/ours", data=str(store))
    write_run(folder / "runs/average", prior="average", data=str(store))
    return folder


def test_table4_is_printed_and_written(run: Run, place: Path) -> None:
    done = run("table4", "--data", "training.h5", "--out", "paper", folder=place)
    assert done.returncode == 0, done.stderr
    assert "Table 4: unaligned errors on training.h5 (freihand, training images, 3 frames)" in done.stdout
    row = re.search(r"SSL, here\s+–\s+–\s+(\d+\.\d\d)\s+(\d+\.\d\d)", done.stdout)
    assert row is not None
    assert re.search(r"SSL, paper\s+12.75\s+12.81\s+10.57\s+10.60", done.stdout)
    assert re.search(r"FSL to SSL, here\s+–\s+–\s+–\s+–", done.stdout)
    assert (
        "ours ssl: runs/ours (Ours, self-supervision (SSL), with E_con, prior of joint limits, 7 steps)" in done.stdout
    )
    assert "left out: runs/average: Ours, self-supervision (SSL), with E_con, average pose prior; " in done.stdout
    assert f"missing: MANO-CNN FSL: handsss train --data {place / 'training.h5'} --fsl --baseline" in done.stdout
    assert "wrote paper/table4.json, paper/table4.png, paper/table4.md" in done.stdout
    cell = json.loads((place / "paper/table4.json").read_text())["cells"][0]
    assert f"{cell['mpjpe_cm']:.2f}" == row[1] and f"{cell['mpvpe_cm']:.2f}" == row[2]


def test_tables_are_written_only_when_asked_for(run: Run, place: Path, tmp_path: Path) -> None:
    done = run("table5", place / "runs/ours", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"frame max, paper\s+0.466\s+0.517\s+0.545\s+0.543\s+0.577", done.stdout)
    assert list(tmp_path.iterdir()) == []
    quiet = run("figure2", place / "runs/ours", "-q", folder=tmp_path)
    assert quiet.returncode == 0 and quiet.stdout == ""
    assert sorted(path.name for path in (tmp_path / "paper").iterdir()) == [
        "figure2.json", "figure2.md", "figure2.png", "figure2.svg",
    ]  # fmt: skip


def test_sheets(run: Run, place: Path, tmp_path: Path) -> None:
    data = place / "training.h5"
    for name in ("figure1", "figure3"):
        runs = (place / "runs/ours", place / "runs/average")
        done = run(name, *runs, "--data", data, "--samples", "1", "-o", tmp_path, folder=place)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / f"{name}.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        assert f"![Figure {name[-1]}, on training.h5]({name}.png)" in (tmp_path / f"{name}.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("table5", "runs/average"), "no run fits table 5. runs/average: Ours, self-supervision"),
        (("table4", "runs/nothing", "--data", "training.h5"), "runs/nothing: no such file"),
        (("figure3", "--samples", "9", "--data", "training.h5"), "row 9 is not in the data, whose rows are 0 to 2"),
        (("figure6", "--data", "training.h5"), "figure 6 shows 8 frames of a sequence, but the data has 3 rows"),
        (("table4",), "no data to evaluate on: none was given"),
        (("table4", "--data", "training.h5", "--out", "training.h5/x"), "cannot be written"),
        (("table4", "--device", "toaster"), "--device toaster: expected auto, cpu, cuda"),
    ],
)
def test_mistakes_are_told(run: Run, place: Path, arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments, folder=place)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""
