"""Reading for torch: workers, augmentations, and that truth stays true."""

from __future__ import annotations

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch.utils.data import DataLoader

from handsss.data.augment import Augmentation, draw_recolouring
from handsss.data.dataset import HandDataset
from handsss.data.keypoints.sources import TruthSource
from handsss.data.preprocess import PreprocessOptions, preprocess
from handsss.data.readers.freihand import open_freihand
from handsss.data.store.reader import Store
from handsss.errors import InputError
from handsss.fitting.depth import world_in_camera
from handsss.geometry.window import Window


@pytest.fixture
def store(freihand: Path, tmp_path: Path) -> Path:
    preprocess(open_freihand(freihand), TruthSource("freihand"), tmp_path / "s.h5", PreprocessOptions())
    return tmp_path / "s.h5"


def project(points: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    moved = points.double() @ K.double().T
    return moved[:, :2] / moved[:, 2:]


def test_rows(store: Path) -> None:
    data = HandDataset(store)
    row = data[4]
    assert row["image"].shape == (3, 224, 224)
    assert row["image"].dtype == torch.float32
    assert 0 <= float(row["image"].min()) < float(row["image"].max()) <= 1
    assert {"keypoints_2d", "confidence", "K", "hand", "index", "joints_3d", "mask", "scale", "root_3d"} <= set(row)
    assert int(row["index"]) == 4
    assert int(data[-1]["index"]) == 11
    with pytest.raises(IndexError):
        data[12]
    with pytest.raises(InputError, match="has no vertices; it has joints_3d"):
        HandDataset(store, fields=("vertices",))
    assert data.attributes["mean_bone_9_10"] == pytest.approx(0.04)


def test_every_worker_opens_its_own_handle(store: Path) -> None:
    data = HandDataset(store)
    direct = [data[i]["image"] for i in range(12)]  # the parent's handle is open when the workers start
    loader = DataLoader(data, batch_size=3, num_workers=2)
    seen = torch.cat([batch["image"] for batch in loader])
    torch.testing.assert_close(seen, torch.stack(direct), rtol=0, atol=0)
    assert pickle.loads(pickle.dumps(data))._store is None


@pytest.mark.parametrize(
    "augmentation",
    [
        Augmentation(rotation_deg=180),
        Augmentation(colour=1),
        Augmentation(occlusion=1),
        Augmentation(rotation_deg=60, colour=0.5, occlusion=0.5),
        Augmentation(zoom=0.2),
        Augmentation(upright=True, crop_fill=0.6, rotation_deg=20, zoom=0.1),
    ],
)
def test_truth_stays_true(store: Path, augmentation: Augmentation) -> None:
    data, plain = HandDataset(store, augmentation, seed=3), HandDataset(store)
    for row in range(12):
        turned, before = data[row], plain[row]
        error = (project(turned["joints_3d"], turned["K"]) - turned["keypoints_2d"].double()).norm(dim=1)
        assert float(error.max()) < 1e-3
        assert not torch.equal(turned["image"], before["image"])
        # Depth and bone lengths do not change.
        torch.testing.assert_close(turned["joints_3d"][:, 2], before["joints_3d"][:, 2])
        if not augmentation.turns:
            torch.testing.assert_close(turned["keypoints_2d"], before["keypoints_2d"])
        else:
            assert float((turned["keypoints_2d"] - before["keypoints_2d"]).norm()) > 1


def with_depth(store: Path, rows: slice) -> np.ndarray:
    """Give rows of a store 3D points that agree with their true joints, and a spread; the points [N, 21, 4]."""
    with h5py.File(store, "r+") as file:
        world = np.full((len(file["index"]), 21, 4), np.nan, np.float32)
        for row in range(len(world))[rows]:
            joints, seen = file["joints_3d"][row], np.concatenate([file["keypoints_2d"][row], np.ones((21, 1))], 1)
            turn = world_in_camera(np.eye(3), seen, file["K"][row]).T
            world[row] = np.concatenate([(joints - joints.mean(0)) @ turn, np.full((21, 1), 0.004)], 1)
        file["world_3d"] = world
    return world


@pytest.mark.parametrize(
    "augmentation", [Augmentation(), Augmentation(upright=True, crop_fill=0.6, rotation_deg=60, zoom=0.1)]
)
def test_depth_turns_with_the_picture(store: Path, augmentation: Augmentation) -> None:
    world = with_depth(store, slice(6))
    data = HandDataset(store, augmentation, seed=3)
    for number in (0, 5):
        row = {name: value.double().numpy() for name, value in data[number].items()}
        turned = world_in_camera(row["world_3d"], np.concatenate([row["keypoints_2d"], np.ones((21, 1))], 1), row["K"])
        np.testing.assert_allclose(turned[:, :3], row["joints_3d"] - row["joints_3d"].mean(0), atol=1e-6)
        np.testing.assert_array_equal(turned[:, 3], world[number, :, 3])
    assert bool(data[6]["world_3d"].isnan().all())


def test_hands_are_turned_upright(store: Path) -> None:
    for row in HandDataset(store, Augmentation(upright=True)):  # type: ignore[attr-defined]
        up = row["keypoints_2d"][9] - row["keypoints_2d"][0]
        assert abs(float(up[0])) < 1e-3 and float(up[1]) < 0
        error = (project(row["joints_3d"], row["K"]) - row["keypoints_2d"].double()).norm(dim=1)
        assert float(error.max()) < 1e-3


@pytest.mark.parametrize("augmentation", [Augmentation(), Augmentation(upright=True, crop_fill=0.6, zoom=0.1)])
@pytest.mark.parametrize("reduction", [2, 4])
def test_reduced_rows_are_the_whole_ones_averaged(store: Path, augmentation: Augmentation, reduction: int) -> None:
    data = HandDataset(store, augmentation, seed=3)
    small = data.reduced(reduction)
    assert data.reduction == 1 and len(small) == 12
    for number in (0, 7):
        row, whole = small[number], data[number]
        wanted = torch.nn.functional.avg_pool2d(whole["image"], reduction)
        assert row["image"].shape == wanted.shape
        assert float((row["image"] - wanted).abs().max()) < 1.01 / 255  # both are rounded to bytes
        for name in ("keypoints_2d", "K", "joints_3d"):
            torch.testing.assert_close(row[name], whole[name])


def test_close_hands(store: Path) -> None:
    """As its keypoints' box says, and the picture with them: the same point has the same colour."""
    data, plain = HandDataset(store, Augmentation(crop_fill=0.5)), HandDataset(store)
    for number in range(12):
        row, before = data[number], plain[number]
        low, high = row["keypoints_2d"].amin(0), row["keypoints_2d"].amax(0)
        assert float((high - low).max()) == pytest.approx(112, abs=0.01)
        torch.testing.assert_close((low + high) / 2, torch.full((2,), 112.0), atol=0.01, rtol=0)
        assert float(row["K"][0, 0] / before["K"][0, 0]) == pytest.approx(
            112 / float((before["keypoints_2d"].amax(0) - before["keypoints_2d"].amin(0)).max()), rel=1e-3
        )


def test_a_turned_camera_with_an_odd_principal_point() -> None:
    rng = np.random.default_rng(0)
    K = np.array([[480.0, 0, 90], [0, 520.0, 140], [0, 0, 1]])
    points = rng.normal(0, 0.05, (30, 3)) + [0, 0, 0.6]
    window = Window.square((112.0, 112.0), 224, 224, roll=-0.7)
    pixels = points @ K.T
    pixels = pixels[:, :2] / pixels[:, 2:]
    again = window.rotate(points) @ window.intrinsics(K).T
    np.testing.assert_allclose(again[:, :2] / again[:, 2:], window.to_window(pixels), atol=1e-9)


def test_pictures_turn_as_points_do() -> None:
    picture = np.zeros((224, 224, 3), np.uint8)
    picture[60:64, 150:154] = 255  # centre of the spot: (152, 62)
    window = Window.square((112.0, 112.0), 224, 224, roll=-0.6)
    turned = window.sample(picture, repeat=True, dtype=np.uint8)[:, :, 0].astype(float)
    rows, columns = np.mgrid[:224, :224] + 0.5
    centre = np.array([(turned * columns).sum(), (turned * rows).sum()]) / turned.sum()
    np.testing.assert_allclose(centre, window.to_window(np.array([152.0, 62.0])), atol=0.05)
    mask = (picture[:, :, 0] > 0).astype(np.uint8)
    there = window.sample(mask * 255, repeat=False) > 0.5
    assert 12 <= there.sum() <= 20
    np.testing.assert_allclose(np.argwhere(there).mean(0)[::-1] + 0.5, centre, atol=0.7)


def test_seed_and_epoch_decide(store: Path) -> None:
    augmentation = Augmentation(rotation_deg=30, colour=0.5, occlusion=0.5)
    a, b = HandDataset(store, augmentation, seed=1), HandDataset(store, augmentation, seed=1)
    assert torch.equal(a[5]["image"], b[5]["image"])
    b.set_epoch(1)
    assert not torch.equal(a[5]["image"], b[5]["image"])
    assert not torch.equal(a[5]["image"], HandDataset(store, augmentation, seed=2)[5]["image"])


def test_mano_parameters_do_not_turn(store: Path) -> None:
    assert HandDataset(store, fields=("mano_pose",))[0]["mano_pose"].shape == (48,)
    with pytest.raises(InputError, match="MANO parameters cannot be turned"):
        HandDataset(store, Augmentation(rotation_deg=10), fields=("mano_pose",))


@pytest.mark.parametrize("mirrored", [False, True])
def test_crops_see_what_the_picture_saw(mirrored: bool) -> None:
    rng = np.random.default_rng(1)
    K = np.array([[700.0, 0, 330], [0, 690.0, 250], [0, 0, 1]])
    points = rng.normal(0, 0.05, (10, 3)) + [0.1, -0.05, 0.7]
    pixels = points @ K.T
    pixels = pixels[:, :2] / pixels[:, 2:]
    window = Window.around_box(np.array([250.0, 100, 480, 300]), 0.2, 224)
    window = window.flipped() if mirrored else window
    camera, space = window.intrinsics(K), window.rotate(points)
    again = space @ camera.T
    np.testing.assert_allclose(again[:, :2] / again[:, 2:], window.to_window(pixels), atol=1e-9)
    assert camera[0, 0] > 0
    np.testing.assert_allclose(window.to_window(np.array([365.0, 200.0])), [112, 112], atol=1e-9)


def test_cut_takes_the_right_pixels() -> None:
    picture = np.zeros((300, 400, 3), np.uint8)
    picture[100:150, 200:250] = (10, 200, 30)
    window = Window.around_box(np.array([200.0, 100, 250, 150]), 0.5, 224)
    crop = window.sample(picture, repeat=False, dtype=np.uint8)
    assert (crop[80:144, 80:144] == (10, 200, 30)).all()  # the box fills the middle half: 56..168
    assert not crop[:50].any()
    assert not crop[:, :50].any()
    left = Window.around_box(np.array([200.0, 100, 300, 150]), 0.0, 224).flipped().sample(picture, repeat=False)
    assert left[100, 160].any()
    assert not left[100, 60].any()


@pytest.mark.parametrize("seed", range(4))
def test_colours_step_by_step(seed: int) -> None:
    """One affine map against brightness, contrast, saturation and hue one after the other."""
    picture = np.random.default_rng(9).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    rng = np.random.default_rng(seed)
    brightness, contrast, saturation = np.exp(rng.uniform(-0.47, 0.47, 3))
    angle = rng.uniform(-1, 1) * np.deg2rad(18)
    colour = picture / 255 * brightness
    weights = np.array([0.299, 0.587, 0.114])
    colour = (colour - (colour @ weights).mean()) * contrast + (colour @ weights).mean()
    grey = (colour @ weights)[..., None]
    colour = (colour - grey) * saturation + grey
    turn = Rotation.from_rotvec(angle * np.full(3, 3**-0.5)).as_matrix()
    expected = 255 * np.clip(colour @ turn.T, 0, 1)
    np.testing.assert_allclose(draw_recolouring(1.0, np.random.default_rng(seed))(picture), expected, atol=0.51)


def test_fields_as_the_file_has_them(store: Path) -> None:
    """Small fields are read whole, large ones row by row; either way a row is what the file has there."""
    opened = Store(store)
    with h5py.File(store) as file:
        for name in ("K", "keypoints_2d", "index", "mask"):
            for row in (0, 7, 11):
                np.testing.assert_array_equal(opened.field(name, row), file[name][row])
    kinds = {name: isinstance(field, np.ndarray) for name, field in opened._fields.items()}
    assert kinds == {"K": True, "keypoints_2d": True, "index": True, "mask": False}
    opened.close()
