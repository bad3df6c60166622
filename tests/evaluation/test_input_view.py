"""Upright hands for networks that know no others, and the way back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from handsss.data.augment import Augmentation
from handsss.evaluation.ground_truth import DetectedKeypoints, GroundTruth
from handsss.evaluation.input_view import as_seen
from handsss.evaluation.network_hand import TexturedHands
from handsss.evaluation.network_predictions import predict_images
from handsss.evaluation.samples import Samples
from handsss.geometry.cameras import project
from handsss.geometry.framing import CROP, upright_angle
from handsss.geometry.window import Window
from handsss.training.trained_network import load_trained_network

K = np.array([[470.0, 0, 108], [0, 480.0, 116], [0, 0, 1]])


def hands() -> tuple[np.ndarray, np.ndarray]:
    """Two hands, metres, and their projections."""
    points = np.random.default_rng(0).normal(scale=0.05, size=(2, 21, 3)) + [0.0, 0.0, 0.6]
    pixels = project(torch.as_tensor(points), torch.as_tensor(K).expand(2, 3, 3)).numpy()
    return points, pixels


def test_the_angle_by_hand() -> None:
    keypoints, sure = np.zeros((21, 2)), np.ones(21)
    for tip, angle in (((0, -10), 0), ((10, 0), -np.pi / 2), ((-10, 0), np.pi / 2), ((7, -7), -np.pi / 4)):
        keypoints[9] = tip
        found = upright_angle(keypoints, sure)
        assert np.isclose(np.angle(np.exp(1j * (found - angle))), 0, atol=1e-9)
        window = Window.square((112.0, 112.0), CROP, CROP, roll=-found)
        x, y = window.to_window(keypoints)[9] - window.to_window(keypoints)[0]
        assert abs(x) < 1e-9 and y < 0
    sure[9] = 0
    assert upright_angle(keypoints, sure) == 0


def test_there_and_back() -> None:
    points, pixels = hands()
    crops = np.random.default_rng(1).integers(0, 255, (2, 224, 224, 3), dtype=np.uint8)
    seen = as_seen(
        crops, np.stack([K, K]), DetectedKeypoints(pixels, np.ones((2, 21)), "openpose"), Augmentation(upright=True)
    )
    for i, window in enumerate(seen.windows):
        assert abs(window.roll) > 0.01
        turned = window.rotate(points[i])
        flat = project(torch.as_tensor(turned)[None], torch.as_tensor(seen.K[i])[None]).numpy()[0]
        up = flat[9] - flat[0]
        assert abs(up[0]) < 1e-6 and up[1] < 0
        np.testing.assert_allclose(seen.points(np.stack([turned, turned]))[i], points[i], atol=1e-12)
        np.testing.assert_allclose(seen.pixels(np.stack([flat, flat]))[i], pixels[i], atol=1e-6)
    plain = as_seen(crops, np.stack([K, K]), DetectedKeypoints(pixels, np.ones((2, 21)), "openpose"), Augmentation())
    assert plain.crops is crops
    np.testing.assert_array_equal(plain.points(points), points)


def test_unseen_keypoints_turn_nothing() -> None:
    _, pixels = hands()
    pixels[0, 9] = np.nan
    crops = np.zeros((2, 224, 224, 3), np.uint8)
    seen = as_seen(
        crops, np.stack([K, K]), DetectedKeypoints(pixels, np.ones((2, 21)), "openpose"), Augmentation(upright=True)
    )
    assert seen.windows[0].roll == 0 and seen.windows[1].roll != 0
    # Without detections the detector looks; there is nothing to find in black pictures.
    assert [window.roll for window in as_seen(crops, np.stack([K, K]), None, Augmentation(upright=True)).windows] == [
        0,
        0,
    ]


def test_close_hands_fill_the_picture_and_come_back() -> None:
    points, pixels = hands()
    crops = np.random.default_rng(1).integers(0, 255, (2, 224, 224, 3), dtype=np.uint8)
    for view in (Augmentation(crop_fill=0.6), Augmentation(upright=True, crop_fill=0.6)):
        seen = as_seen(crops, np.stack([K, K]), DetectedKeypoints(pixels, np.ones((2, 21)), "openpose"), view)
        for i, window in enumerate(seen.windows):
            moved = window.rotate(points[i])
            flat = project(torch.as_tensor(moved)[None], torch.as_tensor(seen.K[i])[None]).numpy()[0]
            low, high = flat.min(0), flat.max(0)
            assert np.isclose((high - low).max(), 0.6 * 224)
            np.testing.assert_allclose((low + high) / 2, 112, atol=1e-6)
            np.testing.assert_allclose(moved[:, 2], points[i, :, 2])  # a zoom is the camera's
            np.testing.assert_allclose(seen.points(np.stack([moved, moved]))[i], points[i], atol=1e-12)
            np.testing.assert_allclose(seen.pixels(np.stack([flat, flat]))[i], pixels[i], atol=1e-6)


def test_a_hand_of_which_little_was_seen_is_taken_for_a_usual_one() -> None:
    sure = np.zeros(21)
    sure[:10] = 1  # of 21
    window = Augmentation(crop_fill=0.6).window(np.random.default_rng(0).uniform(0, 224, (21, 2)), sure)
    lost = Augmentation(upright=True, crop_fill=0.6, detection_dropout=1.0)
    unseen = lost.window(hands()[1][0], np.ones(21), np.random.default_rng(0))
    np.testing.assert_array_equal(unseen.affine, window.affine)
    assert lost.window(hands()[1][0], np.ones(21)).scale != window.scale  # not in evaluation
    assert lost.view == Augmentation(upright=True, crop_fill=0.6)
    np.testing.assert_allclose(window.centre, (112, 112), atol=1e-12)
    assert np.isclose(window.scale, 0.6 * 224 / 96)


def test_a_sample_is_drawn_with_the_view_that_was_scored() -> None:
    crop = np.random.default_rng(2).integers(0, 255, (224, 224, 3), dtype=np.uint8)
    pixels = np.random.default_rng(3).uniform(40, 180, (1, 21, 2))
    detected = DetectedKeypoints(pixels, np.ones((1, 21)), "mediapipe")
    camera = np.stack([K])
    trained = load_trained_network(Path("handsss-open-lite0"))
    nothing, row, path = np.zeros((1, 21, 3)), np.zeros(1, int), Path("none")
    truth = GroundTruth(
        path, "images", "", "", 1, ["a"], row, camera, row > 0, nothing, None, nothing[:, 0], lambda _: crop, detected
    )
    scored = predict_images(trained, truth, ("openpose",)).vertices
    samples = Samples(
        ["a"], nothing, nothing, scored, None, {}, None, None, camera, None, row, True, detected, truth.crop
    )
    mesh = TexturedHands(trained, samples)(0)
    assert mesh is not None
    np.testing.assert_allclose(mesh.vertices, scored[0], atol=1e-5)
