"""Rigged .glb: what a reader of skins and morph targets gets from the file's bytes, against the hand layer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from handsss.errors import UserError
from handsss.hand.joints import MODEL_JOINTS
from handsss.hand.load import load_model
from handsss.hand.result import HandResult
from handsss.mesh_io.export import export_mesh, mesh_files
from handsss.mesh_io.parts import mesh_parts
from handsss.mesh_io.rig import Rig, rigs_of
from handsss.mesh_io.rigged_glb import TARGET_NAMES, rigged_glb_bytes
from handsss.reconstruction.repose import repose
from tests.conftest import MakeHand
from tests.gltf_file import GltfFile
from tests.mano_files import Arrays, WriteMano

VIEWER = np.array([1.0, -1.0, -1.0])  # camera frame to y up, z towards the viewer
NAMES = ("left_0", "right_1")


@pytest.fixture(scope="module")
def both(make_hand: MakeHand) -> list[HandResult]:
    """A textured left hand and a right one with vertex colours, of their own shapes and sizes."""
    model, rng = load_model("open"), np.random.default_rng(5)
    hands = []
    for side, textured in (("left", True), ("right", False)):
        hand = replace(make_hand(side, seed=3, textured=textured), scale=1.1)
        hands.append(repose(hand, model, pose=rng.normal(scale=0.4, size=45), shape=rng.normal(size=10)))
    return hands


@pytest.fixture(scope="module")
def rigs(both: list[HandResult]) -> list[Rig]:
    return rigs_of(both)


@pytest.fixture
def file(both: list[HandResult], rigs: list[Rig]) -> GltfFile:
    (content,) = mesh_files(both, Path("hands.glb"), rigs).values()
    return GltfFile.of(content)


def triangles(hand: HandResult) -> np.ndarray:
    return (hand.vertices * VIEWER)[hand.faces]


def turn_fingers(file: GltfFile, name: str, pose: np.ndarray) -> None:
    for joint, vector in zip(MODEL_JOINTS[1:], pose.reshape(15, 3), strict=True):
        file.node(f"{name}_{joint}")["rotation"] = Rotation.from_rotvec(vector).as_quat().tolist()


def test_file_shows_the_fitted_hands(file: GltfFile, both: list[HandResult]) -> None:
    for name, hand in zip(NAMES, both, strict=True):
        np.testing.assert_allclose(file.triangles(name), triangles(hand), atol=1e-6)
        joints = file.joint_worlds(name)[:, :3, 3] * VIEWER
        order = [0, 5, 6, 7, 9, 10, 11, 17, 18, 19, 13, 14, 15, 1, 2, 3]  # MANO's joints in OpenPose's order
        np.testing.assert_allclose(joints, hand.kinematic_joints_3d[order], atol=1e-6)


def test_detailed_hand_is_rigged_too(make_hand: MakeHand) -> None:
    model = load_model("open-detail")
    coarse = make_hand("left", seed=1)
    rough = replace(coarse, model="open-detail", vertices=np.zeros((model.vertex_count, 3)), faces=model.faces[:, ::-1])
    hand = replace(repose(rough, model), texture=None, vertex_colours=np.ones((model.vertex_count, 3)))
    (content,) = mesh_files([hand], Path("hand.glb"), rigs_of([hand])).values()
    np.testing.assert_allclose(GltfFile.of(content).triangles("left_0"), triangles(hand), atol=1e-6)


def test_without_rotations_it_is_the_flat_hand(file: GltfFile, both: list[HandResult]) -> None:
    for name, hand in zip(NAMES, both, strict=True):
        model = load_model("open", hand.hand)  # type: ignore[arg-type]
        flat = model.v_template + model.shapedirs @ hand.shape
        stored = file.accessor(file.primitive(name)["attributes"]["POSITION"])
        indices = file.accessor(file.primitive(name)["indices"]).reshape(-1, 3)
        np.testing.assert_allclose(stored[indices], flat[model.faces], atol=1e-7)
        turn_fingers(file, name, np.zeros(45))
        file.mesh(name)["weights"] = [0.0] * 11
        posed = repose(hand, load_model("open"), pose=np.zeros(45))
        np.testing.assert_allclose(file.triangles(name), triangles(posed), atol=1e-6)


def test_other_poses_miss_the_correctives_alone(file: GltfFile, both: list[HandResult]) -> None:
    rng = np.random.default_rng(8)
    for name, hand in zip(NAMES, both, strict=True):
        other = repose(hand, load_model("open"), pose=rng.normal(scale=0.4, size=45))
        (lengths,) = (rig.corrective_lengths for rig in rigs_of([other]))
        turn_fingers(file, name, other.pose)
        file.mesh(name)["weights"] = [0.0] * 11
        off = np.linalg.norm(file.triangles(name) - triangles(other), axis=2)
        np.testing.assert_allclose(off, lengths[hand.faces], atol=1e-6)
        assert off.max() > 1e-3  # the correctives are worth a morph target


def test_stated_figures_are_those_of_the_file(file: GltfFile, both: list[HandResult], rigs: list[Rig]) -> None:
    for name, hand, rig in zip(NAMES, both, rigs, strict=True):
        said = rig.to_json()
        assert said["joints"] == list(MODEL_JOINTS) and said["influences"] == 4
        file.mesh(name)["weights"] = [0.0] * 11
        off = np.linalg.norm(file.triangles(name) - triangles(hand), axis=2).max()
        assert said["correctives_max_mm"] == pytest.approx(1000 * off, abs=2e-3)
        assert 0 < said["correctives_mean_mm"] < said["correctives_max_mm"]


def test_shape_targets_and_what_they_miss(file: GltfFile, both: list[HandResult], rigs: list[Rig]) -> None:
    name, hand, rig = NAMES[0], both[0], rigs[0]
    assert file.mesh(name)["extras"]["targetNames"] == list(TARGET_NAMES)
    assert len(file.primitive(name)["targets"]) == len(TARGET_NAMES) == 11
    inverse = file.accessor(file.tree["skins"][0]["inverseBindMatrices"]).copy()
    wrist = np.array(file.node("left_0_wrist")["translation"])
    turn = Rotation.from_quat(file.node("left_0_wrist")["rotation"])
    rest = {joint: np.array(file.node(f"{name}_{joint}")["translation"]) for joint in MODEL_JOINTS}
    for component in (0, 7):
        larger = repose(hand, load_model("open"), shape=hand.shape + np.eye(10)[component])
        file.mesh(name)["weights"] = [*np.eye(10)[component], 1.0]
        off = np.linalg.norm(file.triangles(name) - triangles(larger), axis=2)
        np.testing.assert_allclose(off, rig.shape_errors[component][hand.faces], atol=1e-6)
        # With the joints moved as the file's extras say, nothing is missed.
        moved = np.array(file.mesh(name)["extras"]["shapeJointOffsets"][component])
        for index, joint in enumerate(MODEL_JOINTS[1:], 1):
            file.node(f"{name}_{joint}")["translation"] = rest[joint] + moved[index] - moved[rig.parents[index]]
        file.node(f"{name}_wrist")["translation"] = wrist + 1.1 * turn.apply(moved[0])
        shifted = inverse.copy()
        shifted[:, 12:15] -= moved
        view = file.tree["bufferViews"][
            file.tree["accessors"][file.tree["skins"][0]["inverseBindMatrices"]]["bufferView"]
        ]
        start = view["byteOffset"]
        file.buffer = file.buffer[:start] + shifted.tobytes() + file.buffer[start + shifted.nbytes :]
        np.testing.assert_allclose(file.triangles(name), triangles(larger), atol=2e-6)
        for joint in MODEL_JOINTS:
            file.node(f"{name}_{joint}")["translation"] = rest[joint]
        file.buffer = file.buffer[:start] + inverse.tobytes() + file.buffer[start + inverse.nbytes :]


def test_more_than_four_influences_get_further_sets(both: list[HandResult], rigs: list[Rig]) -> None:
    dense = np.random.default_rng(0).uniform(size=(778, 16)) * (np.arange(16) < 7)
    rig = replace(rigs[0], weights=dense / dense.sum(1, keepdims=True))
    file = GltfFile.of(rigged_glb_bytes(mesh_parts(both[:1]), [rig]))
    assert {"JOINTS_1", "WEIGHTS_1"} <= set(file.primitive("left_0")["attributes"])
    assert "JOINTS_2" not in file.primitive("left_0")["attributes"]
    expected = rig.posed(rig.vertices + rig.correctives)[both[0].faces]
    np.testing.assert_allclose(file.triangles("left_0"), expected, atol=1e-6)


def test_other_readers_get_the_flat_hand_with_its_skin(both: list[HandResult], tmp_path: Path) -> None:
    export_mesh(both, tmp_path / "hands.glb")
    scene = trimesh.load_scene(tmp_path / "hands.glb", process=False)
    assert set(scene.geometry) == set(NAMES)
    mesh, hand = scene.geometry["left_0"], both[0]
    assert mesh.volume > 0 and hand.uv is not None and hand.uv_faces is not None
    model = load_model("open", "left")
    np.testing.assert_allclose(mesh.triangles, (model.v_template + model.shapedirs @ hand.shape)[hand.faces], atol=1e-6)
    np.testing.assert_array_equal(np.asarray(mesh.visual.material.baseColorTexture.convert("RGB")), hand.texture)
    np.testing.assert_allclose(mesh.visual.uv[mesh.faces], hand.uv[hand.uv_faces], atol=2e-6)


def test_vertices_of_another_pose_are_refused(both: list[HandResult], tmp_path: Path) -> None:
    moved = replace(both[0], vertices=both[0].vertices + 0.01)
    with pytest.raises(UserError, match=r"got others \(up to 10\.0 mm away\)\. Save it as static \.glb"):
        export_mesh([moved], tmp_path / "hand.glb")
    assert not list(tmp_path.iterdir())
    export_mesh([moved], tmp_path / "hand.glb", static=True)
    mesh = trimesh.load_scene(tmp_path / "hand.glb", process=False).geometry["left_0"]
    np.testing.assert_allclose(mesh.triangles, triangles(moved), atol=1e-6)


def test_static_is_for_glb(both: list[HandResult], tmp_path: Path) -> None:
    for suffix in (".obj", ".bvh", ".npz"):
        with pytest.raises(UserError, match=rf"leaves the skeleton out of \.glb, but the file is \{suffix}"):
            export_mesh(both, tmp_path / f"hand{suffix}", static=True)
    assert not list(tmp_path.iterdir())


def test_mano_files_are_rigged(make_hand: MakeHand, write_mano: WriteMano, handlike_mano: Arrays) -> None:
    path = str(write_mano("right", arrays=handlike_mano))
    model = load_model(path)
    start = replace(make_hand("left", textured=False), model=path, vertices=np.zeros((778, 3)), keypoint_set="freihand")
    hand = repose(start, model)
    (rig,) = rigs_of([hand])
    np.testing.assert_allclose(rig.posed(rig.vertices + rig.correctives), hand.vertices * VIEWER, atol=1e-9)
