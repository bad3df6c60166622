"""Truth from stores and folders, official files out and in again, networks from picture to figures."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from handsss.data.keypoints.sources import TruthSource
from handsss.data.preprocess import PreprocessOptions, preprocess
from handsss.data.readers.freihand import open_freihand
from handsss.errors import InputError, UserError
from handsss.evaluation.defaults import default_evaluation_data, newest_checkpoint
from handsss.evaluation.ground_truth import open_ground_truth
from handsss.evaluation.mesh_topology import matching_model, mesh_keypoints, shares_topology
from handsss.evaluation.prediction_file import read_prediction_file
from handsss.evaluation.protocols import PROTOCOLS
from handsss.evaluation.submission import write_submission
from handsss.geometry.cameras import from_opengl, to_opengl
from handsss.hand.joints import reorder_indices
from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model
from handsss.network.checkpoint import load_checkpoint
from handsss.network.s2hand import NetworkSettings
from handsss.training.checkpoint import save_checkpoint
from handsss.training.trained_network import load_trained_network
from tests.data.conftest import ho3d  # noqa: F401  fixture
from tests.evaluation.makers import (
    Hands,
    hands,
    score_file,
    score_network,
    submit,
    write_checkpoint,
    write_freihand,
    write_lists,
)
from tests.mano_files import Arrays, WriteMano


@pytest.fixture(scope="module")
def made() -> Hands:
    return hands(4)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, made: Hands) -> Path:
    return write_freihand(tmp_path_factory.mktemp("data") / "FreiHAND", made, training=hands(3, 9))


@pytest.fixture(scope="module")
def store(root: Path) -> Path:
    path = root.parent / "freihand_evaluation.h5"
    preprocess(open_freihand(root, "evaluation"), TruthSource("freihand"), path, PreprocessOptions())
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("runs") / "tiny" / "final.pt")


@pytest.fixture
def ho3d_root(ho3d: Callable[[str], Path]) -> Path:  # noqa: F811
    """HO-3D with one evaluation frame and its truth, as it was published later."""
    root = ho3d("v2")
    one = hands(1)
    joints = to_opengl(one.ho3d[:, reorder_indices("openpose", "ho3d")])
    write_lists(root / "evaluation", xyz=joints, verts=to_opengl(one.vertices))
    return root


def test_store_and_folder_hold_the_same_truth(root: Path, store: Path, made: Hands) -> None:
    a, b = open_ground_truth(root), open_ground_truth(store)
    for truth in (a, b):
        assert (truth.dataset, truth.split, truth.joints_set, truth.samples) == (
            "freihand",
            "evaluation",
            "freihand",
            4,
        )
        assert truth.names[1] == "evaluation/rgb/00000001.jpg"
        np.testing.assert_allclose(truth.joints, made.freihand, atol=1e-6)
        np.testing.assert_allclose(truth.vertices, made.vertices, atol=1e-6)
        np.testing.assert_allclose(truth.roots, made.freihand[:, 9], atol=1e-6)
        assert truth.known.all()
    np.testing.assert_allclose(a.K, b.K)
    np.testing.assert_array_equal(a.crop(2), b.crop(2))
    assert b.detected is None  # its keypoints are the truth: there is no detector to judge
    assert len(open_ground_truth(store, limit=2)) == 2


def test_splits(root: Path, store: Path, tmp_path: Path, made: Hands) -> None:
    assert open_ground_truth(root, "training").split == "training"
    with pytest.raises(InputError, match="holds the evaluation split of freihand, not the training split"):
        open_ground_truth(store, "training")
    bare = write_freihand(tmp_path / "old", made, truth=False, training=hands(3, 9))
    truth = open_ground_truth(bare)
    assert (truth.split, len(truth)) == ("training", 3)
    assert "evaluation_xyz.json is not there" in truth.notes[0]
    assert open_ground_truth(bare, scored=False).split == "evaluation"
    with pytest.raises(InputError, match="none has true joints to compare with. FreiHAND's evaluation truth is public"):
        open_ground_truth(bare, "evaluation")
    with pytest.raises(InputError, match="neither FreiHAND's layout .* nor HO-3D's"):
        open_ground_truth(tmp_path)
    with pytest.raises(InputError, match=r"none.h5: no such file"):
        open_ground_truth(tmp_path / "none.h5")


def test_ho3d_truth(ho3d_root: Path) -> None:
    one = hands(1)
    truth = open_ground_truth(ho3d_root)
    assert (truth.dataset, truth.split, truth.joints_set) == ("ho3d", "evaluation", "ho3d")
    np.testing.assert_allclose(truth.joints, one.ho3d, atol=1e-6)
    np.testing.assert_allclose(truth.vertices, one.vertices, atol=1e-6)
    np.testing.assert_allclose(truth.roots, [[0.05, -0.02, 0.5]])  # of the frame's own pickle
    assert truth.crop(0).shape == (224, 224, 3)
    # The crop lies around the given box, [200, 150, 300, 250] and a tenth of it on every side: 120 px to 224.
    assert truth.K[0, 0, 0] == pytest.approx(600 * 224 / 120)
    assert truth.K[0, 1, 2] == pytest.approx((240 - 140) * 224 / 120)
    training = open_ground_truth(ho3d_root, "training")
    assert training.known.tolist() == [True, False]
    (ho3d_root / "evaluation_xyz.json").unlink()
    (ho3d_root / "evaluation_verts.json").unlink()
    assert open_ground_truth(ho3d_root).split == "training"
    with pytest.raises(InputError, match="HO-3D's evaluation truth is public since November 2024"):
        open_ground_truth(ho3d_root, "evaluation")


def test_ho3d_truth_of_another_version(ho3d_root: Path) -> None:
    write_lists(ho3d_root / "evaluation", xyz=np.zeros((5, 21, 3)))
    with pytest.raises(InputError, match="5 entries, but evaluation.txt lists 1 frames"):
        open_ground_truth(ho3d_root)


@pytest.mark.parametrize("name", ["freihand", "ho3d"])
@pytest.mark.parametrize("ending", ["zip", "json"])
def test_submissions_come_back(tmp_path: Path, made: Hands, name: str, ending: str) -> None:
    protocol = PROTOCOLS[name]
    path = write_submission(tmp_path / f"pred.{ending}", made.freihand, made.vertices, protocol)
    file = read_prediction_file(path)
    np.testing.assert_allclose(protocol.joints_from_file(file.joints), made.freihand, atol=6e-7)
    assert file.vertices is not None
    np.testing.assert_allclose(protocol.from_file(file.vertices), made.vertices, atol=6e-7)
    if ending == "zip":
        with zipfile.ZipFile(path) as archive:
            assert archive.namelist() == ["pred.json"]
            xyz, verts = json.loads(archive.read("pred.json"))
    else:
        xyz, verts = json.loads(path.read_text())
    assert np.array(xyz).shape == (4, 21, 3)
    assert np.array(verts).shape == (4, 778, 3)
    # HO-3D wants a camera that looks along -z, for joints and vertices alike, the wrist first and the little tip last.
    sign = 1 if name == "freihand" else -1
    assert (sign * np.array(xyz)[..., 2] > 0).all()
    assert (sign * np.array(verts)[..., 2] > 0).all()
    last = from_opengl(np.array(xyz)[:, 20]) if name == "ho3d" else np.array(xyz)[:, 20]
    np.testing.assert_allclose(last, made.freihand[:, 20], atol=6e-7)
    assert not list(tmp_path.glob(".*"))


def test_submissions_shift_to_the_root(tmp_path: Path, made: Hands) -> None:
    roots = made.freihand[:, 0] + [0.1, 0, 0]
    roots[2] = np.nan  # not given: stays
    path = write_submission(tmp_path / "pred.json", made.freihand, made.vertices, PROTOCOLS["ho3d"], roots=roots)
    file = read_prediction_file(path)
    shifted = PROTOCOLS["ho3d"].joints_from_file(file.joints)
    np.testing.assert_allclose(shifted[[0, 1, 3], 0], roots[[0, 1, 3]], atol=6e-7)
    np.testing.assert_allclose(shifted[2], made.freihand[2], atol=6e-7)
    assert file.vertices is not None
    np.testing.assert_allclose(from_opengl(file.vertices)[0], made.vertices[0] + [0.1, 0, 0], atol=6e-7)


def test_submission_names_and_places(tmp_path: Path, made: Hands) -> None:
    with pytest.raises(UserError, match=r"submission .*pred.txt: expected a name that ends in .zip or .json"):
        write_submission(tmp_path / "pred.txt", made.freihand, made.vertices, PROTOCOLS["freihand"])
    with pytest.raises(UserError, match="cannot be written"):
        write_submission(Path("/proc/none/pred.zip"), made.freihand, made.vertices, PROTOCOLS["freihand"])


def test_a_network_is_scored(root: Path, store: Path, checkpoint: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    found = score_network(checkpoint, store, batch=3, on_progress=lambda *step: steps.append(step))
    stages = list(dict.fromkeys(stage for stage, _, _ in steps))
    assert stages == ["loading the network", "reading the ground truth", "predicting", "scoring"]
    assert [step[1:] for step in steps if step[0] == "predicting"] == [(0, 0), (3, 4), (4, 4)]
    metrics = found.metrics
    assert (metrics["count"], metrics["checkpoint"]) == (4, str(checkpoint))
    assert metrics["keypoints_2d_definition"] == "freihand, of the true mesh"
    assert set(metrics["keypoints_2d"]) == {"predicted", "projected"}
    # What is stored is what the network says, and the figures are those of what is stored.
    trained = load_trained_network(checkpoint.parent)
    truth = open_ground_truth(store)
    image = torch.from_numpy(np.stack([truth.crop(i) for i in range(4)])).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        made = trained.network(image, torch.from_numpy(truth.K).float(), "freihand")
    np.testing.assert_allclose(found.samples.joints, made.joints, atol=1e-5)
    np.testing.assert_allclose(found.samples.keypoints["predicted"], made.keypoints[:, -1], atol=1e-2)
    errors = np.linalg.norm(made.vertices.numpy() - truth.vertices, axis=-1)
    assert metrics["raw"]["mpvpe_mm"] == pytest.approx(1000 * errors.mean(), rel=1e-4)
    assert found.per_frame["raw_mpvpe"] == pytest.approx(1000 * errors.mean(1), rel=1e-4)
    np.testing.assert_array_equal(found.samples.crop(1), truth.crop(1))  # type: ignore[misc]
    # From the folder, the same (its pictures are JPEG files either way).
    again = score_network(checkpoint, root)
    assert again.metrics["aligned"] == pytest.approx(metrics["aligned"], rel=1e-4)


def test_submission_and_score_agree(tmp_path: Path, root: Path, checkpoint: Path) -> None:
    """The file that is written, scored as anyone's, gives the network's own figures."""
    done = submit(checkpoint, root, tmp_path / "pred.zip")
    assert done.frames == 4
    assert done.evaluation is not None
    assert "made with the open hand" in done.notes[0]
    read = score_file(tmp_path / "pred.zip", root)
    for name in ("raw", "aligned", "root_aligned", "scale_translation_aligned"):
        assert read.metrics[name] == pytest.approx(done.evaluation.metrics[name], abs=0.01)


def test_submission_without_truth(tmp_path: Path, made: Hands, checkpoint: Path) -> None:
    bare = write_freihand(tmp_path / "FreiHAND", made, truth=False)
    done = submit(checkpoint, bare, tmp_path / "pred.zip")
    assert done.evaluation is None
    assert len(read_prediction_file(tmp_path / "pred.zip").joints) == 4
    with pytest.raises(InputError, match="gives no root joints to align to. Leave out align_root."):
        submit(checkpoint, bare, tmp_path / "pred.zip", align_root=True)


def test_ho3d_submission_has_ho3d_joints(tmp_path: Path, ho3d_root: Path, checkpoint: Path) -> None:
    """Kinematic joints and HO-3D's tips, not FreiHAND's regressed ones; vertices turned along."""
    done = submit(checkpoint, ho3d_root, tmp_path / "pred.json", align_root=True)
    file = read_prediction_file(done.path)
    joints = PROTOCOLS["ho3d"].joints_from_file(file.joints)
    assert file.vertices is not None
    vertices = from_opengl(file.vertices)
    truth = open_ground_truth(ho3d_root)
    np.testing.assert_allclose(joints[:, 0], truth.roots, atol=1e-6)
    trained = load_trained_network(checkpoint)
    image = torch.from_numpy(truth.crop(0)[None]).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        out = trained.network(image, torch.from_numpy(truth.K).float(), "ho3d")
    own = out.joints.numpy()
    np.testing.assert_allclose(joints - joints[:, :1], own - own[:, :1], atol=1e-5)
    np.testing.assert_allclose(vertices - joints[:, :1], out.vertices.numpy() - own[:, :1], atol=1e-5)
    regressed = mesh_keypoints(vertices, load_model("open"), "freihand")
    assert np.linalg.norm(regressed - joints, axis=-1).max() > 5e-4


def test_submissions_of_mano_have_each_benchmarks_fingertips(
    tmp_path: Path, root: Path, write_mano: WriteMano, handlike_mano: Arrays
) -> None:
    """The vertices that the benchmarks' own evaluations take, and their joints."""
    mano = write_mano(arrays=handlike_mano)
    trained = write_checkpoint(tmp_path / "mano.pt", model=str(mano))
    tips = {"freihand": [744, 320, 443, 555, 672], "ho3d": [744, 333, 444, 555, 672]}
    made = {}
    for name, numbers in tips.items():
        done = submit(trained, root, tmp_path / f"{name}.json", protocol=name)
        assert done.notes == []
        file = read_prediction_file(done.path)
        assert file.vertices is not None
        places = [4, 8, 12, 16, 20] if name == "freihand" else [16, 17, 18, 19, 20]
        np.testing.assert_allclose(file.joints[:, places], file.vertices[:, numbers], atol=2e-6)
        made[name] = PROTOCOLS[name].joints_from_file(file.joints), PROTOCOLS[name].from_file(file.vertices)
    np.testing.assert_allclose(made["freihand"][1], made["ho3d"][1], atol=2e-6)
    regressor, vertices = handlike_mano["J_regressor"], made["freihand"][1]
    # FreiHAND's knuckles are regressed from the posed mesh; HO-3D's are where the chain has them.
    regressed = np.einsum("jv,nvc->njc", regressor, vertices)[:, [0, 13, 14, 15, 1, 2, 3]]
    chosen = [0, 1, 2, 3, 5, 6, 7]
    np.testing.assert_allclose(made["freihand"][0][:, chosen], regressed, atol=2e-6)
    assert np.abs(made["ho3d"][0][:, chosen] - regressed).max() > 5e-4


def test_incomplete_submissions_say_so(tmp_path: Path, root: Path, checkpoint: Path) -> None:
    done = submit(checkpoint, root, tmp_path / "pred.zip", limit=2)
    assert "The submission has 2 entries, for the pictures that were given. The split has 4" in done.notes[0]


def test_detector_and_left_hands(tmp_path: Path, store: Path, checkpoint: Path, made: Hands) -> None:
    """A left hand lies in the store as a right one; predictions of others show it as it is."""
    path = tmp_path / "left.h5"
    path.write_bytes(store.read_bytes())
    with h5py.File(path, "r+") as file:
        file["hand"][1] = 1
        file["joints_3d"][1] *= [-1, 1, 1]
        file["vertices"][1] *= [-1, 1, 1]
        file["confidence"][0, 5] = 0
        file["keypoints_2d"][2] += 3
        file.attrs["keypoint_source"] = json.dumps({"source": "detect"})
    lists = [made.freihand.tolist(), made.vertices.tolist()]
    (tmp_path / "pred.json").write_text(json.dumps(lists))
    found = score_file(tmp_path / "pred.json", path)
    assert found.metrics["raw"]["mpjpe_mm"] < 1e-3
    assert found.metrics["raw"]["mpvpe_mm"] < 1e-3
    own = score_network(checkpoint, path)
    assert set(own.metrics["keypoints_2d"]) == {"detector", "predicted", "projected"}
    assert own.metrics["keypoints_2d"]["detector"]["unseen"] == pytest.approx(1 / 84)
    assert np.isnan(own.samples.keypoints["detector"][0, 5]).all()
    assert own.per_frame["detector"][2] == pytest.approx(3 * np.sqrt(2), abs=0.01)
    submit(checkpoint, path, tmp_path / "out.json")
    written = read_prediction_file(tmp_path / "out.json")
    np.testing.assert_allclose(written.joints[1], own.samples.joints[1] * [-1, 1, 1], atol=1e-5)
    np.testing.assert_allclose(written.joints[0], own.samples.joints[0], atol=1e-5)
    foreign = tmp_path / "foreign.h5"
    foreign.write_bytes(path.read_bytes())
    with h5py.File(foreign, "r+") as file:
        file.attrs["keypoint_set"] = "mediapipe"
    other = score_network(checkpoint, foreign)
    assert "detector" not in other.metrics["keypoints_2d"]
    assert "defined as 'mediapipe', the network's as 'freihand': the detector was left out" in other.notes[0]


def test_other_meshes_and_networks(tmp_path: Path, store: Path, made: Hands) -> None:
    path = tmp_path / "other.h5"
    path.write_bytes(store.read_bytes())
    with h5py.File(path, "r+") as file:
        file["vertices"][...] = file["vertices"][:][:, np.random.default_rng(0).permutation(778)]
    plain = NetworkSettings(encoder="efficientnet-b0", stacks=0, features=16, modules=1, appearance=False)
    baseline = write_checkpoint(tmp_path / "baseline.pt", settings=plain)
    found = score_network(baseline, path)
    assert "are not numbered as those of the network's hand model (open)" in found.notes[0]
    assert found.metrics["aligned"]["mpvpe_mm"] is None
    assert found.metrics["aligned"]["f15"] > 0
    assert set(found.metrics["keypoints_2d"]) == {"projected"}
    assert found.metrics["keypoints_2d_definition"] == "projected true joints (freihand)"


def test_training_predictions_by_annotation(tmp_path: Path, root: Path, store: Path, made: Hands) -> None:
    """A store of some pictures takes its entries from a file of all of them."""
    path = tmp_path / "some.h5"
    preprocess(open_freihand(root, "evaluation"), TruthSource("freihand"), path, PreprocessOptions(shard=(1, 2)))
    (tmp_path / "pred.json").write_text(json.dumps([made.freihand.tolist(), []]))
    found = score_file(tmp_path / "pred.json", path)
    assert found.metrics["count"] == 2
    assert found.metrics["raw"]["mpjpe_mm"] < 1e-3
    assert score_file(tmp_path / "pred.json", root, limit=3).metrics["count"] == 3


def test_a_broken_network_is_named(tmp_path: Path, store: Path) -> None:
    content = load_checkpoint(write_checkpoint(tmp_path / "nan.pt"))
    name = next(key for key in content["network"] if key.startswith("regressor.translation"))
    content["network"][name] = torch.full_like(content["network"][name], float("nan"))
    save_checkpoint(tmp_path / "nan.pt", content)
    with pytest.raises(
        InputError, match=r"nan.pt: the network predicts numbers that are not finite for evaluation/rgb"
    ):
        score_network(tmp_path / "nan.pt", store)


def test_numbering_is_told_from_edges(made: Hands) -> None:
    model = load_model("open")
    assert shares_topology(made.vertices, model)
    assert shares_topology(1000 * made.vertices, model)
    assert not shares_topology(made.vertices[:, ::-1], model)
    assert not shares_topology(made.vertices[:, :500], model)
    found = matching_model(made.vertices)
    assert found is not None and found.name == "open"
    assert matching_model(None) is None


@pytest.mark.parametrize("name", ["freihand", "mediapipe", "ho3d", "openpose"])
def test_keypoints_of_meshes(made: Hands, name: str) -> None:
    """Exact where the definition is of vertices alone; within millimetres where kinematic joints are regressed."""
    model = load_model("open")
    layer = HandLayer(model, flat_hand_mean=True, dtype=torch.float64)
    pose = torch.as_tensor(np.random.default_rng(0).normal(scale=0.2, size=(3, 45)))
    with torch.no_grad():
        output = layer(axis_angle=pose)
        wanted = layer.keypoints(output, name).numpy()
    found = mesh_keypoints(output.vertices.numpy(), model, name)
    apart = np.linalg.norm(found - wanted, axis=-1)
    assert apart.max() < (1e-9 if name in ("freihand", "mediapipe") else 8e-3)


def test_what_is_evaluated_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HANDSSS_DATA", raising=False)
    with pytest.raises(InputError, match="holds no run .*Give checkpoint, or train one with `handsss train`") as lost:
        newest_checkpoint()
    assert str(tmp_path / "runs") in str(lost.value)
    for number, name in enumerate(("old/final.pt", "new/latest.pt", "middle/final.pt", "middle/latest.pt", "empty/x")):
        path = tmp_path / "runs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        age = {"old": 0, "new": 100, "middle": 50, "empty": 900}[path.parent.name]
        os.utime(path, (age + number, age + number))
    assert newest_checkpoint() == Path("runs/new/latest.pt")
    with pytest.raises(InputError, match="none of freihand_evaluation.h5, ho3d_v2_evaluation.h5, .* is there") as lost:
        default_evaluation_data()
    assert "data/ho3d_v3_evaluation.h5" in str(lost.value)
    assert "handsss preprocess freihand ROOT --split evaluation" in str(lost.value)
    there = tmp_path / "elsewhere" / "ho3d_v2_evaluation.h5"
    there.parent.mkdir()
    there.write_bytes(b"")
    monkeypatch.setenv("HANDSSS_DATA", str(there.parent))
    assert default_evaluation_data() == there
    (tmp_path / "freihand_evaluation.h5").write_bytes(b"")
    assert default_evaluation_data() == Path("freihand_evaluation.h5")
