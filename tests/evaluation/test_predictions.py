"""Anyone's prediction files: read, recognised, checked; each mistake gets its message."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handsss.errors import InputError, UserError
from handsss.evaluation.prediction_file import read_prediction_file
from handsss.evaluation.samples import Evaluation
from handsss.hand.joints import reorder_indices
from tests.evaluation.makers import Hands, hands, noisy, prediction_lists, score_file, write_freihand

Lists = list[Any]
MIRROR = np.array([-1.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def made() -> Hands:
    return hands(6)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, made: Hands) -> Path:
    return write_freihand(tmp_path_factory.mktemp("data") / "FreiHAND", made)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Any], Path]:
    def write(content: Any) -> Path:
        path = tmp_path / "pred.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


@pytest.fixture
def score(root: Path, write: Callable[[Any], Path]) -> Callable[..., Evaluation]:
    def score(joints: np.ndarray, vertices: np.ndarray, *, ho3d: bool = False, **options: Any) -> Evaluation:
        return score_file(write(prediction_lists(joints, vertices, ho3d=ho3d)), root, **options)

    return score


def test_right_predictions_are_scored_without_a_note(made: Hands, score: Callable[..., Evaluation]) -> None:
    found = score(noisy(made.freihand, 0.004), noisy(made.vertices, 0.004))
    assert found.notes == []
    metrics = found.metrics
    assert (metrics["count"], metrics["protocol"], metrics["split"]) == (6, "freihand", "evaluation")
    # The mean length of a normal vector of standard deviation s is s times the square root of 8 / pi.
    assert metrics["raw"]["mpvpe_mm"] == pytest.approx(4 * np.sqrt(8 / np.pi), rel=0.02)
    assert metrics["aligned"]["mpvpe_mm"] == pytest.approx(metrics["raw"]["mpvpe_mm"], rel=0.02)
    assert metrics["checkpoint"] is None
    assert metrics["predictions"].endswith("pred.json")
    assert len(metrics["per_joint"]) == 21
    assert set(metrics["keypoints_2d"]) == {"projected"}
    assert json.dumps(metrics, allow_nan=False)


def test_zip_and_large_files_are_read_alike(tmp_path: Path, made: Hands, write: Callable[[Any], Path]) -> None:
    content = prediction_lists(made.freihand, made.vertices)
    plain = read_prediction_file(write(content))
    with zipfile.ZipFile(tmp_path / "pred.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("pred.json", json.dumps(content, indent=1))  # line breaks and blanks inside
        archive.writestr("__MACOSX/._pred.json", "x")
    zipped = read_prediction_file(tmp_path / "pred.zip")
    for file in (plain, zipped):
        np.testing.assert_allclose(file.joints, made.freihand, atol=1e-7)
        assert file.vertices is not None
        np.testing.assert_allclose(file.vertices, made.vertices, atol=1e-7)


@pytest.mark.parametrize("verts", [[], [[]] * 6])
def test_joints_alone(made: Hands, root: Path, write: Callable[[Any], Path], verts: Lists) -> None:
    found = score_file(write([made.freihand.tolist(), verts]), root)
    assert found.metrics["aligned"]["mpvpe_mm"] is None
    assert found.metrics["aligned"]["f5"] is None
    assert found.metrics["raw"]["mpjpe_mm"] < 0.01
    assert any("holds no vertices" in note for note in found.notes)


def bad_entry(lists: Lists, value: Any) -> Lists:
    lists[0][2][7][1] = value
    return lists


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: {"xyz": p[0], "verts": p[1]}, 'not a JSON list; it begins with \'{"xyz":'),
        (lambda p: [], "wrong nesting. It begins with 1 bracket, not with four. Expected [xyz, verts]: a list of two"),
        (lambda p: p[0], "wrong nesting. It begins with three brackets"),
        (lambda p: [p[0]], "wrong nesting. It is a list of one list: verts is missing"),
        (
            lambda p: [list(pair) for pair in zip(*p, strict=True)],
            "one pair [xyz, verts] for every picture (6 of them)",
        ),
        (
            lambda p: [[[x for xyz in one for x in xyz] for one in p[0]], p[1]],
            "wrong nesting. It begins with three brackets",
        ),
        (lambda p: [p[0], p[1][:5]], "6 entries in xyz, but 5 in verts"),
        (lambda p: [p[0][:5], p[1][:5]], "5 predictions, but"),
        (lambda p: [[one[:20] for one in p[0]], p[1]], "xyz has 20 joints for every picture; expected 21"),
        (
            lambda p: [p[0][:3] + [p[0][3][:20]] + p[0][4:], p[1]],
            "xyz, entry 3 (counted from 0): 20 joints, but entry 0",
        ),
        (
            lambda p: [[[xyz[:2] for xyz in one] for one in p[0]], p[1]],
            "entry 0 (counted from 0): 42 numbers for 21 joints",
        ),
        (lambda p: bad_entry(p, float("nan")), "xyz, entry 2 (counted from 0): joint 7 holds NaN or infinity"),
        (lambda p: bad_entry(p, float("inf")), "xyz, entry 2 (counted from 0): joint 7 holds NaN or infinity"),
        (lambda p: bad_entry(p, None), "xyz, entry 2 (counted from 0): number 22 of it is not a number"),
        (lambda p: bad_entry(p, "0.1"), "xyz, entry 2 (counted from 0): number 22 of it is not a number"),
        (lambda p: json.dumps(p)[:-400], "it begins with '[[[["),
        (lambda p: "", "not a JSON list; it begins with ''"),
    ],
)
def test_files_that_cannot_be_read(
    made: Hands, root: Path, write: Callable[[Any], Path], change: Callable[[Lists], Any], message: str
) -> None:
    content = change([made.freihand.tolist(), made.vertices[:, :40].tolist()])
    with pytest.raises(InputError) as caught:
        score_file(write(content), root)
    assert message in str(caught.value)
    assert "pred.json" in str(caught.value)


def test_a_wrong_count_says_what_was_expected(made: Hands, root: Path, write: Callable[[Any], Path]) -> None:
    with pytest.raises(
        InputError, match=r"5 predictions, but .*FreiHAND \(freihand, evaluation\) has 6 pictures"
    ) as one:
        score_file(write([made.freihand[:5].tolist(), []]), root)
    assert "Expected one entry for every picture, in the dataset's order." in str(one.value)


def test_damaged_and_foreign_files(tmp_path: Path, root: Path) -> None:
    with pytest.raises(InputError, match=r"absent.json: cannot be read \(No such file or directory\). Expected"):
        score_file(tmp_path / "absent.json", root)
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.json", "[]")
        archive.writestr("b.json", "[]")
    with pytest.raises(InputError, match=r"holds a.json, b.json. Expected a zip with one JSON file in it, pred.json."):
        score_file(tmp_path / "two.zip", root)
    whole = (tmp_path / "two.zip").read_bytes()
    (tmp_path / "broken.zip").write_bytes(whole[:10] + b"\0\0\0\0" + whole[14:])
    with pytest.raises(InputError, match="two.zip|broken.zip"):
        score_file(tmp_path / "broken.zip", root)


def notes(found: Evaluation) -> str:
    return "\n".join(found.notes)


@pytest.mark.parametrize(("factor", "unit", "times"), [(1000, "millimetres", "1000"), (100, "centimetres", "100")])
def test_units(made: Hands, score: Callable[..., Evaluation], factor: float, unit: str, times: str) -> None:
    found = score(factor * made.freihand, factor * made.vertices)
    assert f"{times} times as large as the true ones: they look like {unit}. Expected metres; divide by" in notes(found)
    assert found.metrics["aligned"]["mpjpe_mm"] < 0.01


def test_odd_sizes_and_root_relative_predictions(made: Hands, score: Callable[..., Evaluation]) -> None:
    found = score(0.1 * made.freihand, 0.1 * made.vertices)
    assert "0.1 times as large as the true ones. Expected metres." in notes(found)
    root = made.freihand[:, :1]
    found = score(made.freihand - root, made.vertices - root)
    assert "they look relative to a root joint. Expected the camera's frame." in notes(found)
    assert found.metrics["root_aligned"]["mpjpe_mm"] < 0.01
    assert found.metrics["keypoints_2d"] == {}
    zeros = score(0 * made.freihand, 0 * made.vertices)
    assert "All joints of the predictions lie in one point" in notes(zeros)
    assert zeros.metrics["raw"]["auc_j"] == 0


def test_ho3d_convention_is_recognised(made: Hands, score: Callable[..., Evaluation]) -> None:
    found = score(made.freihand, made.vertices, ho3d=True)
    assert found.metrics["raw"]["mpjpe_mm"] < 0.001
    assert found.metrics["raw"]["mpvpe_mm"] < 0.001
    assert "The joints are in HO-3D's order" in notes(found)
    assert "The joints are in OpenGL's camera (y up, hand at z < 0); freihand files have OpenCV's" in notes(found)
    assert "The vertices are in OpenGL's camera" in notes(found)
    # Under HO-3D's own protocol there is nothing to say.
    assert score(made.freihand, made.vertices, ho3d=True, protocol="ho3d").notes == []
    other = score(made.freihand, made.vertices, protocol="ho3d")
    assert "The joints are in FreiHAND's order" in notes(other)
    assert "ho3d files have OpenGL's camera" in notes(other)


def test_vertices_that_were_not_turned_along(made: Hands, score: Callable[..., Evaluation]) -> None:
    """As S2HAND's HO-3D files are: joints in OpenGL's camera, vertices not."""
    turned = made.freihand * [1, -1, -1]
    found = score(turned, made.vertices)
    assert found.metrics["raw"]["mpjpe_mm"] < 0.001
    assert found.metrics["raw"]["mpvpe_mm"] < 0.001
    assert notes(found).count("OpenGL's camera") == 1
    assert "The joints are in OpenGL's camera" in notes(found)


def test_swapped_fingers(made: Hands, score: Callable[..., Evaluation]) -> None:
    swapped = noisy(made.freihand, 0.001)
    swapped[:, 5:13] = swapped[:, [9, 10, 11, 12, 5, 6, 7, 8]]  # index and middle
    found = score(swapped, noisy(made.vertices, 0.001))
    assert "The joints look swapped: middle1 (9) holds index1 (5)" in notes(found)
    assert "they were scored as they are" in notes(found)
    assert "Aligned, the joints are off by" in notes(found)
    assert "The order of the joints, named above, is the cause." in notes(found)


@pytest.mark.parametrize("order", ["rhd", "interhand", "handmesh"])
def test_other_orders_are_named(made: Hands, score: Callable[..., Evaluation], order: str) -> None:
    found = score(made.freihand[:, reorder_indices("openpose", order)], made.vertices)
    assert f"they are in the order `{order}`" in notes(found)


def test_another_definition_of_joints(made: Hands, score: Callable[..., Evaluation]) -> None:
    tips = made.freihand.copy()
    for tip in (4, 8, 12, 16, 20):  # 3 mm further out along the finger and 12 mm aside
        along = tips[:, tip] - tips[:, tip - 1]
        tips[:, tip] += 0.5 * along
    found = score(tips, made.vertices)
    assert "Aligned, the joints are off by" in notes(found)
    assert "definition is the likely cause, not the hands: the fingertips are off most." in notes(found)
    kinematic = noisy(made.freihand, 0.006)
    found = score(kinematic, noisy(made.vertices, 0.0005))
    assert "FreiHAND regresses them from the posed mesh, HO-3D takes the kinematic chain" in notes(found)


def test_vertices_of_another_numbering(made: Hands, score: Callable[..., Evaluation]) -> None:
    order = np.random.default_rng(0).permutation(778)
    found = score(made.freihand, made.vertices[:, order])
    assert "the joints by 0.0 mm. The order of the vertices is the likely cause" in notes(found)
    found = score(made.freihand, noisy(np.roll(made.vertices, 1, axis=1), 0.0001))
    assert "they are numbered as another hand model's" in notes(found)


def test_other_counts_of_vertices_are_compared_as_surfaces(made: Hands, score: Callable[..., Evaluation]) -> None:
    found = score(made.freihand, made.vertices[:, ::2])
    assert found.metrics["aligned"]["mpvpe_mm"] is None
    assert found.metrics["raw"]["f15"] > 0.95


def test_reflections_are_counted(made: Hands, score: Callable[..., Evaluation]) -> None:
    joints, vertices = made.freihand.copy(), made.vertices.copy()
    joints[:2] *= MIRROR
    vertices[:1] *= MIRROR
    found = score(joints, vertices)
    assert found.metrics["reflections"] == {"joints": 2, "vertices": 1, "allowed": True}
    assert "The official alignment mirrors, as it may, the joints of 2 and the meshes of 1 of 6 predictions" in notes(
        found
    )
    assert found.metrics["aligned"]["mpjpe_mm"] < 0.01
    proper = score(joints, vertices, proper=True)
    assert proper.metrics["proper"] is True
    assert proper.metrics["aligned"] == proper.metrics["aligned_proper"]
    assert proper.metrics["aligned"]["mpjpe_mm"] > 1
    assert proper.metrics["aligned_official"] == found.metrics["aligned"]
    assert "(which is forbidden here)" in notes(proper)


def test_unknown_protocol(made: Hands, score: Callable[..., Evaluation]) -> None:
    with pytest.raises(UserError, match="protocol coco: expected freihand or ho3d"):
        score(made.freihand, made.vertices, protocol="coco")


def test_noise_is_not_called_a_swap(made: Hands, score: Callable[..., Evaluation]) -> None:
    """Bad predictions are bad, not swapped."""
    for noise in (0.01, 0.03):
        found = score(noisy(made.freihand, noise), noisy(made.vertices, noise))
        assert "swapped" not in notes(found)
        assert "were reordered" not in notes(found)


def test_text_that_breaks_off_its_encoding(tmp_path: Path) -> None:
    path = tmp_path / "pred.json"
    path.write_bytes("[[[[0,0,0".encode("utf-16") + b"\x00\xd8")
    with pytest.raises(InputError, match="not text"):
        read_prediction_file(path)
