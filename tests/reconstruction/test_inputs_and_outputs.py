"""From what stands on the command line to photos with names, and where the results of each go."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from handsss.data.readers.photos import open_photos
from handsss.errors import InputError, UserError
from handsss.reconstruction.inputs import Inputs, Source, expand
from handsss.reconstruction.outputs import plan_outputs
from handsss.reconstruction.result_json import json_bytes


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def names(inputs: Inputs) -> list[str]:
    return [source.name for source in inputs.sources]


def test_folders_give_photos_in_natural_order(tmp_path: Path) -> None:
    touch(tmp_path, "img10.jpg", "img2.JPG", "img1.png", "notes.txt", ".hidden.jpg", "deeper/img3.jpg")
    inputs = expand([str(tmp_path)])
    assert names(inputs) == ["img1", "img2", "img10"]
    assert inputs.several
    assert names(expand([f"{tmp_path}/**/*.jpg"])) == ["img3", "img10"]


def test_one_photo_reached_twice_counts_once(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "hand [1].jpg")
    inputs = expand([str(tmp_path / "a.jpg"), str(tmp_path / "." / "a.jpg")])
    assert (names(inputs), inputs.several) == (["a"], False)
    assert names(expand([str(tmp_path / "hand [1].jpg")])) == ["hand [1]"]  # a file of this name, not a pattern


def test_missing_photos_are_kept_for_their_own_message(tmp_path: Path) -> None:
    assert names(expand([str(tmp_path / "no.jpg")])) == ["no"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["x.jpg", "X.png"], ["x", "X_2"]),  # one name on some systems
        (["x.jpg", "x.png", "x_2.jpg"], ["x", "x_3", "x_2"]),
        (["summary.jpg"], ["summary_2"]),  # summary.json is the run's own
        (["a b.jpg", "a_b.jpg"], ["a b", "a_b_2"]),  # a_b.mtl
        (["a.jpg", "a_texture.jpg", "a_texture_left_0.jpg"], ["a", "a_texture_2", "a_texture_left_0_2"]),
        (["a.b.c.jpg", "a.b.d.jpg"], ["a.b.c", "a.b.d"]),
    ],
)
def test_no_two_photos_share_a_result(tmp_path: Path, files: list[str], expected: list[str]) -> None:
    touch(tmp_path, *files)
    inputs = expand([str(tmp_path / name) for name in files])
    assert names(inputs) == expected
    plan = plan_outputs(inputs, "results/" if inputs.several else "results")
    written = [path for source in inputs.sources for path in plan.of(source)]
    assert len(set(written)) == len(written)


def test_nothing_to_work_on_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no images in this folder \(it is empty\)"):
        expand([str(tmp_path)])
    touch(tmp_path, "a.txt")
    with pytest.raises(InputError, match=r"no images in this folder \(1 other entries\)"):
        expand([str(tmp_path)])
    with pytest.raises(InputError, match=r"\*\.txt: matches 1 files, none of them an image"):
        expand([f"{tmp_path}/*.txt"])
    with pytest.raises(InputError, match="no input given"):
        expand([])


@pytest.mark.parametrize(
    ("photos", "output", "mesh_format", "mesh", "summary"),
    [
        (1, None, None, "p0_hand.obj", None),
        (1, None, "glb", "p0_hand.glb", None),
        (1, "out/hand.ply", None, "out/hand.ply", None),
        (1, "out/hand.OBJ", None, "out/hand.OBJ", None),
        (1, "out/", "npz", "out/p0.npz", "out/summary.json"),
        (2, None, None, "hands/p0.obj", "hands/summary.json"),
        (2, "results.v2", "ply", "results.v2/p0.ply", "results.v2/summary.json"),
    ],
)
def test_where_results_go(
    tmp_path: Path, photos: int, output: str | None, mesh_format: str | None, mesh: str, summary: str | None
) -> None:
    files = [f"p{i}.jpg" for i in range(photos)]
    touch(tmp_path, *files)
    inputs = expand([str(tmp_path / name) for name in files])
    plan = plan_outputs(inputs, output, mesh_format)
    destination = plan.of(inputs.sources[0])
    assert destination.mesh == Path(mesh)
    stem = mesh.rpartition(".")[0]
    assert (destination.document, destination.picture) == (Path(f"{stem}.json"), Path(f"{stem}.png"))
    assert plan.summary == (None if summary is None else Path(summary))


@pytest.mark.parametrize(
    ("files", "output", "mesh_format", "mesh", "gallery", "embedded"),
    [
        (["a.jpg"], "hand.html", None, "hand.html", None, False),
        (["a.jpg"], "hand.HTML", "html", "hand.HTML", None, False),
        (["a.jpg", "b.jpg"], "all.html", None, "all/a.html", "all.html", True),
        (["a.jpg", "b.jpg"], "x/all.v2.html", "html", "x/all.v2/a.html", "x/all.v2.html", True),
        (["a.jpg", "b.jpg"], "out", "html", "out/a.html", "out/index.html", False),
        (["a.jpg", "b.jpg"], None, "html", "hands/a.html", "hands/index.html", False),
        (["a.jpg", "Index.jpg", "index_2.png"], "out", "html", "out/a.html", "out/index_3.html", False),
        (["a.jpg", "b.jpg"], "out", "glb", "out/a.glb", None, False),
    ],
)
def test_where_pages_and_galleries_go(
    tmp_path: Path, files: list[str], output: str, mesh_format: str, mesh: str, gallery: str | None, embedded: bool
) -> None:
    touch(tmp_path, *files)
    inputs = expand([str(tmp_path / name) for name in files])
    plan = plan_outputs(inputs, output, mesh_format)
    assert plan.of(inputs.sources[0]).mesh == Path(mesh)
    assert (plan.gallery, plan.embedded) == (None if gallery is None else Path(gallery), embedded)


@pytest.mark.parametrize(
    ("photos", "output", "mesh_format", "message"),
    [
        (1, "hand.stl", None, r"unknown mesh format '\.stl'. Expected one of \.obj, \.ply, \.glb, \.npz, \.bvh"),
        (1, "hand.obj", "ply", "contradict each other"),
        (1, None, "stl", "format stl: expected one of obj, ply, glb, npz, bvh"),
        (2, "hand.obj", None, "a single file cannot take the results of 2 photos"),
        (2, "all.html", "glb", "contradict each other"),
        (1, "hand.html", "glb", "contradict each other"),
    ],
)
def test_outputs_that_make_no_sense(
    tmp_path: Path, photos: int, output: str | None, mesh_format: str | None, message: str
) -> None:
    files = [f"p{i}.jpg" for i in range(photos)]
    touch(tmp_path, *files)
    with pytest.raises(UserError, match=message):
        plan_outputs(expand([str(tmp_path / name) for name in files]), output, mesh_format)


@pytest.mark.skipif(os.name == "nt", reason="file names are text there")
def test_names_that_are_not_utf8_come_back_from_json() -> None:
    name = os.fsdecode(b"h\xff \xc3\xbc.jpg")
    written = json_bytes({"image": name})
    assert json.loads(written.decode("utf-8"))["image"] == name


@pytest.mark.parametrize("folder", [".ipynb_checkpoints", ".Trash-1000/files", "@eaDir", "__MACOSX/a", "#recycle"])
def test_folders_of_programs_hold_no_photos(tmp_path: Path, folder: str) -> None:
    """Both commands leave them out; a folder that the user names is meant."""
    for place in ("a.jpg", f"b/{folder}/a.jpg", f"{folder}/c.jpg"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(b"x")
    assert open_photos(tmp_path).names == ("a.jpg",)
    assert [source.path for source in expand([str(tmp_path / "**/*")]).sources] == [tmp_path / "a.jpg"]
    assert open_photos(tmp_path / folder).names == ("c.jpg",)
    assert len(expand([str(tmp_path / folder / "*")]).sources) == 1


def test_standard_input_has_a_name() -> None:
    assert expand(["-"]).sources == [Source(Path("-"), "stdin")]
