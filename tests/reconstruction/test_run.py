"""Many photos in one run: whatever one of them is like, the others go on, and the summary says what became of each."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from handsss.cli.reconstruct_run import processes_for
from handsss.errors import InputError, UserError
from handsss.hand.result import HandResult
from handsss.reconstruction.hand_table import COLUMNS, write_hand_table
from handsss.reconstruction.inputs import BatchOptions, expand
from handsss.reconstruction.outputs import Outcome, plan_outputs
from handsss.reconstruction.run import batches, exit_code, reconstruct_all
from handsss.reconstruction.side import FoundHands
from tests.conftest import MakeHand
from tests.page.html_file import HtmlFile


class Seen(NamedTuple):
    """A hand of a photo of this red value."""

    red: int
    left: bool = False


class Scripted:
    """Stands in for the pipeline: what it does is decided by the red value of the photo."""

    def __init__(self, hand: HandResult) -> None:
        self.hand = hand
        self.batches: list[list[int]] = []  # that were reconstructed together

    def find_hands(
        self,
        image: np.ndarray,
        intrinsics: np.ndarray,
        detections: Any = None,
        *,
        box: Any = None,
        assumed: bool = False,
    ) -> FoundHands:
        red = int(image[0, 0, 0])
        if red == 1:
            raise KeyboardInterrupt
        if red == 2:
            raise IndexError("a bug")
        if red == 4:
            os._exit(9)  # as for want of memory
        hands = [] if red == 3 else [Seen(red, left=red == 7)]
        return FoundHands(hands, [], intrinsics)  # type: ignore[arg-type]

    def reconstruct(self, views: Sequence[Seen]) -> list[HandResult]:
        reds = [view.red for view in views]
        self.batches.append(reds)
        if 5 in reds:
            raise InputError("no numbers")
        if 6 in reds:
            raise ZeroDivisionError("a bug of the fit")
        return [replace(self.hand, score=red / 1000, seconds={}) for red in reds]


@pytest.fixture
def pipeline(make_hand: MakeHand) -> Scripted:
    return Scripted(make_hand("left", size=(64, 48)))


def photos(folder: Path, **reds: int) -> list[str]:
    folder.mkdir(exist_ok=True)
    for name, red in reds.items():
        Image.new("RGB", (64, 48), (red, 90, 90)).save(folder / f"{name}.png")
    return [str(folder)]


def run(
    arguments: list[str],
    pipeline: Scripted,
    output: Path,
    workers: int = 1,
    batch: int = 8,
    mesh_format: str | None = "ply",
) -> list[Outcome]:
    inputs = expand(arguments)
    plan = plan_outputs(inputs, str(output), mesh_format)
    make = partial(Scripted, pipeline.hand)
    return reconstruct_all(inputs.sources, plan, pipeline, BatchOptions(), batch=batch, workers=workers, make=make)


def test_pages_get_a_gallery_of_what_is_done(tmp_path: Path, pipeline: Scripted) -> None:
    """Photos without hands and failed ones are named; an interruption leaves a gallery of the others."""
    arguments = photos(tmp_path / "in", a=200, b=2, c=3, d=1)
    for output, mesh_format, gallery, links in (
        (tmp_path / "out", "html", tmp_path / "out/index.html", ["a.html"]),
        (tmp_path / "all.html", None, tmp_path / "all.html", ["#scene-0"]),
    ):
        outcomes = run(arguments, pipeline, output, batch=1, mesh_format=mesh_format)
        assert [one.status for one in outcomes] == ["done", "failed", "no hand", "not started"]
        file = HtmlFile.of(gallery.read_bytes())
        file.check_self_contained()
        assert [one.attributes["href"] for one in file.all("a", **{"class": "tile card"})] == links
        others = [one.text for one in file.all("li") if one.text.strip()]
        assert [text.partition(":")[0] for text in others] == ["b.png", "c.png", "d.png"]
        assert "internal error" in others[0] and "no hand found" in others[1] and "not started" in others[2]
        HtmlFile.of((tmp_path / output.stem / "a.html").read_bytes()).check_self_contained()


def test_a_table_has_a_row_a_hand_and_one_for_each_photo_without(tmp_path: Path, pipeline: Scripted) -> None:
    arguments = photos(tmp_path / "in", a=200, b=2, c=3, d=1)
    errors = np.arange(21.0)
    pipeline.hand = replace(pipeline.hand, expected_joint_errors=errors)
    outcomes = run(arguments, pipeline, tmp_path / "out", batch=1)
    assert write_hand_table(tmp_path / "hands.csv", outcomes) == 3
    with open(tmp_path / "hands.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == list(COLUMNS)
    assert [row["status"] for row in rows] == ["done", "failed", "no hand"]  # d was not started
    assert rows[1]["message"].startswith("internal error") and rows[1]["hand"] == rows[2]["wrist_x"] == ""
    first, hand = rows[0], pipeline.hand
    assert first["image"].endswith("in/a.png") and (first["hand"], first["object"]) == ("left", "left_0")
    assert first["mesh"].endswith("out/a.ply") and first["document"].endswith("out/a.json")
    assert (first["width"], first["height"], float(first["score"])) == ("64", "48", 0.2)
    assert float(first["fx"]) == pytest.approx(hand.intrinsics[0, 0], abs=1e-3)
    tip = [float(first[f"little_tip_{what}"]) for what in ("x", "y", "z", "u", "v", "expected_mm")]
    np.testing.assert_allclose(tip, [*hand.joints_3d[20], *hand.joints_2d[20], 20.0], atol=1e-3)
    assert float(first["expected_error_mm"]) == errors.mean()


@pytest.mark.parametrize(("workers", "batch"), [(1, 1), (1, 8), (2, 1), (2, 8)])
def test_every_photo_is_accounted_for(tmp_path: Path, pipeline: Scripted, workers: int, batch: int) -> None:
    arguments = photos(tmp_path / "in", a=200, b=2, c=3, d=200)
    (tmp_path / "in/bad.jpg").write_bytes(b"")
    outcomes = run([*arguments, str(tmp_path / "in/absent.jpg")], pipeline, tmp_path / "out", workers, batch)
    assert {Path(o.image).stem: o.status for o in outcomes} == {
        "a": "done",
        "b": "failed",
        "bad": "failed",
        "c": "no hand",
        "d": "done",
        "absent": "failed",
    }
    bug = next(o for o in outcomes if o.image.endswith("b.png"))
    assert bug.message == "internal error: IndexError: a bug"
    assert "Traceback" in bug.trace  # a bug always shows where it is
    assert all(not o.trace for o in outcomes if o is not bug)
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert [entry["status"] for entry in summary] == [o.status for o in outcomes]
    done = summary[0]
    assert done["files"] == ["a.ply", "a.png", "a.json"]
    assert done["hands"][0]["hand"] == "left"
    assert "field of view" in done["camera"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("a.ply", "a.json", "a.png", "d.ply", "d.json", "d.png", "c.json", "c.png", "summary.json"),
    }
    assert exit_code(outcomes) == 1


def test_an_interruption_keeps_what_is_done(tmp_path: Path, pipeline: Scripted) -> None:
    outcomes = run(photos(tmp_path / "in", a=200, b=1, c=200), pipeline, tmp_path / "out", batch=1)
    assert [o.status for o in outcomes] == ["done", "not started", "not started"]
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert [entry["status"] for entry in summary] == ["done", "not started", "not started"]
    assert exit_code(outcomes) == 130
    assert not list((tmp_path / "out").glob(".*"))


def test_hands_of_several_photos_are_reconstructed_together(tmp_path: Path, pipeline: Scripted) -> None:
    outcomes = run(photos(tmp_path / "in", a=100, b=3, c=120, d=140), pipeline, tmp_path / "out", batch=3)
    # Four photos, three at a time: two batches of two. A photo without a hand gives nothing to reconstruct.
    assert pipeline.batches == [[100], [120, 140]]
    assert [[hand["score"] for hand in o.hands] for o in outcomes] == [[0.1], [], [0.12], [0.14]]


def test_one_that_fails_beside_others_is_known_and_alone(tmp_path: Path, pipeline: Scripted) -> None:
    outcomes = run(photos(tmp_path / "in", a=100, b=5, c=120, d=6), pipeline, tmp_path / "out")
    assert [o.status for o in outcomes] == ["done", "failed", "done", "failed"]
    assert outcomes[1].message.endswith("b.png: no numbers") and not outcomes[1].trace
    assert outcomes[3].message == "internal error: ZeroDivisionError: a bug of the fit"
    assert "Traceback" in outcomes[3].trace
    assert [hand["score"] for hand in outcomes[2].hands] == [0.12]


def test_large_photos_are_not_all_held_at_once(
    tmp_path: Path, pipeline: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("handsss.reconstruction.batch._PIXELS", 64 * 48)
    run(photos(tmp_path / "in", a=100, b=110, c=120), pipeline, tmp_path / "out")
    assert pipeline.batches == [[100, 110], [120]]
    pipeline.batches.clear()
    run(photos(tmp_path / "more", a=7, b=110, c=120), pipeline, tmp_path / "out")
    assert pipeline.batches == [[7], [110, 120]]  # a left hand's photo counts twice: it is mirrored


@pytest.mark.parametrize(
    ("count", "batch", "workers", "sizes"),
    [
        (16, 8, 2, [8, 8]),
        (17, 8, 2, [5, 4, 4, 4]),
        (9, 8, 4, [3, 2, 2, 2]),
        (10, 8, 8, [2, 2, 1, 1, 1, 1, 1, 1]),
        (3, 8, 2, [2, 1]),
        (3, 1, 4, [1, 1, 1]),
        (0, 8, 1, []),
    ],
)
def test_batches_keep_all_workers_busy(count: int, batch: int, workers: int, sizes: list[int]) -> None:
    found = batches(list(range(count)), batch, workers)  # type: ignore[arg-type]
    assert [len(part) for part in found] == sizes
    assert [one for part in found for one in part] == list(range(count))


def test_an_interruption_in_a_batch_keeps_what_was_made(
    tmp_path: Path, pipeline: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("handsss.reconstruction.batch._PIXELS", 10)
    outcomes = run(photos(tmp_path / "in", a=200, b=200, c=1, d=200), pipeline, tmp_path / "out")
    assert [o.status for o in outcomes] == ["done", "done", "not started", "not started"]
    assert (tmp_path / "out/b.ply").exists()


def test_an_export_that_fails_is_its_photos_alone(
    tmp_path: Path, pipeline: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drawn(photo: np.ndarray, hands: list[HandResult]) -> np.ndarray:
        if photo[0, 0, 0] == 120:
            raise MemoryError("too large")
        return photo

    monkeypatch.setattr("handsss.reconstruction.batch.picture", drawn)
    outcomes = run(photos(tmp_path / "in", a=100, b=120, c=140), pipeline, tmp_path / "out")
    assert [o.status for o in outcomes] == ["done", "failed", "done"]
    assert pipeline.batches == [[100, 120, 140]]
    assert outcomes[1].message == "internal error: MemoryError: too large" and outcomes[1].seconds > 0
    assert not (tmp_path / "out/b.ply").exists()


def test_without_pictures_none_is_in_the_way(tmp_path: Path, pipeline: Scripted) -> None:
    """A photo NAME.png may lie where NAME.ply goes; one without a hand has its JSON alone."""
    inputs = expand(photos(tmp_path / "in", a=100, b=3))
    plan = plan_outputs(inputs, str(tmp_path / "in"), "ply")
    before = (tmp_path / "in/a.png").read_bytes()
    outcomes = reconstruct_all(inputs.sources, plan, pipeline, BatchOptions(picture=False))
    assert [o.status for o in outcomes] == ["done", "no hand"]
    assert {path.name for path in (tmp_path / "in").iterdir()} == {
        *("a.png", "a.ply", "a.json", "b.png", "b.json", "summary.json"),
    }
    assert (tmp_path / "in/a.png").read_bytes() == before


def test_several_processes_write_the_same_bytes(tmp_path: Path, pipeline: Scripted) -> None:
    arguments = photos(tmp_path / "in", a=200, b=3, c=120, d=90)
    for workers in (1, 2):
        run(arguments, pipeline, tmp_path / f"out{workers}", workers)
    # Times differ, and nothing else.
    names = sorted(path.name for path in (tmp_path / "out1").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "out2").iterdir())
    for name in names:
        if not name.endswith(".json"):
            assert (tmp_path / "out1" / name).read_bytes() == (tmp_path / "out2" / name).read_bytes()
    summaries = [json.loads((tmp_path / f"out{workers}/summary.json").read_text()) for workers in (1, 2)]
    for entry in (*summaries[0], *summaries[1]):
        entry["seconds"] = 0
        for hand in entry["hands"]:
            hand["seconds"] = {}
    assert summaries[0] == summaries[1]


def test_a_process_that_dies_is_told_and_loses_nothing(tmp_path: Path, pipeline: Scripted) -> None:
    arguments = photos(tmp_path / "in", a=200, b=200, c=200, d=200, e=200, f=200, g=4)
    with pytest.raises(
        UserError, match=r"a worker process died.*Results that were written are kept.*fewer workers or a smaller batch"
    ):
        run(arguments, pipeline, tmp_path / "out", 2)
    entries = json.loads((tmp_path / "out/summary.json").read_text())
    assert [entry["status"] for entry in entries][-1] == "not started" and len(entries) == 7
    for entry in entries:
        if entry["status"] == "done":
            assert all((tmp_path / "out" / name).stat().st_size > 0 for name in entry["files"])


@pytest.mark.parametrize(("count", "cores", "expected"), [(1, 8, 1), (15, 2, 1), (16, 2, 2), (500, 4, 4), (40, 64, 5)])
def test_processes_are_worth_their_start(count: int, cores: int, expected: int) -> None:
    assert processes_for(count, cores) == expected


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (["done"], 0),
        (["done", "no hand"], 0),
        (["no hand", "no hand"], 3),
        (["no hand", "failed"], 1),
        (["done", "failed", "not started"], 130),
    ],
)
def test_exit_codes(statuses: list[Any], code: int) -> None:
    assert exit_code([Outcome("a.jpg", status) for status in statuses]) == code


def test_unwritable_results_are_told_before_any_work(tmp_path: Path, pipeline: Scripted) -> None:
    arguments = photos(tmp_path / "in", a=200, b=200)
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UserError, match="taken/out: cannot be written"):
        run(arguments, pipeline, tmp_path / "taken/out")


def test_results_never_replace_photos(tmp_path: Path, pipeline: Scripted) -> None:
    arguments = photos(tmp_path / "in", a=200)
    with pytest.raises(UserError, match=r"a\.png: this result would overwrite an input"):
        run(arguments, pipeline, tmp_path / "in")


@pytest.mark.parametrize("names", [("s1/0000.png", "s2/0000.png"), ("a.png", "a.bmp")])
def test_one_keypoint_file_for_two_photos_is_refused(
    tmp_path: Path, pipeline: Scripted, names: tuple[str, str]
) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (64, 64), (100, 0, 0)).save(tmp_path / name)
    points = json.dumps({"hand": "left", "keypoints": [[10 + j, 20 + j] for j in range(21)]})
    stem = Path(names[0]).stem
    (tmp_path / "k").mkdir()
    (tmp_path / f"k/{stem}_keypoints.json").write_text(points)
    inputs = expand([str(tmp_path / name) for name in names])
    plan = plan_outputs(inputs, str(tmp_path / "out"), "ply")
    options = BatchOptions(keypoints=tmp_path / "k")
    with pytest.raises(InputError, match=f"keypoints of two pictures.*{names[0]}.*{names[1]}"):
        reconstruct_all(inputs.sources, plan, pipeline, options)
    # A file for each, in folders called like the photos', or with the whole name.
    for name in names:
        own = name if stem == "a" else str(Path(name).with_suffix(""))
        (tmp_path / "k" / own).parent.mkdir(exist_ok=True)
        (tmp_path / f"k/{own}.json").write_text(points)
    (tmp_path / f"k/{stem}_keypoints.json").unlink()
    assert [outcome.status for outcome in reconstruct_all(inputs.sources, plan, pipeline, options)] == ["done", "done"]
