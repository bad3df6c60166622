"""One call evaluates: inputs, flat metrics, tables, report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from handsss.cli.console import flag
from handsss.errors import UserError
from handsss.evaluation.evaluate import EvaluationInputs, evaluate, flat_metrics
from tests.evaluation.makers import hands, noisy, prediction_lists, write_checkpoint, write_freihand


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_freihand(tmp_path / "FreiHAND", hands(3))


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    made = hands(3)
    path = tmp_path / "pred.json"
    path.write_text(json.dumps(prediction_lists(noisy(made.freihand, 0.005), noisy(made.vertices, 0.005))))
    return path


def test_predictions_without_a_report(root: Path, predictions: Path) -> None:
    before = sorted(root.parent.rglob("*"))
    result = evaluate(predictions=predictions, data=root)
    assert sorted(root.parent.rglob("*")) == before
    assert result.report is None and result.files == []
    assert result.evaluation is not None
    nested = result.evaluation.metrics
    assert result.metrics["aligned_mpjpe_mm"] == nested["aligned"]["mpjpe_mm"] > 1
    assert result.metrics["raw_mpvpe_mm"] == nested["raw"]["mpvpe_mm"]
    assert result.metrics["root_aligned_auc_joints"] == nested["root_aligned"]["auc_j"]
    assert result.metrics["aligned_f_5mm"] == nested["aligned"]["f5"]
    assert result.metrics["projected_2d_auc_frame_max"] == nested["keypoints_2d"]["projected"]["frame_max"]
    assert all(isinstance(value, float) for value in result.metrics.values())
    assert [table.title for table in result.tables] == ["3D", "2D, AUC over 0 to 50 px", "Joints"]


def test_missing_figures_are_left_out(root: Path, tmp_path: Path) -> None:
    (tmp_path / "joints.json").write_text(json.dumps([hands(3).freihand.tolist(), []]))
    result = evaluate(predictions=tmp_path / "joints.json", data=root, procrustes=False)
    assert "aligned_mpjpe_mm" in result.metrics and "aligned_mpvpe_mm" not in result.metrics
    assert result.notes == ["The file holds no vertices: only joints were scored."]
    assert [table.header for table in result.tables] == [["", "MPJPE cm", "MPVPE cm"]]
    assert flat_metrics({name: {} for name in (
        "aligned", "aligned_official", "aligned_proper", "root_aligned", "scale_translation_aligned", "raw",
    )} | {"keypoints_2d": {}}) == {}  # fmt: skip


def test_a_network_with_a_report(root: Path, tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "run" / "final.pt")
    stages = []
    result = evaluate(
        checkpoint=checkpoint, data=root, device="cpu", out=tmp_path / "report",
        on_progress=lambda stage, done, total: stages.append(stage),
    )  # fmt: skip
    assert result.report == tmp_path / "report" / "report.html"
    assert all(path.is_file() for path in result.files)
    assert stages[-1] == "drawing samples"
    assert json.loads((tmp_path / "report/metrics.json").read_text())["checkpoint"] == str(checkpoint)
    assert result.inputs.report_folder("training") == tmp_path / "run" / "evaluation_FreiHAND_training"
    assert EvaluationInputs(tmp_path / "run", tmp_path / "a.h5", True).report_folder().name == "evaluation_a.h5"


def test_reports_of_different_sources_do_not_replace_each_other(tmp_path: Path) -> None:
    def written(source: str, data: str = "x/d.h5", *, network: bool = False) -> str:
        inputs = EvaluationInputs(tmp_path / source, tmp_path / data, network)
        folder = inputs.report_folder()
        if inputs.replaces(folder) is None:
            folder.mkdir(parents=True)
            kind = "checkpoint" if network else "predictions"
            record = {kind: str(inputs.source), "data": str(inputs.data)}
            (folder / "metrics.json").write_text(json.dumps(record))
        assert inputs.replaces(folder)
        return folder.name

    assert written("a.json") == "evaluation_d.h5_a"
    assert written("b.json") == "evaluation_d.h5_b"
    assert written("a.json") == "evaluation_d.h5_a"
    assert written("a.zip") == "evaluation_d.h5_a_2"
    assert written("a.json", "y/d.h5") == "evaluation_d.h5_a_3"
    assert written("a.zip") == "evaluation_d.h5_a_2"
    for name in ("final.pt", "best.pt"):
        write_checkpoint(tmp_path / "run" / name)
    assert written("run/final.pt", network=True) == "evaluation_d.h5"
    assert written("run/best.pt", network=True) == "evaluation_d.h5_best"
    (tmp_path / "evaluation_d.h5_b" / "metrics.json").write_text("{")  # not ours
    assert written("b.json") == "evaluation_d.h5_b_2"


def test_no_ground_truth_no_report(tmp_path: Path) -> None:
    bare = write_freihand(tmp_path / "bare", hands(3), truth=False)
    checkpoint = write_checkpoint(tmp_path / "final.pt")
    result = evaluate(checkpoint=checkpoint, data=bare, submission=tmp_path / "pred.json", device="cpu")
    assert (result.metrics, result.tables, result.evaluation) == ({}, [], None)
    assert result.submission is not None and result.submission.frames == 3
    with pytest.raises(UserError, match="bare: has no ground truth, so there is nothing to report"):
        result.write_report(tmp_path / "report")


def test_contradictions_are_told_before_any_work(tmp_path: Path) -> None:
    here, there = tmp_path / "a", tmp_path / "b"
    with pytest.raises(UserError, match="checkpoint and predictions were both given") as both:
        evaluate(checkpoint=here, predictions=there)
    assert both.value.text(flag) == "--checkpoint and --predictions were both given. Leave one of them out."
    with pytest.raises(UserError, match="Give checkpoint, not predictions"):
        evaluate(predictions=here, submission=there)
    with pytest.raises(UserError, match="align_root changes a submission"):
        evaluate(checkpoint=here, align_root=True)
    with pytest.raises(UserError, match="expected a name that ends in .zip or .json"):
        evaluate(checkpoint=here, submission=tmp_path / "pred.txt")
