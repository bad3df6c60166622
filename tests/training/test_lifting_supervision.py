"""The hands that E_lifted compares with: those that the fit starts from, in batches; and where there are none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from handsss.errors import UserError
from handsss.fitting.lifting import Lifter
from handsss.fitting.observation import Observation
from handsss.fitting.problem import FitSettings, KeypointProblem
from handsss.hand.load import load_model
from handsss.hand.sampling import sample_poses
from handsss.training.config import resolve
from handsss.training.lifting_supervision import LiftingTeacher, lifting_teacher
from handsss.training.recipe import Recipe, as_baseline, without_lifting

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def seen() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Keypoints [B, 21, 2], confidences and cameras of sampled hands that are looked at askew."""
    rng = np.random.default_rng(5)
    model = load_model("open")
    problem = KeypointProblem(model, model.keypoint_set("mediapipe"), FitSettings())
    poses = torch.as_tensor(sample_poses(model, 6, rng)).reshape(6, 15, 3)
    output = problem.layer(
        axis_angle=poses,
        rotation=torch.as_tensor(Rotation.random(6, rng=rng).as_matrix()),
        translation=torch.as_tensor(rng.normal([0.05, -0.1, 0.6], 0.02, (6, 3))),
    )
    points = problem.layer.keypoints(output, problem.keypoint_set)
    focal = torch.as_tensor(rng.uniform(300, 900, 6))
    K = torch.eye(3, dtype=torch.float64).repeat(6, 1, 1)
    K[:, 0, 0], K[:, 1, 1], K[:, :2, 2] = focal, 1.1 * focal, torch.tensor([112.0, 90.0], dtype=torch.float64)
    flat = points @ K.transpose(1, 2)
    confidence = torch.as_tensor(rng.uniform(0.3, 1, (6, 21)))
    confidence[2, 5:9] = 0
    return flat[..., :2] / flat[..., 2:], confidence, K


def test_the_teacher_has_the_hands_that_fits_start_from(seen: tuple[torch.Tensor, ...]) -> None:
    keypoints, confidence, K = seen
    model = load_model("open")
    problem = KeypointProblem(model, model.keypoint_set("mediapipe"), FitSettings())
    lifter = Lifter(model, problem)
    lifted = LiftingTeacher("mediapipe", CPU)(keypoints.float(), confidence.float(), K.float())
    assert lifted.joints.shape == (6, 3, 21, 3)
    torch.testing.assert_close(lifted.probability.sum(1), torch.ones(6))
    torch.testing.assert_close(lifted.confidence, confidence.float().mean(1))
    for row in range(6):
        starts, _ = problem.keypoints(lifter(Observation(keypoints[row], confidence[row], K[row])))
        order = lifted.probability[row].argsort(descending=True, stable=True)
        ours = lifted.joints[row, order].double()
        # Up to where the hand is: the fit's starts are put over the keypoints.
        torch.testing.assert_close(ours - ours[:, 9:10], starts - starts[:, 9:10], atol=2e-5, rtol=0)


def test_rows_without_keypoints_have_no_say(seen: tuple[torch.Tensor, ...]) -> None:
    keypoints, confidence, K = (value.float().clone() for value in seen)
    confidence[1] = 0
    keypoints[1] = 0
    lifted = LiftingTeacher("openpose", CPU)(keypoints, confidence, K)
    assert all(bool(torch.isfinite(value).all()) for value in lifted)
    assert lifted.confidence[1] == 0
    assert (lifted.confidence[[0, 2, 3, 4, 5]] > 0.2).all()


def test_low_precision_around_it_changes_nothing(seen: tuple[torch.Tensor, ...]) -> None:
    given = [value.float() for value in seen]
    teacher = LiftingTeacher("mediapipe", CPU)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = teacher(*given)
    torch.testing.assert_close(low.joints, teacher(*given).joints)


def test_other_hand_models_cannot_be_taught() -> None:
    model = load_model("open")
    assert lifting_teacher(model, "mediapipe", CPU) is lifting_teacher(load_model("open-detail"), "mediapipe", CPU)
    with pytest.raises(UserError, match=r"knows the open hand only, not 'mano'.*Give losses.w_lifted=0"):
        lifting_teacher(replace(model, name="mano"), "mediapipe", CPU)


def test_the_term_is_left_out_where_it_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = resolve("full", None, ("losses.w_lifted=2",))
    kept, reason = without_lifting(config, Recipe(tmp_path))
    assert kept is config and reason == ""
    kept, reason = without_lifting(config, Recipe(tmp_path, supervision="fsl"))
    assert kept.losses == replace(config.losses, w_lifted=0.0)
    assert reason == "without E_lifted: true joints are given"
    monkeypatch.setattr("handsss.training.recipe.load_model", lambda name: replace(load_model("open"), name=name))
    kept, reason = without_lifting(config, Recipe(tmp_path, model="mano"))
    assert kept.losses.w_lifted == 0 and "the open hand only, not mano" in reason
    assert without_lifting(resolve("full"), Recipe(tmp_path, model="mano")) == (resolve("full"), "")
    assert as_baseline(config).losses.w_lifted == 0
