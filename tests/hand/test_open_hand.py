"""The shipped open hand: what its two files promise."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model
from handsss.hand.model import HandModel
from handsss.hand.sampling import sample_poses

REPORT = Path(__file__).parents[2] / "docs/open-hand-report.json"


@pytest.fixture(scope="module", params=["open", "open-detail"])
def model(request: pytest.FixtureRequest) -> HandModel:
    return load_model(request.param)


def test_sizes_and_topology(model: HandModel) -> None:
    vertices, faces = {"open": (778, 1538), "open-detail": (1649, 3276)}[model.name]
    assert (model.vertex_count, len(model.faces)) == (vertices, faces)
    edges = np.sort(np.concatenate([model.faces[:, [0, 1]], model.faces[:, [1, 2]], model.faces[:, [2, 0]]]), axis=1)
    _, counts = np.unique(edges, axis=0, return_counts=True)
    assert set(counts) == {1, 2}
    ring = (counts == 1).sum()  # the open wrist
    assert faces == 2 * vertices - ring - 2
    assert set(model.faces.ravel()) == set(range(vertices))


def test_canonical_frame_and_size(model: HandModel) -> None:
    joints = model.j_regressor @ model.v_template
    wrist, middle_tip = joints[0], model.v_template[model.tips[1]]
    assert middle_tip[0] < joints[4][0] < wrist[0]  # fingers along -x
    assert model.v_template[model.tips[4], 2] > joints[1][2] > joints[7][2]  # thumb, index, little towards -z
    assert np.linalg.norm(middle_tip - wrist) == pytest.approx(0.185, abs=0.002)
    report = json.loads(REPORT.read_text())
    assert np.linalg.norm(middle_tip - wrist) * 1000 == pytest.approx(report["wrist_to_middle_tip_mm"], abs=1.5)


def test_weights_regressor_and_spaces(model: HandModel) -> None:
    assert (model.weights >= 0).all()
    np.testing.assert_allclose(model.weights.sum(1), 1, atol=1e-4)
    assert ((model.weights > 0).sum(1) <= 4).all()
    regressor = np.asarray(model.j_regressor)
    assert regressor.min() >= 0
    np.testing.assert_allclose(regressor.sum(1), 1, atol=1e-4)
    np.testing.assert_allclose(model.hands_components @ model.hands_components.T, np.eye(45), atol=1e-6)
    assert (np.diff(model.hands_std) <= 1e-9).all()
    frames = np.asarray(model.bone_frames)
    np.testing.assert_allclose(frames @ frames.transpose(0, 2, 1), np.broadcast_to(np.eye(3), (15, 3, 3)), atol=1e-6)
    np.testing.assert_allclose(np.linalg.det(frames), 1, atol=1e-6)


def test_texture_layout(model: HandModel) -> None:
    assert model.uv is not None
    assert model.uv_faces is not None
    assert model.uv_faces.shape == model.faces.shape
    assert model.uv.min() >= 0
    assert model.uv.max() <= 1
    corners = model.uv[model.uv_faces]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    assert (np.sign(areas) == np.sign(np.median(areas))).mean() > 0.99  # no mirrored or folded charts
    assert model.nail_faces is not None
    assert len(model.nail_faces) >= 70


def test_both_meshes_pose_alike() -> None:
    """The small mesh follows the detailed one: joints to a millimetre in any pose."""
    small, large = load_model("open"), load_model("open-detail")
    poses = torch.as_tensor(sample_poses(small, 20, np.random.default_rng(0))).reshape(20, 15, 3)
    joints = [
        HandLayer(part, flat_hand_mean=True, dtype=torch.float64)(axis_angle=poses).joints for part in (small, large)
    ]
    assert float((joints[0] - joints[1]).norm(dim=-1).max()) < 1e-3


def test_flexion_bends_fingers_towards_the_palm(model: HandModel) -> None:
    layer = HandLayer(model, flat_hand_mean=True, dtype=torch.float64)
    flat = layer(axis_angle=torch.zeros(1, 15, 3, dtype=torch.float64)).joints[0]
    for joint in range(15):
        angles = torch.zeros(1, 15, 3, dtype=torch.float64)
        flexion = torch.as_tensor(np.asarray(model.bone_frames)[joint, :, 1])
        angles[0, joint] = 0.6 * flexion
        bent = layer(axis_angle=angles).joints[0]
        moved = bent - flat
        tip = int(moved.norm(dim=-1).argmax())
        assert float(moved[tip].norm()) > 0.005
        if joint < 12:  # the thumb's flexion runs across the palm
            assert float(moved[tip, 1]) < 0, f"joint {joint} bends backwards"


def test_sampled_poses_stay_inside_the_limits(model: HandModel) -> None:
    layer = HandLayer(model, flat_hand_mean=True, dtype=torch.float64)
    poses = torch.as_tensor(sample_poses(model, 200, np.random.default_rng(3))).reshape(200, 15, 3)
    from handsss.geometry.rotations import axis_angle_to_matrix

    excess = torch.rad2deg(layer.limit_excess(axis_angle_to_matrix(poses)))
    assert float(excess.max()) < 0.5
    assert float(poses.std(0).max()) > 0.3


def test_prototype_figures_are_met() -> None:
    report = json.loads(REPORT.read_text())
    assert report["shape_explained"] >= 0.989
    assert report["shape_mean_vertex_error_mm"] <= 0.42
    assert report["joint_regression_mean_mm"][1] <= 0.84
    assert report["joint_regression_worst_mm"] <= 4.88
    assert report["pose_components_30_explained"] >= 0.999
    assert report["posedirs_held_out_r2"] >= 0.991
    assert report["lod_surface_mean_mm"] <= 0.23
    assert report["lod_surface_max_mm"] <= 1.09
    assert report["lod_joints_mean_mm"] <= 0.033
