"""Features of a fitted hand, and the error that is expected by them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from handsss.detect.types import Detection
from handsss.errors import InputError
from handsss.fitting.doubt import FEATURES, OF_HANDS, OF_JOINTS, OPTIONAL, features_of
from handsss.fitting.expected_error import FILE, ErrorNetwork, expected_errors, load_expected_error, network_bytes
from handsss.fitting.fitted_hand import FittedHand
from handsss.fitting.hand_input import HandInput
from handsss.fitting.keypoint_fit import KeypointFitter, keypoint_fitter
from tests.fitting.test_keypoint_fit import random_hands
from tests.reconstruction.test_batch import noisy


@pytest.fixture(scope="module")
def fitter() -> KeypointFitter:
    return keypoint_fitter("open", "joints", "search")


@pytest.fixture(scope="module")
def fitted(fitter: KeypointFitter) -> list[FittedHand]:
    """Two hands, each with its camera, fitted to noisy keypoints without a picture."""
    seen = noisy(fitter, random_hands(fitter.problem, 2, seed=31))
    hands = []
    for one, fit in zip(seen, fitter.fit_batch(seen, [None, None]), strict=True):
        keypoints = torch.cat([one.keypoints, one.confidence[:, None]], 1).numpy()
        detection = Detection("right", 0.9, 0.7, keypoints, "joints", np.zeros((4, 2)))
        entry = HandInput(np.zeros((8, 8, 3), np.uint8), one.intrinsics.numpy(), detection, one, False)
        hands.append(FittedHand(entry, "joints", fit, fit.parameters, False, {}, {}))
    return hands


def feature(features: np.ndarray, name: str) -> np.ndarray:
    """[B, 21] the feature of joints, or [B] of hands."""
    if name in OF_JOINTS:
        return features[..., OF_JOINTS.index(name)]
    return features[:, 0, 2 * len(OF_JOINTS) + OF_HANDS.index(name)]


def has(features: np.ndarray) -> np.ndarray:
    """[B, 4] which of OPTIONAL the hands have."""
    return features[:, 0, -len(OPTIONAL) :]


def test_features_say_what_they_are_called(fitter: KeypointFitter, fitted: list[FittedHand]) -> None:
    features = features_of(fitter.problem, fitted)
    assert features.shape == (2, 21, FEATURES) and np.isfinite(features).all()
    for row, one in enumerate(fitted):
        keypoints = one.input.detection.keypoints
        np.testing.assert_allclose(feature(features, "confidence")[row], keypoints[:, 2], rtol=1e-6)
        assert feature(features, "certainty_of_side")[row] == pytest.approx(0.7)
        np.testing.assert_allclose(feature(features, "hypotheses")[row] >= np.log(0.1) - 1e-6, True)
    assert not has(features).any()


def test_what_is_there_is_marked(fitter: KeypointFitter, fitted: list[FittedHand]) -> None:
    one = fitted[0]
    points = fitter.problem.keypoints(one.parameters)[0][0]
    world = torch.cat([points - points.mean(0), torch.full((21, 1), 0.006)], 1)
    seen = one.input._replace(observation=one.input.observation._replace(world=world))
    full = one._replace(input=seen, predicted=True, figures={"segmentation_quality": 0.8, "silhouette_iou": 0.9})
    features = features_of(fitter.problem, [full])
    assert (has(features) == 1).all()
    assert feature(features, "segmentation")[0] == pytest.approx(0.8)
    np.testing.assert_allclose(feature(features, "depth_spread")[0], np.log(6 + 0.1), rtol=1e-6)
    np.testing.assert_allclose(feature(features, "off_depth")[0], np.log(0.1), atol=1e-3)
    np.testing.assert_allclose(feature(features, "moved")[0], np.log(0.1), atol=1e-3)  # no outline moved it
    assert feature(features, "overlap")[0] == pytest.approx(0.9)
    assert feature(features, "palm")[0] == pytest.approx(feature(features_of(fitter.problem, [one]), "palm")[0])


def test_hands_together_are_as_alone(fitter: KeypointFitter, fitted: list[FittedHand]) -> None:
    together = expected_errors(fitter.problem, fitted)
    alone = np.concatenate([expected_errors(fitter.problem, [one]) for one in fitted])
    np.testing.assert_allclose(together, alone, rtol=1e-4)
    assert together.shape == (2, 21) and (together > 0.5).all() and (together < 100).all()
    assert expected_errors(fitter.problem, []).shape == (0, 21)


def test_files_that_are_no_such_network(tmp_path: Path) -> None:
    assert FILE.stat().st_size < 100_000
    kept = load_expected_error()
    path = tmp_path / "own.safetensors"
    path.write_bytes(network_bytes(kept, {"hands": 3}))
    features = torch.randn(2, 21, FEATURES)
    torch.testing.assert_close(load_expected_error(path)(features), kept(features))
    for content in (b"", b"\x08\0\0\0\0\0\0\0{}      ", network_bytes(ErrorNetwork(members=2), {})):
        path.write_bytes(content)
        with pytest.raises(InputError, match="Install handsss again"):
            load_expected_error(path)
