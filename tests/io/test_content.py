"""Byte-order marks, and files that are something else than their names say."""

from __future__ import annotations

import json
import pickle
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from handsss.data.readers.annotations import read_lines, read_number_lists
from handsss.data.store.reader import open_store
from handsss.errors import InputError
from handsss.evaluation.prediction_file import read_prediction_file
from handsss.hand.safe_pickle import read_pickle
from handsss.io.camera import CameraOptions, choose_camera, read_intrinsics_file
from handsss.io.content import mistaken_content, plain_utf8
from handsss.network.checkpoint import load_checkpoint
from handsss.network.weights import read_weights
from handsss.training.config import resolve

MARKS = ("utf-8-sig", "utf-16", "utf-32")
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 14712345\n"
PAGE = b"\n<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>"


def written(path: Path, text: str, encoding: str) -> Path:
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", MARKS)
def test_byte_order_marks(tmp_path: Path, encoding: str) -> None:
    assert (
        read_lines(written(tmp_path / "train.txt", "ABF10/0000\r\nABF10/0001\n", encoding), "frames")[0] == "ABF10/0000"
    )
    numbers = read_number_lists(written(tmp_path / "scale.json", "[0.5, 0.25]", encoding), (), "lengths")
    assert numbers.tolist() == [0.5, 0.25]
    camera = json.dumps({"a.jpg": [600, 600, 240, 320]})
    assert list(read_intrinsics_file(written(tmp_path / "K.json", camera, encoding))) == ["a.jpg"]
    prediction = json.dumps([[np.ones((21, 3)).tolist()], []])
    assert len(read_prediction_file(written(tmp_path / "pred.json", prediction, encoding)).joints) == 1
    config = resolve("small", written(tmp_path / "c.toml", "[schedule]\nbatch = 7\n", encoding), ())
    assert config.schedule.batch == 7


def test_large_annotations_may_have_a_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handsss.data.readers.annotations._LARGE", 1)
    for encoding in MARKS:
        path = written(tmp_path / "xyz.json", "[[1, 2, 3], [4, 5, 6]]", encoding)
        assert read_number_lists(path, (3,), "points").tolist() == [[1, 2, 3], [4, 5, 6]]
    assert plain_utf8(b"abc") == b"abc"


@pytest.mark.parametrize(("listed", "asked"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_cameras_of_names_with_accents(tmp_path: Path, listed: Any, asked: Any) -> None:
    name = "Hände é.jpg"
    path = tmp_path / "K.json"
    path.write_text(json.dumps({unicodedata.normalize(listed, name): [600, 600, 240, 320]}))
    options = CameraOptions(table=read_intrinsics_file(path), table_path=path)
    chosen = choose_camera((480, 640), None, f"photos/{unicodedata.normalize(asked, name)}", options)
    assert chosen.intrinsics[0, 0] == 600


READERS: dict[str, Callable[[Path], Any]] = {
    "checkpoint": load_checkpoint,
    "weights": read_weights,
    "store": open_store,
    "pickle": read_pickle,
    "annotations": lambda path: read_number_lists(path, (), "lengths"),
}


@pytest.mark.parametrize(("content", "words"), [(LFS, "Git LFS pointer"), (PAGE, "a web page"), (b"", "an empty file")])
@pytest.mark.parametrize("kind", READERS)
def test_files_that_are_something_else(tmp_path: Path, kind: str, content: bytes, words: str) -> None:
    path = tmp_path / "file.pt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as told:
        READERS[kind](path)
    assert "weights_only" not in str(told.value)


@pytest.mark.parametrize("cut", [None, 200, 900])
def test_no_advice_to_run_what_is_in_a_file(tmp_path: Path, cut: int | None) -> None:
    path = tmp_path / "evil.pt"
    torch.save({"a": torch.zeros(400), "b": object}, path)
    path.write_bytes(path.read_bytes()[:cut])
    (tmp_path / "plain.pt").write_bytes(pickle.dumps({"format": print}))
    for file in (path, tmp_path / "plain.pt", tmp_path):
        with pytest.raises(InputError, match="not a checkpoint that can be read") as told:
            load_checkpoint(file)
        assert "weights_only" not in str(told.value).lower().replace(" ", "_")


def test_unknown_content_has_no_name() -> None:
    assert mistaken_content(b"\x89HDF\r\n\x1a\n" + bytes(range(128, 200))) == ""
    assert mistaken_content(b"\0" * 99).startswith("a file of zeros")
