"""Datasets, photos and keypoint sources, opened as the command does it, without the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handsss.cli.console import flag
from handsss.data.keypoints.sources import DetectorSource, KeypointFiles, TruthSource
from handsss.data.preprocess import PreprocessOptions, preprocess
from handsss.data.preprocess_inputs import freihand_inputs, ho3d_inputs, keypoint_source, photo_inputs
from handsss.errors import InputError, UserError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "holiday" / "beach").mkdir(parents=True)
    for name in ("a.png", "beach/b.png"):
        Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / "holiday" / name)
    return tmp_path / "holiday"


def test_freihand_to_a_store(freihand: Path, tmp_path: Path) -> None:
    inputs = freihand_inputs(freihand, version="hom")
    assert inputs.store == Path("freihand_hom_training.h5")
    assert inputs.folders == [freihand / "training" / "rgb"]
    source = keypoint_source(inputs, "truth")
    assert isinstance(source, TruthSource)
    summary = preprocess(inputs.reader, source, tmp_path / "a.h5", PreprocessOptions())
    assert summary.rows == len(inputs.reader) > 0
    assert freihand_inputs(freihand).store == Path("freihand_training.h5")


def test_datasets_without_a_folder(freihand: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDSSS_DATA", str(freihand.parent))
    assert len(freihand_inputs().reader) == len(freihand_inputs(freihand).reader)


def test_ho3d_has_no_truth_in_evaluation(ho3d: Callable[[str], Path]) -> None:
    root = ho3d("v3")
    assert ho3d_inputs(root, "training", "v3").store == Path("ho3d_v3_training.h5")
    with pytest.raises(UserError, match="HO-3D's evaluation pictures come without true joints"):
        keypoint_source(ho3d_inputs(root, "evaluation", "v3"), "truth")


def test_photos(photos: Path) -> None:
    inputs = photo_inputs(photos)
    assert inputs.store == Path("holiday.h5")
    assert inputs.folders == [photos, photos / "beach"]
    with pytest.raises(UserError, match="photos have no true joints") as lost:
        keypoint_source(inputs, "truth")
    assert lost.value.text(flag).startswith("--keypoints truth: ")


def test_keypoint_sources(photos: Path, tmp_path: Path) -> None:
    inputs = photo_inputs(photos)
    assert keypoint_source(inputs) == DetectorSource()
    assert keypoint_source(inputs, thorough=True) == DetectorSource(thorough=True)
    with pytest.raises(InputError, match=r"no keypoints of 2 pictures in this folder \(0 JSON files\)"):
        keypoint_source(inputs, photos)
    (tmp_path / "list.json").write_text(json.dumps([np.zeros((2, 21, 2)).tolist(), np.zeros((2, 21)).tolist()]))
    source = keypoint_source(inputs, tmp_path / "list.json")
    assert isinstance(source, KeypointFiles) and source.location == tmp_path / "list.json"


def test_contradictions(photos: Path, tmp_path: Path) -> None:
    inputs = photo_inputs(photos)
    with pytest.raises(UserError, match="openpose_bin makes keypoints and keypoints names others"):
        keypoint_source(inputs, "truth", openpose_bin=tmp_path / "openpose.bin")
    with pytest.raises(UserError, match="nowhere: no such file or folder. Expected detect, truth"):
        keypoint_source(inputs, "nowhere")
    with pytest.raises(UserError, match="resume goes on and overwrite begins anew") as both:
        options = PreprocessOptions(resume=True, overwrite=True)
        preprocess(inputs.reader, DetectorSource(), tmp_path / "a.h5", options)
    assert both.value.text(flag) == "--resume goes on and --overwrite begins anew. Leave one of them out."
