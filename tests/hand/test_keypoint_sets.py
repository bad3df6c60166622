"""Keypoint definitions and their transfer between models."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from handsss.errors import InputError
from handsss.hand.joints import MANO_LEFT_MANOPTH_TIPS, MANO_TIPS
from handsss.hand.keypoint_sets import KeypointSet
from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model
from handsss.hand.model import mirrored
from handsss.hand.transfer import corresponding_points, transfer_keypoint_set

DOUBLE = torch.float64
TIP_ROWS = [4, 8, 12, 16, 20]
MODEL_ROWS = [0, 13, 14, 15, None, 1, 2, 3, None, 4, 5, 6, None, 10, 11, 12, None, 7, 8, 9, None]


def posed(model, seed: int = 0):
    layer = HandLayer(model, dtype=DOUBLE)
    generator = torch.Generator().manual_seed(seed)
    pca = torch.randn(3, 12, generator=generator, dtype=DOUBLE) * torch.as_tensor(model.hands_std[:12]).clamp(max=0.6)
    return layer, layer(pca=pca, shape=torch.randn(3, 10, generator=generator, dtype=DOUBLE))


@pytest.mark.parametrize(
    ("name", "tips"), [("ho3d", "ho3d"), ("manopth", "manopth"), ("smplx", "smplx"), ("openpose", "freihand")]
)
def test_kinematic_sets_of_mano(mano_model, name, tips) -> None:
    """The set "openpose" is S2HAND's: the kinematic chain with FreiHAND's fingertips."""
    layer, output = posed(mano_model)
    points = layer.keypoints(output, name)
    for row, joint in enumerate(MODEL_ROWS):
        if joint is not None:
            torch.testing.assert_close(points[:, row], output.kinematic_joints[:, joint])
    for row, tip in zip(TIP_ROWS, MANO_TIPS[tips], strict=True):
        torch.testing.assert_close(points[:, row], output.vertices[:, tip])


def test_freihand_joints_come_from_the_posed_vertices(mano_model) -> None:
    layer, output = posed(mano_model)
    points = layer.keypoints(output, "freihand")
    regressed = torch.as_tensor(mano_model.j_regressor) @ output.vertices
    for row, joint in enumerate(MODEL_ROWS):
        if joint is not None:
            torch.testing.assert_close(points[:, row], regressed[:, joint])
    for row, tip in zip(TIP_ROWS, MANO_TIPS["freihand"], strict=True):
        torch.testing.assert_close(points[:, row], output.vertices[:, tip])
    inner = [row for row, joint in enumerate(MODEL_ROWS) if joint is not None]
    distance = (points - layer.keypoints(output, "joints"))[:, inner].norm(dim=-1)
    assert distance.max() > 1e-3, "regressed and kinematic joints differ on a bent hand"


def test_left_mano_has_manopths_own_middle_tip(mano_arrays) -> None:
    from handsss.hand.keypoint_sets import standard_sets

    sets = standard_sets(mano_arrays["J_regressor"], np.array(MANO_TIPS["manopth"]), mano=True, side="left")
    tips = [int(sets["manopth"].vertex_weights[row].indices[0]) for row in TIP_ROWS]
    assert tuple(tips) == MANO_LEFT_MANOPTH_TIPS


def test_open_hand_uses_its_own_tips_everywhere() -> None:
    model = load_model("open")
    layer, output = posed(model)
    expected = output.joints[:, TIP_ROWS]
    for name in ("joints", "openpose", "freihand", "ho3d", "manopth", "smplx"):
        torch.testing.assert_close(layer.keypoints(output, name)[:, TIP_ROWS], expected)
    torch.testing.assert_close(layer.keypoints(output), output.joints)


def test_keypoint_gradients(small_mano) -> None:
    layer = HandLayer(small_mano, dtype=DOUBLE)
    weights = np.random.default_rng(0).dirichlet(np.ones(16 + small_mano.vertex_count), 21)
    chosen = KeypointSet("mixed", weights[:, :16], csr_matrix(weights[:, 16:]))
    pca = torch.randn(1, 5, dtype=DOUBLE, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: layer.keypoints(layer(pca=p), chosen), pca)


def test_two_sets_of_one_name_are_kept_apart(small_mano) -> None:
    layer = HandLayer(small_mano, dtype=DOUBLE)
    output = layer(pca=torch.zeros(1, 3, dtype=DOUBLE))
    places = []
    for vertex in (0, 7):
        matrix = csr_matrix((np.ones(21), (np.arange(21), np.full(21, vertex))), shape=(21, small_mano.vertex_count))
        points = layer.keypoints(output, KeypointSet("same name", np.zeros((21, 16)), matrix))
        torch.testing.assert_close(points, output.vertices[:, [vertex]].expand(1, 21, 3))
        places.append(points)
    assert not torch.equal(*places)


def test_weights_must_sum_to_one() -> None:
    with pytest.raises(ValueError, match=r"keypoint set 'bad': weights of keypoint 3 sum to 0\.500000, not 1"):
        joint_weights = np.zeros((21, 16))
        joint_weights[:, 0] = 1
        joint_weights[3, 0] = 0.5
        KeypointSet("bad", joint_weights, csr_matrix((21, 5)))


def test_unknown_set_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"the hand model 'open' has no keypoint set 'coco'; it has: .*freihand"):
        load_model("open").keypoint_set("coco")


@pytest.mark.parametrize("name", ["joints", "freihand"])
def test_transfer_to_the_same_model_changes_nothing(name) -> None:
    model = load_model("open")
    given = model.keypoint_set(name)
    points = given.joint_weights @ (model.j_regressor @ model.v_template) + given.vertex_weights @ model.v_template
    moved = transfer_keypoint_set(model, model, name)
    np.testing.assert_allclose(moved.vertex_weights @ model.v_template, points, atol=2e-4)
    assert (moved.vertex_weights.data >= 0).all() and moved.joint_weights.max() == 0
    np.testing.assert_allclose(np.asarray(moved.vertex_weights.sum(1)).ravel(), 1)


def test_transfer_between_meshes_of_one_hand_finds_the_same_places() -> None:
    source, target = load_model("open-detail"), load_model("open")
    moved = transfer_keypoint_set(source, target, "joints").vertex_weights @ target.v_template
    own = target.keypoint_set("joints")
    expected = own.joint_weights @ (target.j_regressor @ target.v_template) + own.vertex_weights @ target.v_template
    error = np.linalg.norm(moved - expected, axis=1)
    inner = [row for row, joint in enumerate(MODEL_ROWS) if joint is not None]
    assert error[inner].max() < 5e-4
    assert error.max() < 3e-3  # the two meshes' tip vertices differ


def test_transferred_points_stay_with_the_joints_in_every_pose() -> None:
    model = load_model("open")
    moved = transfer_keypoint_set(load_model("open-detail"), model, "joints")
    layer, output = posed(model, seed=4)
    inner = [row for row, joint in enumerate(MODEL_ROWS) if joint is not None]
    joints = layer.keypoints(output, "joints")
    drift, regressors = (
        (layer.keypoints(output, chosen) - joints)[:, inner].norm(dim=-1) for chosen in (moved, "freihand")
    )
    # No set on vertices follows the joints of a bent finger exactly; the model's own regressor is the measure.
    assert drift.max() < 1.3 * regressors.max() and drift.mean() < 1.5 * regressors.mean()


def test_transfer_follows_size_and_length() -> None:
    """A hand twice as large has its points in the same places, at twice the distance."""
    from dataclasses import replace

    model = load_model("open")
    large = replace(model, v_template=2 * model.v_template)
    rng = np.random.default_rng(0)
    points = model.j_regressor[[0] * 21] @ model.v_template + rng.normal(scale=0.01, size=(21, 3))
    np.testing.assert_allclose(corresponding_points(model, large, points), 2 * points, atol=1e-9)


def test_transfer_commutes_with_mirroring() -> None:
    source, target = load_model("open-detail"), load_model("open")
    right = transfer_keypoint_set(source, target, "freihand")
    left = transfer_keypoint_set(mirrored(source), mirrored(target), "freihand")
    np.testing.assert_allclose(right.vertex_weights.toarray(), left.vertex_weights.toarray(), atol=1e-6)
    with pytest.raises(InputError, match="cannot transfer keypoints from a right to a left hand"):
        transfer_keypoint_set(source, mirrored(target), "freihand")
