"""What a notebook user writes: reconstruct, hold a hand, save it, draw it, pose it."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

import handsss
from handsss.errors import InputError, UserError
from handsss.io.camera import intrinsics_matrix
from handsss.reconstruction.hand import Hand
from tests.gltf_file import GltfFile
from tests.page.html_file import HtmlFile

SAMPLE = Path(handsss.__file__).parent / "samples/nocurl.jpg"


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.asarray(Image.open(SAMPLE).convert("RGB"))


@pytest.fixture(scope="module")
def hand() -> Hand:
    (found,) = handsss.reconstruct(SAMPLE)
    return found


def test_a_hand_carries_its_arrays(hand: Hand, photo: np.ndarray) -> None:
    assert hand.hand in ("left", "right")
    assert hand.joints.shape == (21, 3)
    assert hand.vertices.shape == (778, 3)
    assert hand.joints is hand.joints_3d
    assert 0.1 < np.median(hand.vertices[:, 2]) < 3
    projected = hand.joints @ hand.intrinsics.T
    assert np.allclose(projected[:, :2] / projected[:, 2:], hand.joints_2d, atol=0.05)
    assert hand.photo is not None and hand.photo.shape == photo.shape
    assert hand.camera is not None and hand.camera.source == "default"
    assert f"{hand.hand} hand" in repr(hand)


@pytest.mark.parametrize("suffix", [".obj", ".ply", ".glb", ".npz", ".json", ".bvh", ".html"])
def test_a_hand_saves_itself(hand: Hand, tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"hand{suffix}"
    written = hand.save(str(target), static=suffix == ".glb")
    assert written[-1] == target and all(path.is_file() for path in written)
    if suffix == ".json":
        content = json.loads(target.read_text())
        assert np.allclose(content["hands"][0]["vertices"], hand.vertices, atol=1e-6)
        assert content["image"] == SAMPLE.as_posix()
    elif suffix == ".npz":
        with np.load(target) as arrays:
            assert np.array_equal(arrays["vertices"][0], hand.vertices)
    elif suffix == ".bvh":
        assert target.read_text().startswith("HIERARCHY\nROOT wrist\n")
    elif suffix == ".html":
        page = HtmlFile.of(target.read_bytes())
        page.check_self_contained()
        assert page.one("title").text == SAMPLE.name and "skins" in GltfFile.of(b64decode(page.model()["glb"])).tree
    else:
        mesh = trimesh.load(target, force="mesh", process=False)
        assert len(mesh.faces) == len(hand.faces)
        opengl = hand.vertices * [1, -1, -1]
        assert np.allclose([mesh.vertices.min(0), mesh.vertices.max(0)], [opengl.min(0), opengl.max(0)], atol=1e-5)


def test_a_rigged_hand_is_the_fitted_one(hand: Hand, tmp_path: Path) -> None:
    hand.save(tmp_path / "hand.glb")
    shown = GltfFile.of((tmp_path / "hand.glb").read_bytes()).triangles(f"{hand.hand}_0")
    assert np.abs(shown - (hand.vertices * [1, -1, -1])[hand.faces]).max() < 1e-5
    with pytest.raises(UserError, match=r"static leaves the skeleton out of \.glb, but the file is \.json"):
        hand.save(tmp_path / "hand.json", static=True)


def test_an_unknown_suffix(hand: Hand, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"hand\.fbx: expected one of .*\.glb.*\.json"):
        hand.save(tmp_path / "hand.fbx")


def test_a_hand_draws_itself(hand: Hand, photo: np.ndarray) -> None:
    drawn = np.asarray(hand.overlay())
    assert drawn.shape == photo.shape
    pixels = np.round(hand.vertices[:, :2] / hand.vertices[:, 2:] @ hand.intrinsics[:2, :2].T + hand.intrinsics[:2, 2])
    inside = pixels[((pixels >= 1) & (pixels < np.array(photo.shape[1::-1]) - 1)).all(1)].astype(int)
    changed = (drawn != photo).any(2)
    assert changed[inside[:, 1], inside[:, 0]].mean() > 0.9  # on the hand
    assert changed.mean() < 0.6  # not everywhere
    assert (np.asarray(hand.overlay(skeleton=True)) != drawn).any()
    assert hand.overview().width > 500


def test_its_own_pose_gives_the_hand_again(hand: Hand) -> None:
    again = hand.posed(hand.pose)
    assert isinstance(again, Hand) and again is not hand
    assert np.abs(again.vertices - hand.vertices).max() < 1e-5
    assert np.abs(again.joints - hand.joints).max() < 1e-5


def test_a_hand_poses_itself_otherwise(hand: Hand) -> None:
    before = hand.vertices.copy()
    flat = hand.posed(np.zeros(45), translation=[0, 0, 0.5])
    assert np.array_equal(hand.vertices, before)
    assert np.array_equal(flat.texture, hand.texture)  # type: ignore[arg-type]

    def bones(one: Hand) -> np.ndarray:
        points = one.kinematic_joints_3d
        return np.linalg.norm(points[[6, 7, 10, 11]] - points[[5, 6, 9, 10]], axis=1)

    assert np.allclose(bones(flat), bones(hand), atol=1e-5)
    assert np.abs(flat.joints - hand.joints).max() > 0.01
    with pytest.raises(ValueError, match=r"pose"):
        hand.posed(np.zeros(44))


def test_pictures_and_arrays_give_what_the_file_gives(hand: Hand, photo: np.ndarray) -> None:
    with Image.open(SAMPLE) as picture:
        (of_pil,) = handsss.reconstruct(picture)
    (of_array,) = handsss.reconstruct(photo)
    assert np.abs(of_pil.vertices - hand.vertices).max() < 1e-3
    assert np.abs(of_array.vertices - hand.vertices).max() < 1e-3
    assert of_array.name == ""


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        ("absent.jpg", InputError, "absent.jpg: no such file"),
        (np.zeros((64, 64), np.uint8), ValueError, r"\[H, W, 3\] uint8 RGB, got \[64, 64\] uint8"),
        (np.zeros((64, 64, 3)), ValueError, "float64"),
        (3, TypeError, "got int"),
        (np.zeros((4, 64, 3), np.uint8), InputError, "64 x 4"),
    ],
)
def test_images_that_are_none(image: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        handsss.reconstruct(image)


def test_a_camera_as_matrix_or_four_numbers(hand: Hand) -> None:
    K = hand.intrinsics
    (one,) = handsss.reconstruct(SAMPLE, intrinsics=K, refine=False)
    (two,) = handsss.reconstruct(SAMPLE, intrinsics=(K[0, 0], K[1, 1], K[0, 2], K[1, 2]), refine=False)
    assert np.allclose(one.vertices, two.vertices)
    assert one.camera is not None and one.camera.source == "option"
    with pytest.raises(InputError, match="intrinsics: expected a 3x3 matrix or fx, fy, cx, cy"):
        handsss.reconstruct(SAMPLE, intrinsics=[1, 2])


def test_keypoints_found_elsewhere(hand: Hand, tmp_path: Path) -> None:
    (given,) = handsss.reconstruct(SAMPLE, keypoints=hand.keypoints_2d, hand=hand.hand)  # type: ignore[arg-type]
    assert given.keypoint_set == "openpose" and given.hand == hand.hand
    assert np.allclose(given.keypoints_2d, hand.keypoints_2d)
    file = tmp_path / "photo_keypoints.json"
    file.write_text(json.dumps({"hand": hand.hand, "keypoints": hand.keypoints_2d.tolist()}))
    (read,) = handsss.reconstruct(SAMPLE, keypoints=file)
    assert np.allclose(read.keypoints_2d, hand.keypoints_2d)
    with pytest.raises(InputError, match="which hand is it"):
        handsss.reconstruct(SAMPLE, keypoints=hand.keypoints_2d)
    with pytest.raises(InputError, match="expected 21 joints"):
        handsss.reconstruct(SAMPLE, keypoints=np.zeros((20, 2)), hand="left")


def test_many_photos_together(hand: Hand) -> None:
    reconstructor = handsss.Reconstructor()
    blank = np.full((64, 64, 3), 90, np.uint8)
    found = list(reconstructor.batch([SAMPLE, blank, SAMPLE]))
    assert [len(hands) for hands in found] == [1, 0, 1]
    assert np.abs(found[2][0].vertices - hand.vertices).max() < 1e-3
    assert reconstructor(blank) == []
    with pytest.raises(ValueError, match="2 images but 1 keypoints"):
        list(reconstructor.batch([SAMPLE, SAMPLE], keypoints=[None]))


def test_a_reconstructor_says_what_it_cannot_do() -> None:
    with pytest.raises(ValueError, match="hand is 'auto', 'left' or 'right', got 'both'"):
        handsss.Reconstructor(hand="both")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no hand model"):
        handsss.Reconstructor(model="absent")


def test_hands_far_outside_the_photo_are_drawn_too(hand: Hand) -> None:
    for translation in ([0, 0, -1.0], [0, 0, 1e-3], [50, 0, 0.3]):
        moved = hand.posed(translation=translation)  # at pixels that no picture could hold
        assert moved.overview().width == hand.overview().width


def test_a_hand_equals_itself_alone(hand: Hand) -> None:
    other = hand.posed(np.zeros(45))
    assert hand in [other, hand] and hand not in [other]
    assert len({hand, other}) == 2


def test_tensors_with_gradients_are_read(hand: Hand) -> None:
    flat = hand.posed(torch.zeros(45, requires_grad=True))
    assert np.array_equal(flat.vertices, hand.posed(np.zeros(45)).vertices)
    camera = intrinsics_matrix(torch.tensor([700.0, 710.0, 240.0, 320.0], requires_grad=True))
    assert np.array_equal(camera, [[700, 0, 240], [0, 710, 320], [0, 0, 1]])


def test_a_closed_picture() -> None:
    with Image.open(SAMPLE) as closed:
        pass
    with pytest.raises(InputError, match=r"nocurl.jpg: the picture was closed before its pixels were read"):
        handsss.reconstruct(closed)


def test_many_photos_from_a_generator(photo: np.ndarray) -> None:
    reconstructor = handsss.Reconstructor(refine=False, texture=False, checkpoint="none")
    drawn = []

    def photos() -> Iterator[np.ndarray]:
        for number in range(20):
            drawn.append(number)
            yield photo if number == 0 else np.zeros((32, 32, 3), np.uint8)

    results = reconstructor.batch(photos())
    assert len(next(results)) == 1
    assert len(drawn) == 8  # a batch, no more
    assert [len(hands) for hands in results] == [0] * 19
    with pytest.raises(TypeError, match="expected many photos"):
        reconstructor.batch(str(SAMPLE))


def test_photos_before_a_damaged_one_are_yielded(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(b"no picture")
    results = handsss.Reconstructor(refine=False).batch([SAMPLE, damaged, SAMPLE])
    assert len(next(results)) == 1
    with pytest.raises(InputError, match=r"damaged.jpg: not an image"):
        next(results)


def test_keypoints_of_one_photo_that_cannot_be_used(hand: Hand) -> None:
    reconstructor = handsss.Reconstructor(hand="left", refine=False)
    own = hand.keypoints_2d
    results = reconstructor.batch([SAMPLE, SAMPLE], keypoints=[own, own / 600])
    assert len(next(results)) == 1
    with pytest.raises(InputError, match=r"nocurl.jpg: keypoints: hand 0: the left hand spans .* px"):
        next(results)


@pytest.mark.parametrize("count", [1, 3])
def test_keypoints_for_another_number_of_photos(hand: Hand, count: int) -> None:
    reconstructor = handsss.Reconstructor(hand="left", refine=False)
    with pytest.raises(ValueError, match="images but .* keypoints: give one entry, or None, for each"):
        list(reconstructor.batch(iter([SAMPLE] * 2), keypoints=iter([hand.keypoints_2d] * count)))


def test_threads_share_a_reconstructor(hand: Hand) -> None:
    reconstructor = handsss.Reconstructor()
    with ThreadPoolExecutor(3) as threads:
        for (own,) in threads.map(reconstructor, [SAMPLE] * 3):
            assert np.allclose(own.vertices, hand.vertices, atol=1e-6)
