"""Hands that are fitted together end as each would alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

import handsss
from handsss.detect.types import mirror
from handsss.fitting.hand_input import HandInput
from handsss.fitting.keypoint_fit import KeypointFitter, keypoint_fitter
from handsss.fitting.levenberg_marquardt import minimise
from handsss.fitting.network_prediction import NetworkPredictor, PredictorInput
from handsss.fitting.observation import Observation, observation_of
from handsss.fitting.problem import HandParameters, retract
from handsss.fitting.segmentation import Segmentation, segment
from handsss.fitting.silhouette_fit import SilhouetteSettings, crop_coverage, posed_vertices, refine
from handsss.geometry.cameras import intrinsics_from_fov, project
from handsss.geometry.window import Crop, crop_around
from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model
from handsss.io.image import read_image
from handsss.reconstruction.pipeline import HandPipeline
from handsss.reconstruction.settings import PipelineSettings
from tests.fitting.test_keypoint_fit import INTRINSICS, random_hands

SAMPLE = Path(handsss.__file__).parent / "samples/nocurl.jpg"


@pytest.fixture(scope="module")
def fitter() -> KeypointFitter:
    return keypoint_fitter("open", "joints", "search")


def noisy(fitter: KeypointFitter, hands: HandParameters) -> list[Observation]:
    """Keypoints of hands under different cameras, each with its own error, confidences and missing points."""
    rng = np.random.default_rng(4)
    points, _ = fitter.problem.keypoints(hands)
    found = []
    for number, one in enumerate(points):
        K = INTRINSICS.numpy() * np.array([[1 + 0.2 * number], [1 + 0.2 * number], [1]])
        pixels = project(one[None], torch.as_tensor(K))[0].numpy() + rng.normal(0, 2.0, (21, 2))
        confidence = rng.uniform(0.3, 1, (21, 1))
        confidence[rng.integers(21, size=number)] = 0
        found.append(observation_of(np.concatenate([pixels, confidence], 1), K))
    return found


def test_residuals_of_several_hands_are_those_of_each(fitter: KeypointFitter) -> None:
    hands = random_hands(fitter.problem, 4, seed=8)
    seen = noisy(fitter, random_hands(fitter.problem, 4, seed=9))
    together = fitter.problem.residuals(hands, Observation.stack(seen))
    for row, one in enumerate(seen):
        torch.testing.assert_close(
            together[row], fitter.problem.residuals(hands.select(row), one)[0], rtol=1e-9, atol=1e-9
        )
        assert Observation.stack(seen).size[row] == pytest.approx(float(one.size))


def test_minimising_together_is_minimising_alone(fitter: KeypointFitter) -> None:
    """One hand begins where it ends and rests at once; it must not go on moving while others do."""
    problem = fitter.problem
    truth = random_hands(problem, 3, seed=12)
    seen = noisy(fitter, truth)
    starts = [fitter.bank.starts(one, count) for one, count in zip(seen, (3, 1, 2), strict=True)]
    starts[1] = minimise(problem, starts[1], seen[1], 60).parameters
    hand = torch.tensor([0, 0, 0, 1, 2, 2])
    together = minimise(problem, HandParameters.concat(starts), Observation.stack(seen).select(hand), 12, hand)
    for number, (start, one) in enumerate(zip(starts, seen, strict=True)):
        alone = minimise(problem, start, one, 12)
        rows = hand == number
        torch.testing.assert_close(together.cost[rows], alone.cost, rtol=1e-5, atol=1e-5)
        for own, other in zip(together.parameters.select(rows), alone.parameters, strict=True):
            torch.testing.assert_close(own, other, rtol=0, atol=1e-4)
        before, _ = problem.robust(problem.residuals(start, one))
        assert bool((alone.cost <= before).all())


def test_fitting_together_is_fitting_alone(fitter: KeypointFitter) -> None:
    seen = noisy(fitter, random_hands(fitter.problem, 3, seed=31))
    for refined in (True, False):
        for fit, one in zip(fitter.fit_batch(seen, [None] * 3, refine=refined), seen, strict=True):
            alone = fitter(one, refine=refined)
            assert fit.cost == pytest.approx(alone.cost, rel=1e-4)
            assert len(fit.starts.pose) == len(alone.starts.pose)
            torch.testing.assert_close(fit.parameters.rotation, alone.parameters.rotation, rtol=0, atol=1e-3)


class Outlined(NamedTuple):
    """A hand that was moved away from its outline."""

    crop: Crop
    segmentation: Segmentation
    observation: Observation
    start: HandParameters


def outlined(fitter: KeypointFitter, layer: HandLayer, seed: int, width: int) -> Outlined:
    truth = random_hands(fitter.problem, 1, seed=seed)
    vertices = posed_vertices(layer, fitter.problem, truth)
    K = INTRINSICS.numpy()
    outline = project(vertices.double(), INTRINSICS)[0].numpy()
    crop = crop_around(np.zeros((224, width, 3), np.uint8), K, outline, margin=0.25, longer_side=96)
    assert crop is not None
    mask = crop_coverage(vertices, layer, crop)
    points, _ = fitter.problem.keypoints(truth)
    seen = project(points, INTRINSICS)[0]
    moved = retract(truth, torch.full((1, 61), 0.02, dtype=torch.float64))
    observation = Observation(seen, torch.full((21,), 0.05, dtype=torch.float64), INTRINSICS)
    return Outlined(crop, Segmentation(mask, np.ones_like(mask, dtype=bool), 0.9), observation, moved)


def test_outlines_together_are_outlines_alone(fitter: KeypointFitter) -> None:
    layer = HandLayer(load_model("open"), flat_hand_mean=True)
    settings = SilhouetteSettings(longer_side=96, iterations=12)
    hands = [outlined(fitter, layer, seed, width) for seed, width in ((3, 224), (5, 150), (6, 224))]
    assert len({hand.crop.size for hand in hands}) > 1  # pictures of different shapes in one batch

    def pulled(chosen: list[Outlined]) -> HandParameters:
        return refine(
            HandParameters.concat([hand.start for hand in chosen]),
            fitter.problem,
            layer,
            Observation.stack([hand.observation for hand in chosen]),
            [hand.crop for hand in chosen],
            [hand.segmentation for hand in chosen],
            settings,
        )

    def mismatch(parameters: HandParameters, hand: Outlined) -> float:
        after = crop_coverage(posed_vertices(layer, fitter.problem, parameters), layer, hand.crop)
        return float(np.square(after - hand.segmentation.probability).mean())

    together = pulled(hands)
    for row, hand in enumerate(hands):
        alone = pulled([hand])
        for own, other in zip(together, alone, strict=True):
            torch.testing.assert_close(own[row : row + 1], other, rtol=0, atol=2e-3)
        assert mismatch(together.select(row), hand) < 0.6 * mismatch(hand.start, hand)


def test_a_hand_that_is_no_number_spoils_no_other(fitter: KeypointFitter) -> None:
    layer = HandLayer(load_model("open"), flat_hand_mean=True)
    settings = SilhouetteSettings(longer_side=96, iterations=4)
    hand = outlined(fitter, layer, 3, 224)
    lost = hand.start._replace(pose=torch.full_like(hand.start.pose, float("nan")))
    parts = [hand.observation] * 2, [hand.crop] * 2, [hand.segmentation] * 2
    made = refine(
        HandParameters.concat([lost, hand.start]),
        fitter.problem,
        layer,
        Observation.stack(parts[0]),
        *parts[1:],
        settings,
    )
    assert bool(torch.isfinite(made.pose[1]).all())
    assert not torch.equal(made.pose[1], hand.start.pose[0])
    assert bool(torch.isnan(made.pose[0]).all())


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return read_image(SAMPLE).array


@pytest.fixture(scope="module")
def inputs(photo: np.ndarray) -> list[HandInput]:
    """The shipped photo's hand; the same in the mirrored photo; and again with OpenPose's definition."""
    camera = intrinsics_from_fov(photo.shape[1], photo.shape[0])
    pipeline = HandPipeline("open", PipelineSettings(appearance=False))
    (left,) = pipeline.detect_hands(photo)
    right = mirror(left, photo.shape[1])
    other = replace(left, keypoint_set="openpose")
    mirrored = np.ascontiguousarray(photo[:, ::-1])
    return [
        *pipeline.find_hands(photo, camera, [left]).inputs,
        *pipeline.find_hands(mirrored, camera, [right]).inputs,
        *pipeline.find_hands(photo, camera, [other]).inputs,
    ]


@pytest.mark.parametrize(("appearance", "near"), [(False, 2e-5), (True, 1e-3)])
def test_photos_together_are_photos_alone(inputs: list[HandInput], appearance: bool, near: float) -> None:
    pipeline = HandPipeline("open", PipelineSettings(appearance=appearance, texture_size=32))
    together = pipeline.reconstruct(inputs)
    assert [hand.hand for hand in together] == ["left", "right", "left"]
    assert [hand.keypoint_set for hand in together] == ["mediapipe", "mediapipe", "openpose"]
    for hand_input, hand in zip(inputs, together, strict=True):
        (alone,) = pipeline.reconstruct([hand_input])
        np.testing.assert_allclose(hand.vertices, alone.vertices, atol=near)
        assert hand.fit.keys() == alone.fit.keys()
        assert ("silhouette_iou" in hand.fit) == appearance
        assert min(hand.seconds[name] for name in ("predict", "fit")) > 0
    assert np.abs(together[2].vertices - together[0].vertices).max() > 1e-4  # another definition is another fit


def test_a_photo_without_hands_is_no_work(inputs: list[HandInput]) -> None:
    pipeline = HandPipeline("open", PipelineSettings(appearance=False))
    assert pipeline.reconstruct([]) == []
    assert keypoint_fitter("open", "joints", "search").fit_batch([], []) == []


def test_pictures_together_are_predicted_as_alone(inputs: list[HandInput]) -> None:
    predictor = HandPipeline("open").predictor
    assert isinstance(predictor, NetworkPredictor)
    hands = [PredictorInput(v.image, v.intrinsics, v.detection) for v in inputs]
    for made, hand in zip(predictor.predict_batch(hands), hands, strict=True):
        for own, other in zip(made, predictor(*hand), strict=True):
            np.testing.assert_allclose(own, other, atol=2e-4)
    assert predictor.predict_batch([]) == []


def test_a_pixel_more_hardly_changes_the_segmentation(inputs: list[HandInput]) -> None:
    """Arithmetic rounds otherwise at times; a photo's hand must not depend on it."""
    hand_input = inputs[1]
    points = hand_input.detection.keypoints[:, :2]
    crop = crop_around(hand_input.image, hand_input.intrinsics, points, margin=0.25, longer_side=192)
    assert crop is not None
    seen = crop.window.to_window(points)
    rows, columns = np.mgrid[0 : crop.size[0], 0 : crop.size[1]]
    distance = np.min([np.hypot(columns - x, rows - y) for x, y in seen], 0)
    nowhere = np.zeros(crop.size, dtype=bool)
    guess = (distance < 14).astype(np.float32)
    whole = segment(crop.image, guess, nowhere)
    edge = np.argwhere((distance >= 14) & (distance < 15))[::40]
    assert whole is not None and len(edge) > 5
    for row, column in edge:
        guess[row, column] = 1
        other = segment(crop.image, guess, nowhere)
        guess[row, column] = 0
        assert other is not None
        assert np.abs(other.probability - whole.probability).mean() < 5e-3
