"""A resumed run makes what is missing, and never mixes results of different options."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from handsss.cli.reconstruct_run import with_run_options
from handsss.errors import UserError
from handsss.hand.load import load_model
from handsss.hand.result import HandResult
from handsss.io.camera import CameraOptions
from handsss.reconstruction.inputs import BatchOptions, expand
from handsss.reconstruction.outputs import Outcome, plan_outputs
from handsss.reconstruction.resume import results_of_absent_photos
from handsss.reconstruction.run import reconstruct_all
from handsss.reconstruction.settings import PipelineSettings
from tests.conftest import MakeHand
from tests.reconstruction.test_run import Scripted, photos


class Resumed(Scripted):
    """With what a run's options are read from."""

    def __init__(self, hand: HandResult, model: str = "open", **settings: Any) -> None:
        super().__init__(hand)
        self.model, self.settings = load_model(model), PipelineSettings(**settings)
        self.fitter = SimpleNamespace(predictor=None)


@pytest.fixture
def hand(make_hand: MakeHand) -> HandResult:
    return make_hand("left", size=(64, 48))


def run(
    folder: Path, pipeline: Resumed, options: BatchOptions | None = None, *, resume: bool = True, suffix: str = "obj"
) -> tuple[list[Outcome], list[int], int]:
    """Outcomes, the red values of the photos that were reconstructed, and how many were skipped."""
    inputs = expand([str(folder / "in")])
    plan = plan_outputs(inputs, str(folder / "out"), suffix)
    options = with_run_options(options or BatchOptions(), pipeline, plan)  # type: ignore[arg-type]
    skipped: list[int] = []
    pipeline.batches.clear()
    outcomes = reconstruct_all(inputs.sources, plan, pipeline, options, resume=resume, on_resume=skipped.append)
    return outcomes, sorted(red for reds in pipeline.batches for red in reds), sum(skipped)


def test_complete_results_are_skipped_and_reported(tmp_path: Path, hand: HandResult) -> None:
    photos(tmp_path / "in", a=200, b=3, c=201, d=5)  # b shows no hand, d fails
    first, made, _ = run(tmp_path, Resumed(hand), resume=False)
    assert 200 in made and 201 in made
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir() if path.name != "summary.json"}
    outcomes, made, skipped = run(tmp_path, Resumed(hand))
    assert (set(made), skipped) == ({5}, 3)
    assert [o.status for o in outcomes] == [o.status for o in first] == ["done", "no hand", "done", "failed"]
    assert {path: path.read_bytes() for path in before} == before
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary[0]["files"] == [path.name for path in first[0].files]
    assert summary[0]["hands"][0]["score"] == first[0].hands[0]["score"]
    assert summary[0]["hands"][0]["reprojection_px"] == 2.5


def test_rigs_stay_in_the_summary(tmp_path: Path, hand: HandResult) -> None:
    photos(tmp_path / "in", a=200)
    first, _, _ = run(tmp_path, Resumed(hand), resume=False, suffix="glb")
    again, made, _ = run(tmp_path, Resumed(hand), suffix="glb")
    assert made == []
    assert again[0].hands[0]["rig"] == first[0].hands[0]["rig"]
    (entry,) = json.loads((tmp_path / "out/summary.json").read_text())
    assert entry["hands"][0]["rig"]["influences"] == 4


def test_another_limit_of_error_needs_no_new_reconstruction(tmp_path: Path, hand: HandResult) -> None:
    photos(tmp_path / "in", a=200, b=3)
    doubted = replace(hand, expected_joint_errors=np.full(21, 9.0))
    first, _, _ = run(tmp_path, Resumed(doubted), BatchOptions(max_error=8.9))
    assert [one.status for one in first] == ["doubtful", "no hand"]
    for limit, status in ((9.1, "done"), (None, "done"), (8.9, "doubtful")):
        again, made, skipped = run(tmp_path, Resumed(doubted), BatchOptions(max_error=limit))
        assert (made, skipped) == ([], 2)
        assert again[0].status == status
        assert again[0].hands[0]["expected_error_mm"] == 9.0


def cut_off(out: Path) -> None:
    (out / "a.obj").write_bytes((out / "a.obj").read_bytes()[:100])


def without_texture(out: Path) -> None:
    next(out.glob("a_texture*.png")).unlink()


def half_json(out: Path) -> None:
    (out / "a.json").write_bytes((out / "a.json").read_bytes()[:1000])


def other_photo(out: Path) -> None:
    Image.new("RGB", (64, 48), (200, 91, 90)).save(out.parent / "in/a.png")


def of_an_earlier_version(out: Path) -> None:
    document = json.loads((out / "a.json").read_text())
    del document["run"]
    (out / "a.json").write_text(json.dumps(document))


@pytest.mark.parametrize("damage", [cut_off, without_texture, half_json, other_photo, of_an_earlier_version])
def test_incomplete_and_changed_photos_are_made_again(tmp_path: Path, hand: HandResult, damage: Any) -> None:
    photos(tmp_path / "in", a=200, b=201)
    run(tmp_path, Resumed(hand), resume=False)
    damage(tmp_path / "out")
    outcomes, made, skipped = run(tmp_path, Resumed(hand))
    assert (made, skipped) == ([200], 1)
    assert [o.skipped for o in outcomes] == [False, True]
    assert run(tmp_path, Resumed(hand))[1:] == ([], 2)


@pytest.mark.parametrize(
    ("settings", "options", "suffix", "words"),
    [
        ({"texture_size": 64}, {}, "obj", r"\{texture_size\} 512, now 64"),
        ({"refine": False, "depth": False}, {}, "obj", r"\{refine\} yes, now no; \{depth\} yes, now no"),
        ({}, {}, "glb", r"\{format\} obj, now glb"),
        ({}, {"side": "left"}, "obj", r"\{side\} auto, now left"),
        ({}, {"box": np.array([1.0, 1, 9, 9])}, "obj", r"another \{box\}"),
        ({}, {"camera": CameraOptions(intrinsics=np.eye(3))}, "obj", r"another \{intrinsics\}"),
        ({"model": "open-detail"}, {}, "obj", r"\{model\} open \w+, now open-detail"),
    ],
)
def test_other_options_are_refused(
    tmp_path: Path, hand: HandResult, settings: dict[str, Any], options: dict[str, Any], suffix: str, words: str
) -> None:
    photos(tmp_path / "in", a=200)
    run(tmp_path, Resumed(hand), resume=False)
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(UserError) as error:
        run(tmp_path, Resumed(hand, **settings), BatchOptions(**options), suffix=suffix)
    assert error.match(words.replace(r"\{", "").replace(r"\}", ""))
    assert {path: path.read_bytes() for path in before} == before
    assert run(tmp_path, Resumed(hand, **settings), BatchOptions(**options), suffix=suffix, resume=False)[2] == 0


def test_the_pace_may_change(tmp_path: Path, hand: HandResult) -> None:
    photos(tmp_path / "in", a=200)
    run(tmp_path, Resumed(hand), resume=False)
    shutil.copytree(tmp_path / "out", tmp_path / "copy")
    assert run(tmp_path, Resumed(hand, device="cuda"))[1:] == ([], 1)


def test_each_photo_has_its_own_camera(tmp_path: Path, hand: HandResult) -> None:
    photos(tmp_path / "in", a=200, b=201)
    table = {"a": np.eye(3), "b": np.eye(3)}
    cameras = BatchOptions(camera=CameraOptions(table=table))
    run(tmp_path, Resumed(hand), cameras, resume=False)
    changed = replace(cameras, camera=CameraOptions(table=table | {"b": 2 * np.eye(3), "later": np.eye(3)}))
    assert run(tmp_path, Resumed(hand), changed)[1:] == ([201], 1)


def test_pipes_cannot_be_resumed(tmp_path: Path, hand: HandResult) -> None:
    inputs = expand(["-"])
    plan = plan_outputs(inputs, str(tmp_path / "hand.obj"))
    with pytest.raises(UserError, match="needs photos that are files"):
        reconstruct_all(inputs.sources, plan, Resumed(hand), BatchOptions(), resume=True)


def test_results_of_absent_photos_are_named(tmp_path: Path, hand: HandResult) -> None:
    photos(tmp_path / "in", a=200, b=201)
    run(tmp_path, Resumed(hand), resume=False)
    (tmp_path / "out/notes.json").write_text("{}")  # nobody's result
    inputs = expand([str(tmp_path / "in")])
    plan = plan_outputs(inputs, str(tmp_path / "out"), "obj")
    assert results_of_absent_photos(inputs.sources, plan) == []
    (tmp_path / "in/a.png").unlink()
    absent = results_of_absent_photos(expand([str(tmp_path / "in")]).sources, plan)
    assert absent == [tmp_path / "out/a.json"]
