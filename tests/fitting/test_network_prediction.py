"""A network's hand in the photo's camera."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from handsss.data.augment import Augmentation
from handsss.detect.types import Detection
from handsss.errors import InputError
from handsss.fitting.network_prediction import NetworkPredictor
from handsss.fitting.pose_bank import solve_translation
from handsss.geometry.cameras import project
from handsss.hand.load import load_model
from handsss.network.checkpoint import load_checkpoint
from handsss.network.s2hand import NetworkSettings, S2Hand
from handsss.reconstruction.pipeline import HandPipeline
from handsss.reconstruction.settings import PipelineSettings
from handsss.training.checkpoint import save_checkpoint
from handsss.training.config import TrainConfig, to_toml

SMALL = NetworkSettings("efficientnet-b0", stacks=0, appearance=False)
K = np.array([[480.0, 0, 112], [0, 480.0, 112], [0, 0, 1]])


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that knows nothing yet."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("run") / "final.pt"
    network = S2Hand(load_model("open"), SMALL)
    content = {"network": network.state_dict(), "config": to_toml(TrainConfig(network=SMALL)), "model": "open"}
    save_checkpoint(path, content | {"keypoint_set": "mediapipe", "about": {}})
    return path


def detection(predictor: NetworkPredictor, offset: tuple[float, float], size: float) -> Detection:
    """Keypoints of the hand at rest, in a square box of the size and place."""
    layer = predictor.loaded.network.hand
    with torch.no_grad():
        points = layer.keypoints(layer(pca=torch.zeros(1, 30)), "mediapipe")[0, :, :2].double().numpy()
    low, high = points.min(0), points.max(0)
    seen = (points - (low + high) / 2) / (high - low).max() * size + offset
    keypoints = np.concatenate([seen, np.full((21, 1), 0.9)], 1)
    return Detection("right", 0.9, 0.9, keypoints, "mediapipe", np.zeros((4, 2)))


def test_points_are_placed_where_they_are_seen() -> None:
    rng = np.random.default_rng(0)
    points = torch.as_tensor(rng.normal(scale=0.05, size=(21, 3)))
    for truth in ([0.1, -0.05, 0.4], [-0.3, 0.2, 1.2]):
        moved = points + torch.tensor(truth, dtype=torch.float64)
        pixels = project(moved[None], torch.as_tensor(K)[None])[0].numpy()
        keypoints = np.concatenate([pixels, rng.uniform(0.1, 1, (21, 1))], 1)
        np.testing.assert_allclose(solve_translation(points, keypoints, K).numpy(), truth, atol=1e-9)
        keypoints[3] = np.nan  # one that was not seen
        np.testing.assert_allclose(solve_translation(points, keypoints, K).numpy(), truth, atol=1e-9)


def test_in_the_networks_own_crop_it_is_the_networks_hand(checkpoint: Path) -> None:
    predictor = NetworkPredictor(checkpoint, "open")
    image = np.random.default_rng(1).integers(0, 255, (224, 224, 3), dtype=np.uint8)
    found = detection(predictor, (112.0, 112.0), 224 / 1.5)  # with its margins the whole picture
    made = predictor(image, K, found)
    network = predictor.loaded.network
    picture = torch.as_tensor(image.astype(np.float32) / 255).permute(2, 0, 1)[None]
    with torch.no_grad():
        own = network(picture, torch.as_tensor(K).float()[None], "mediapipe")
    np.testing.assert_allclose(made.rotation, network.turn(own.hand)[0].detach().numpy(), atol=2e-3)
    np.testing.assert_allclose(made.shape, own.hand.shape[0].numpy(), atol=2e-3)


def test_a_hand_at_the_side_is_turned_to_its_ray(checkpoint: Path) -> None:
    """The same crop, seen at the edge of a wide photo: the hand is turned as the line of sight is."""
    predictor = NetworkPredictor(checkpoint, "open")
    crop = np.random.default_rng(1).integers(0, 255, (224, 224, 3), dtype=np.uint8)
    middle = predictor(crop, K, detection(predictor, (112.0, 112.0), 224 / 1.5))
    wide = np.zeros((224, 900, 3), np.uint8)
    wide[:, 600:824] = crop
    camera = np.array([[480.0, 0, 450], [0, 480.0, 112], [0, 0, 1]])
    side = predictor(wide, camera, detection(predictor, (712.0, 112.0), 224 / 1.5))
    angle = np.arctan2(712 - 450, 480)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    np.testing.assert_allclose(side.rotation, turn @ middle.rotation, atol=2e-3)
    assert side.translation[0] > 0.1 and side.translation[2] > 0.05


def test_a_turned_photo_of_an_upright_network_gives_the_turned_hand(checkpoint: Path, tmp_path: Path) -> None:
    content = load_checkpoint(checkpoint)
    config = TrainConfig(network=SMALL, augmentation=Augmentation(upright=True))
    save_checkpoint(tmp_path / "upright.pt", content | {"config": to_toml(config)})
    predictor = NetworkPredictor(tmp_path / "upright.pt", "open")
    assert predictor.view.upright and not NetworkPredictor(checkpoint, "open").view.upright
    image = np.random.default_rng(1).integers(0, 255, (224, 224, 3), dtype=np.uint8)
    found = detection(predictor, (112.0, 112.0), 110.0)
    made = predictor(image, K, found)
    # A quarter turn clockwise about the middle: (x, y) -> (224 - y, x).
    points = found.keypoints.copy()
    points[:, 0], points[:, 1] = 224 - found.keypoints[:, 1], found.keypoints[:, 0]
    turned = predictor(np.ascontiguousarray(np.rot90(image, -1)), K, replace(found, keypoints=points))
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    np.testing.assert_allclose(turned.rotation, quarter @ made.rotation, atol=1e-4)
    np.testing.assert_allclose(turned.translation, quarter @ made.translation, atol=1e-5)
    np.testing.assert_allclose(turned.axis_angle, made.axis_angle, atol=1e-4)


def test_the_whole_way(checkpoint: Path) -> None:
    image = np.random.default_rng(1).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    camera = np.array([[300.0, 0, 160], [0, 300.0, 120], [0, 0, 1]])
    settings = PipelineSettings(appearance=False, refine=False, checkpoint=str(checkpoint))
    start = HandPipeline("open", settings)
    assert isinstance(start.predictor, NetworkPredictor)
    found = detection(start.predictor, (150.0, 110.0), 120.0)
    raw = start(image, camera, [found])[0]
    assert raw.seconds["predict"] > 0
    refined = HandPipeline("open", PipelineSettings(appearance=False, checkpoint=str(checkpoint)))
    fine = refined(image, camera, [found])[0]
    assert fine.fit["reprojection_px"] < min(5.0, raw.fit["reprojection_px"])


def test_another_hand_model_is_refused(checkpoint: Path) -> None:
    with pytest.raises(InputError, match=r"was trained with the hand model 'open'.*give model open"):
        NetworkPredictor(checkpoint, "mano")
    assert NetworkPredictor(checkpoint, "open-detail").loaded.model == "open"
