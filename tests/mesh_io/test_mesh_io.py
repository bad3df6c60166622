"""Mesh files as viewers read them: both sides, several hands, axes, winding, colours and textures."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from handsss.errors import UserError
from handsss.hand.result import HandResult
from handsss.io.camera import choose_camera
from handsss.mesh_io.export import export_mesh
from handsss.mesh_io.formats import material_stem
from handsss.reconstruction.result_json import json_bytes, photo_document
from handsss.visualize.overview import picture
from tests.conftest import MakeHand

VIEWER = np.array([1.0, -1.0, -1.0])  # camera frame to y up, z towards the viewer


@pytest.fixture
def both(make_hand: MakeHand) -> list[HandResult]:
    return [make_hand("left", seed=1), make_hand("right", seed=2)]


def points_outwards(mesh: trimesh.Trimesh) -> bool:
    """The wrist is open, so the volume is only nearly one; its sign still tells how faces are wound."""
    return float(mesh.volume) > 0


@pytest.mark.parametrize("textured", [True, False])
def test_glb_holds_one_node_a_hand(make_hand: MakeHand, tmp_path: Path, textured: bool) -> None:
    hands = [make_hand("left", seed=1, textured=textured), make_hand("right", seed=2, textured=textured)]
    export_mesh(hands, tmp_path / "hands.glb", static=True)
    scene = trimesh.load_scene(tmp_path / "hands.glb", process=False)
    assert set(scene.geometry) == {"left_0", "right_1"}
    for name, hand in zip(("left_0", "right_1"), hands, strict=True):
        mesh = scene.geometry[name]
        assert points_outwards(mesh)
        # Seams double vertices: every corner is compared.
        np.testing.assert_allclose(mesh.triangles, (hand.vertices * VIEWER)[hand.faces], atol=2e-6)
        if textured:
            assert hand.uv is not None and hand.uv_faces is not None
            image = mesh.visual.material.baseColorTexture
            np.testing.assert_array_equal(np.asarray(image.convert("RGB")), hand.texture)
            np.testing.assert_allclose(mesh.visual.uv[mesh.faces], hand.uv[hand.uv_faces], atol=2e-6)
        else:  # linear light, as glTF has it
            linear = np.where(
                hand.vertex_colours <= 0.04045,
                hand.vertex_colours / 12.92,
                ((hand.vertex_colours + 0.055) / 1.055) ** 2.4,
            )
            np.testing.assert_allclose(mesh.visual.vertex_colors[:, :3] / 255, linear, atol=0.01)


@pytest.mark.parametrize("textured", [True, False])
def test_obj_holds_one_object_a_hand(make_hand: MakeHand, tmp_path: Path, textured: bool) -> None:
    hands = [make_hand("left", seed=1, textured=textured), make_hand("right", seed=2, textured=textured)]
    export_mesh(hands, tmp_path / "hands.obj")
    lines = [line.split() for line in (tmp_path / "hands.obj").read_text().splitlines()]

    def numbers(key: str, begin: int = 0, end: int = 3) -> np.ndarray:
        return np.array([[float(v) for v in line[1 + begin : 1 + end]] for line in lines if line[0] == key])

    # Numbers of vertices and texture corners run on over the objects, as OBJ has it.
    corners = np.array([[part.split("/") for part in line[1:]] for line in lines if line[0] == "f"])
    vertex, normal = corners[..., 0].astype(int) - 1, corners[..., 2].astype(int) - 1
    np.testing.assert_array_equal(vertex, normal)
    triangles = np.concatenate([(hand.vertices * VIEWER)[hand.faces] for hand in hands])
    np.testing.assert_allclose(numbers("v")[vertex], triangles, atol=2e-6)
    across = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    assert ((numbers("vn")[normal].mean(1) * across).sum(1) > 0).mean() > 0.99
    assert [line[1] for line in lines if line[0] == "o"] == ["left_0", "right_1"]
    if textured:
        assert [line[1] for line in lines if line[0] == "usemtl"] == ["left_0", "right_1"]
        expected = np.concatenate([hand.uv[hand.uv_faces] for hand in hands])  # type: ignore[index]
        np.testing.assert_allclose(numbers("vt", 0, 2)[corners[..., 1].astype(int) - 1], expected, atol=2e-6)
    else:
        colours = np.concatenate([hand.vertex_colours for hand in hands])
        np.testing.assert_allclose(numbers("v", 3, 6), colours, atol=0.5 / 255 + 1e-4)
        assert not (tmp_path / "hands.mtl").exists()


def test_obj_names_its_files_without_spaces(both: list[HandResult], tmp_path: Path) -> None:
    files = export_mesh(both, tmp_path / "my hands.obj")
    names = {path.name for path in files}
    assert names == {
        *("my hands.obj", "my_hands.mtl"),
        *("my_hands_texture_left_0.png", "my_hands_texture_right_1.png"),
    }
    text = (tmp_path / "my hands.obj").read_text()
    assert "mtllib my_hands.mtl" in text
    material = (tmp_path / "my_hands.mtl").read_text()
    for name in re.findall(r"map_Kd (\S+)\n", material):
        with Image.open(tmp_path / name) as texture:
            assert texture.size == (32, 32)
    assert export_mesh(both[:1], tmp_path / "one.obj")[0].name == "one_texture.png"


def test_ply_holds_colours_normals_and_whose_vertex_it_is(both: list[HandResult], tmp_path: Path) -> None:
    export_mesh(both, tmp_path / "hands.ply")
    mesh = trimesh.load(tmp_path / "hands.ply", process=False)
    np.testing.assert_allclose(mesh.vertices, np.concatenate([hand.vertices * VIEWER for hand in both]), atol=1e-6)
    colours = np.concatenate([hand.vertex_colours for hand in both])
    np.testing.assert_array_equal(mesh.visual.vertex_colors[:, :3], np.round(colours * 255))
    raw = mesh.metadata["_ply_raw"]["vertex"]["data"]
    assert np.bincount(raw["hand"].ravel()).tolist() == [778, 778]
    assert points_outwards(mesh)


def test_npz_stays_in_the_camera_frame(both: list[HandResult], tmp_path: Path) -> None:
    export_mesh(both, tmp_path / "hands.npz")
    with np.load(tmp_path / "hands.npz", allow_pickle=False) as arrays:
        assert arrays["hand"].tolist() == ["left", "right"]
        assert "forward" in str(arrays["mesh_axes"])
        for name in ("vertices", "faces", "keypoints_2d", "joints_3d", "pose", "light", "texture"):
            np.testing.assert_array_equal(arrays[name], np.stack([np.asarray(getattr(hand, name)) for hand in both]))


def test_other_suffixes_are_refused(both: list[HandResult], tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"unknown mesh format '\.stl'. Expected one of \.obj, \.ply, \.glb, \.npz, \.bvh"
    ):
        export_mesh(both, tmp_path / "hands.stl")
    assert not list(tmp_path.iterdir())


def test_document_says_the_same_as_the_hands(both: list[HandResult]) -> None:
    camera = choose_camera((640, 480))
    document = json.loads(json_bytes(photo_document("a.jpg", (640, 480), camera, both, mesh=Path("a.obj"))))
    assert document["format_version"] == 1
    assert [entry["object"] for entry in document["hands"]] == ["left_0", "right_1"]
    assert "y up" in document["mesh_axes"]
    for entry, hand in zip(document["hands"], both, strict=True):
        assert "vertices" not in entry
        for name in ("joints_3d", "joints_2d", "kinematic_joints_3d", "pose", "shape", "rotation", "translation"):
            np.testing.assert_allclose(entry[name], getattr(hand, name), atol=5e-4)
    full = json.loads(json_bytes(photo_document("a.jpg", (640, 480), camera, both, vertices=True)))
    np.testing.assert_allclose(full["hands"][1]["vertices"], both[1].vertices, atol=1e-6)
    assert (full["mesh"], full["mesh_axes"]) == (None, None)


def test_numbers_that_json_does_not_have_are_refused(both: list[HandResult]) -> None:
    both[0].translation = np.array([0.0, np.nan, 1.0])
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_bytes(photo_document("a.jpg", (640, 480), choose_camera((640, 480)), both))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_picture_shows_every_hand(both: list[HandResult], count: int) -> None:
    photo = np.full((480, 640, 3), 90, np.uint8)
    drawn = picture(photo, both[:count])
    assert drawn.dtype == np.uint8 and drawn.shape[2] == 3
    heights = [picture(photo, both[:n]).shape[0] for n in (1, 2)]
    assert heights[1] > 1.8 * heights[0]
    if count:
        assert drawn.shape[1] > 1000
        blue = (drawn[..., 2].astype(int) - drawn[..., 0]) > 40
        assert blue.mean() > 0.005  # the mesh over the photo


@pytest.mark.parametrize("stem", ["-rot", "#1", "my #1 hand", "a\\b", 'say "x"', "tab\there", "c:d"])
def test_names_of_materials_and_textures_are_plain(stem: str) -> None:
    name = material_stem(stem)
    assert name == re.sub(r"[^A-Za-z0-9_-]", "_", name) and not name.startswith("-")
    assert material_stem("Hände.é-1") == "Hände.é-1"
