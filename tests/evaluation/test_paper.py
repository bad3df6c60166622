"""The paper's tables and figures: which run goes where, what is printed, and that figures agree with `evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from handsss.data.keypoints.sources import TruthSource
from handsss.data.preprocess import PreprocessOptions, preprocess
from handsss.data.readers.freihand import open_freihand
from handsss.errors import InputError, UserError
from handsss.evaluation.paper import table4, table5
from handsss.evaluation.paper.make import (
    PaperArtifact,
    PaperRequest,
    make_figure1,
    make_figure2,
    make_figure3,
    make_figure6,
    make_table4,
    make_table5,
)
from handsss.evaluation.paper.published import COLUMNS, TABLE5_AUC
from handsss.evaluation.paper.runs import read_run, training_command
from handsss.evaluation.paper.score import MeanErrors3d
from handsss.evaluation.paper.sequences import choose_sequences, parse_rows, spread_rows
from handsss.evaluation.score import Keypoints2d
from tests.evaluation.makers import hands, score_network, write_freihand
from tests.evaluation.runs import write_run, write_store

DIRECTIONS = "self-supervision (SSL), with E_con, prior of joint limits"


class Lab(NamedTuple):
    """A store and a run of each kind."""

    store: Path
    ours: Path
    fsl: Path
    baseline: Path
    average: Path
    without: Path
    bare: Path  # without photometric terms


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    folder = tmp_path_factory.mktemp("lab")
    store = write_store(folder)
    runs = folder / "runs"
    return Lab(
        store,
        write_run(runs / "ours", data=str(store)),
        write_run(runs / "fsl", supervision="fsl", data=str(store), seed=1),
        write_run(runs / "baseline", baseline="mano-cnn", data=str(store), seed=2),
        write_run(runs / "average", prior="average", data=str(store), seed=3),
        write_run(runs / "without", data=str(store), seed=4, w_con=0.0),
        write_run(runs / "bare", data=str(store), seed=5, w_photo=0.0),
    )


def document(made: PaperArtifact) -> dict[str, object]:
    content: dict[str, object] = json.loads(made.files[f"{made.name}.json"])
    return content


def picture(made: PaperArtifact) -> np.ndarray:
    import io

    return np.asarray(Image.open(io.BytesIO(made.files[f"{made.name}.png"])).convert("RGB"))


def test_runs_are_recognised(lab: Lab) -> None:
    kinds = {
        lab.ours: f"Ours, {DIRECTIONS}",
        lab.fsl: "Ours, full supervision (FSL), with E_con, prior of joint limits",
        lab.baseline: "MANO-CNN, self-supervision (SSL), prior of joint limits",
        lab.average: "Ours, self-supervision (SSL), with E_con, average pose prior",
        lab.without: "Ours, self-supervision (SSL), without E_con, prior of joint limits",
        lab.bare: f"Ours, {DIRECTIONS}, without photometric terms (losses.w_photo = 0)",
    }
    assert {path: read_run(path).describe() for path in kinds} == kinds
    runs = {path: read_run(path) for path in kinds}
    assert {path: table4.cell_of(run) for path, run in runs.items()} == {
        lab.ours: ("ours", "ssl"), lab.fsl: ("ours", "fsl"), lab.baseline: ("mano-cnn", "ssl"),
        lab.average: None, lab.without: None, lab.bare: None,
    }  # fmt: skip
    assert {path: table5.consistency_of(run) for path, run in runs.items()} == {
        lab.ours: True, lab.fsl: None, lab.baseline: None, lab.average: None, lab.without: False, lab.bare: None,
    }  # fmt: skip


def test_table4_by_hand() -> None:
    scores = {
        ("mano-cnn", "fsl"): MeanErrors3d(10, 10.0, 11.0, 2.0, 2.5),
        ("mano-cnn", "ssl"): MeanErrors3d(10, 15.0, None, 3.0, None),
        ("ours", "fsl"): MeanErrors3d(10, 8.0, 8.4, 1.0, 1.5),
        ("ours", "ssl"): MeanErrors3d(10, 10.0, 10.5, 1.25, 1.5),
    }
    table = table4.table4(scores, "some data")
    assert table.title == "Table 4: unaligned errors on some data"
    assert [list(row) for row in table.rows] == [
        ["FSL, here", "10.00", "11.00", "8.00", "8.40"],
        ["FSL, paper", "8.72", "8.84", "8.66", "8.77"],
        ["SSL, here", "15.00", "–", "10.00", "10.50"],
        ["SSL, paper", "12.75", "12.81", "10.57", "10.60"],
        ["FSL to SSL, here", "+50.0 %", "–", "+25.0 %", "+25.0 %"],
        # The supplement prints 46.2 % and 22.1 % for MPJPE.
        ["FSL to SSL, paper", "+46.2 %", "+44.9 %", "+22.1 %", "+20.9 %"],
    ]
    assert list(table4.aligned_table(scores).rows[-1]) == ["FSL to SSL", "+50.0 %", "–", "+25.0 %", "+0.0 %"]
    growth = table4.document(scores)["degradation_percent"]
    assert growth["ours"] == {
        "mpjpe": pytest.approx(25.0), "mpvpe": pytest.approx(25.0), "published_mpjpe": 22.1,
    }  # fmt: skip
    assert growth["mano-cnn"]["mpvpe"] is None
    del scores["ours", "fsl"]
    assert [row[3] for row in table4.table4(scores, "").rows] == ["–", "8.66", "10.00", "10.57", "–", "+22.1 %"]


def test_table4_agrees_with_evaluate(lab: Lab) -> None:
    made = make_table4(PaperRequest([lab.ours, lab.fsl, lab.baseline, lab.average], lab.store))
    content = document(made)
    cells = {(cell["method"], cell["supervision"]): cell for cell in content["cells"]}  # type: ignore[attr-defined]
    assert set(cells) == {("ours", "ssl"), ("ours", "fsl"), ("mano-cnn", "ssl")}
    for place, path in ((("ours", "ssl"), lab.ours), (("mano-cnn", "ssl"), lab.baseline)):
        metrics = score_network(path, lab.store).metrics
        assert cells[place]["mpjpe_cm"] == pytest.approx(metrics["raw"]["mpjpe_mm"] / 10, abs=1e-9)
        assert cells[place]["mpvpe_cm"] == pytest.approx(metrics["raw"]["mpvpe_mm"] / 10, abs=1e-9)
        assert cells[place]["aligned_mpjpe_cm"] == pytest.approx(metrics["aligned"]["mpjpe_mm"] / 10, abs=1e-9)
        assert cells[place]["aligned_mpvpe_cm"] == pytest.approx(metrics["aligned"]["mpvpe_mm"] / 10, abs=1e-9)
    assert made.missing == [f"MANO-CNN FSL: handsss train --data {lab.store} --fsl --baseline mano-cnn"]
    assert made.left_out == [
        f"{lab.average}: Ours, self-supervision (SSL), with E_con, average pose prior; table 4 does not use such a run."
    ]
    assert content["data"] == str(lab.store) and content["frames"] == 9
    assert content["runs"]["ours ssl"]["step"] == 7  # type: ignore[index]
    text = made.files["table4.md"].decode()
    assert "Table 4: unaligned errors on training.h5 (freihand, training images, 9 frames)" in text
    assert "| SSL, paper | 12.75 | 12.81 | 10.57 | 10.60 |" in text
    assert "MANO-CNN FSL: handsss train" in text
    assert picture(made).shape[1] > 800


def test_table5_agrees_with_evaluate(lab: Lab) -> None:
    """Scored on the runs' own training data, with none given."""
    made = make_table5(PaperRequest([lab.without, lab.ours, lab.ours, lab.baseline]))
    areas = document(made)["auc_0_50_px"]
    for suffix, path in (("with", lab.ours), ("without", lab.without)):
        scored = score_network(path, lab.store).metrics["keypoints_2d"]
        for metric in ("per_joint", "frame_mean", "frame_max"):
            for kind in ("predicted", "projected"):
                expected = pytest.approx(scored[kind][metric], abs=1e-12)
                assert areas[metric][f"{kind}_{suffix}"] == expected  # type: ignore[index]
            assert areas[metric]["detector"] == pytest.approx(scored["detector"][metric], abs=1e-12)  # type: ignore[index]
    # Detections lie three pixels beside the truth but for the definition of joints: most of the area.
    assert 0.85 < areas["per_joint"]["detector"] < 0.95  # type: ignore[index]
    assert made.missing == [] and len(made.left_out) == 1
    assert "| per joint, paper | 0.807 | 0.820 | 0.828 | 0.808 | 0.825 |" in made.files["table5.md"].decode()


def test_table5_by_hand() -> None:
    """Two frames of 21 joints: at the true place but for one joint 25 px off in the first frame."""
    errors = np.zeros((2, 21))
    errors[0, 3] = 25.0
    flat = {"detector": Keypoints2d(errors, errors > 99), "projected": Keypoints2d(0 * errors, errors > 99)}
    areas = table5.areas_of({True: flat})
    assert areas["frame_max"]["detector"] == pytest.approx((0.5 + 1) / 2, abs=0.01)
    assert areas["per_joint"]["detector"] == pytest.approx((41 + 0.5) / 42, abs=0.001)
    assert areas["per_joint"]["projected_with"] == pytest.approx(1.0)
    assert areas["per_joint"]["projected_without"] is None and areas["per_joint"]["predicted_with"] is None
    assert [row[1] for row in table5.table5(areas, "x").rows[1::2]] == ["0.807", "0.799", "0.466"]
    panel = table5.figure2({True: flat}, "x")
    assert [line.label for line in panel.curves] == ["detector", "projected with E_con"]
    assert panel.curves[0].share[[0, 49, 50, 99]].tolist() == [0.5, 0.5, 1.0, 1.0]
    assert panel.curves[0].area == pytest.approx(areas["frame_max"]["detector"], abs=1e-12)


def test_figure2_has_the_areas_of_table5(lab: Lab) -> None:
    made = make_figure2(PaperRequest([lab.ours]))
    shown = document(made)["areas"]
    scored = score_network(lab.ours, lab.store).metrics["keypoints_2d"]
    assert shown == {
        "detector": pytest.approx(scored["detector"]["frame_max"], abs=1e-12),
        "predicted with E_con": pytest.approx(scored["predicted"]["frame_max"], abs=1e-12),
        "projected with E_con": pytest.approx(scored["projected"]["frame_max"], abs=1e-12),
    }
    assert made.missing == [f"without E_con: handsss train --data {lab.store} --ssl --set losses.w_con=0"]
    assert made.files["figure2.svg"].startswith(b"<?xml")


def test_missing_detections_are_told(lab: Lab) -> None:
    """A dataset's folder has no detections."""
    made = make_table5(PaperRequest([lab.ours], lab.store.parent / "data", limit=2))
    assert any(line.startswith("detector: the data holds no detections") for line in made.missing)
    assert "(freihand, training images, 2 frames)" in made.title


def test_no_run_fits(lab: Lab) -> None:
    with pytest.raises(UserError, match="no run fits table 5.*average pose prior; table 5 does not use such a run"):
        make_table5(PaperRequest([lab.average], lab.store))


def test_two_runs_for_one_place(lab: Lab, tmp_path: Path) -> None:
    second = write_run(tmp_path / "again", data=str(lab.store))
    made = make_figure2(PaperRequest([lab.ours, second], limit=2))
    assert made.left_out == [f"{second}: Ours, {DIRECTIONS}; {lab.ours} was given first for the same cell."]


def test_runs_of_the_current_folder(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no runs were given, and runs/ holds none. Give folders of trained runs"):
        make_table4(PaperRequest(data=lab.store))
    monkeypatch.chdir(lab.ours.parent.parent)
    assert {line.split(":")[0] for line in make_table4(PaperRequest(data=lab.store, limit=2)).used} == {
        "ours ssl", "ours fsl", "mano-cnn ssl",
    }  # fmt: skip


def test_training_data_that_is_gone(tmp_path: Path) -> None:
    gone = write_run(tmp_path / "gone", data="/nowhere/data.h5")
    with pytest.raises(InputError, match="was trained on /nowhere/data.h5, which is not there.*with data"):
        make_table5(PaperRequest([gone]))
    silent = write_run(tmp_path / "silent")
    with pytest.raises(InputError, match="does not say what it was trained on. Give the training images with data"):
        make_table5(PaperRequest([silent]))


def test_commands_that_train_what_is_missing() -> None:
    assert training_command("d.h5", method="mano-cnn") == "handsss train --data d.h5 --ssl --baseline mano-cnn"
    assert training_command("", prior="average") == "handsss train --data FILE --ssl --pose-prior average"
    assert training_command("d.h5", supervision="fsl") == "handsss train --data d.h5 --fsl"
    assert set(TABLE5_AUC["per_joint"]) == set(COLUMNS)


def test_self_supervision_is_not_proposed_on_true_keypoints(tmp_path: Path) -> None:
    made = hands(3)
    store = tmp_path / "truth.h5"
    root = write_freihand(tmp_path / "data", made, training=made)
    preprocess(open_freihand(root), TruthSource("freihand"), store, PreprocessOptions())
    assert training_command(str(store), supervision="fsl") == f"handsss train --data {store} --fsl"
    command = training_command(str(store))
    assert command.startswith("handsss train --data FILE --ssl") and f"{store} has true ones" in command


def test_figure1_shows_both_priors(lab: Lab) -> None:
    request = PaperRequest([lab.average, lab.ours], lab.store, samples="1,4")
    made = make_figure1(request)
    assert document(made)["rows"] == [1, 4]
    whole = picture(made)
    alone = make_figure1(PaperRequest([lab.ours], lab.store, samples="1,4"))
    assert alone.missing == [f"average pose prior: handsss train --data {lab.store} --ssl --pose-prior average"]
    empty = picture(alone)
    # The places of the missing run stay white.
    assert 0.4 < _painted(empty) * empty.size / (_painted(whole) * whole.size) < 0.6


def test_a_run_that_went_on_from_another_says_so(tmp_path: Path) -> None:
    fresh = read_run(write_run(tmp_path / "fresh", start="random weights"))
    later = read_run(write_run(tmp_path / "later", start="weights of shape/latest.pt (ssl, 800 steps)"))
    assert fresh.training == "7 steps" and fresh.begun_with == ""
    assert later.training == "7 steps, begun with weights of shape/latest.pt (ssl, 800 steps)"


def test_figure3_has_ten_panels_a_line(lab: Lab) -> None:
    made = make_figure3(PaperRequest([lab.baseline, lab.ours], lab.store, count=2))
    assert made.used == [f"shown: {lab.ours} (Ours, {DIRECTIONS}, 7 steps)"]
    assert made.left_out[0].endswith("figure 3 shows one run.")
    one = picture(make_figure3(PaperRequest([lab.ours], lab.store, count=1)))
    two = picture(made)
    assert two.shape[1] == one.shape[1] == 10 * 190 + 9 * 6 + 2 * 10
    assert two.shape[0] - one.shape[0] == 196
    # A network without texture is drawn in one colour.
    assert _painted(picture(make_figure3(PaperRequest([lab.baseline], lab.store, count=1)))) > 0.2


def test_figure6_says_that_there_are_no_sequences(lab: Lab) -> None:
    made = make_figure6(PaperRequest([lab.ours], lab.store))
    content = document(made)
    assert content["sequences"] == [{"name": "rows 0 to 7", "rows": list(range(8))}]
    assert content["note"] == "The data has no sequences: these are consecutive rows, which show different hands."
    with pytest.raises(UserError, match="figure 6 shows 8 frames of a sequence, but the data has 5 rows"):
        make_figure6(PaperRequest([lab.ours], lab.store, limit=5))


def _painted(sheet: np.ndarray) -> float:
    return float((sheet.min(2) < 235).mean())


def test_sequences_of_ho3d() -> None:
    names = [f"evaluation/{sequence}/rgb/{i:04d}.png" for sequence in ("A", "B", "C", "D", "E") for i in range(20)]
    names += [f"evaluation/short/rgb/{i:04d}.png" for i in range(7)]
    chosen = choose_sequences(names)
    assert [sequence.name for sequence in chosen.sequences] == ["A", "B", "D", "E"]
    assert chosen.sequences[1].rows == [20 + row for row in (1, 3, 6, 8, 11, 13, 16, 18)]
    assert chosen.note == "Frames evenly spread over each sequence."
    few = choose_sequences(names[:20])
    assert [sequence.name for sequence in few.sequences] == ["A"]
    assert few.note.endswith("Only 1 sequences have 8 frames or more.")


def test_rows_without_sequences() -> None:
    chosen = choose_sequences([f"training/rgb/{i:08d}.jpg" for i in range(40)])
    assert [sequence.rows[0] for sequence in chosen.sequences] == [0, 11, 21, 32]
    assert all(len(sequence.rows) == 8 for sequence in chosen.sequences)
    assert [row for sequence in choose_sequences(["x.jpg"] * 8).sequences for row in sequence.rows] == list(range(8))


def test_rows_of_a_sheet() -> None:
    assert spread_rows(100, 4) == [12, 37, 62, 87]
    assert spread_rows(3, 8) == [0, 1, 2]
    assert parse_rows("3,17", 18) == [3, 17]
    with pytest.raises(UserError, match="samples 3;17: expected row numbers with commas between"):
        parse_rows("3;17", 18)
    with pytest.raises(UserError, match="row 18 is not in the data, whose rows are 0 to 17"):
        parse_rows("3,18", 18)
