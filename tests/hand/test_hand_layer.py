"""The layer against a textbook implementation, and what its options mean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from handsss.geometry.rotations import axis_angle_to_matrix, mirror_axis_angle
from handsss.hand.joints import JOINT_ORDERS, MANO_TIPS
from handsss.hand.layer import HandLayer, HandOutput, as_manopth
from handsss.hand.load import load_model
from handsss.hand.model import HandModel, mirrored, model_from_arrays

DOUBLE = torch.float64
Parameters = dict[str, torch.Tensor]


def textbook(
    model: HandModel,
    local: np.ndarray,
    shape: np.ndarray,
    rotation: np.ndarray,
    scale: float,
    translation: np.ndarray,
    pivot: str,
) -> tuple[np.ndarray, np.ndarray]:
    """One hand as the paper's formulae say, in loops: vertices [V, 3] and kinematic joints [16, 3]."""
    shaped = model.v_template.copy()
    for k in range(10):
        shaped = shaped + model.shapedirs[:, :, k] * shape[k]
    joints = model.j_regressor @ shaped
    posed = shaped.copy()
    for entry in range(135):
        joint, row, column = entry // 9, entry % 9 // 3, entry % 3
        posed = posed + model.posedirs[:, :, entry] * (local[joint, row, column] - (row == column))
    transforms = []
    for joint in range(16):
        step = np.eye(4)
        if joint == 0:
            step[:3, 3] = joints[0]
            transforms.append(step)
            continue
        parent = model.parents[joint]
        step[:3, :3] = local[joint - 1]
        step[:3, 3] = joints[joint] - joints[parent]
        transforms.append(transforms[parent] @ step)
    vertices = np.zeros_like(posed)
    for v in range(len(posed)):
        for joint in range(16):
            bone = transforms[joint]
            vertices[v] += model.weights[v, joint] * (bone[:3, :3] @ (posed[v] - joints[joint]) + bone[:3, 3])
    ends = np.array([bone[:3, 3] for bone in transforms])
    centre = joints[0] if pivot == "wrist" else np.zeros(3)

    def place(points: np.ndarray) -> np.ndarray:
        return abs(scale) * (points - centre) @ rotation.T + centre + translation

    return place(vertices), place(ends)


def random_parameters(batch: int, seed: int = 0, dtype: torch.dtype = DOUBLE) -> Parameters:
    generator = torch.Generator().manual_seed(seed)

    def normal(*size: int) -> torch.Tensor:
        return torch.randn(size, generator=generator, dtype=DOUBLE).to(dtype)

    return {
        "axis_angle": 0.5 * normal(batch, 45),
        "shape": normal(batch, 10),
        "rotation": normal(batch, 3),
        "scale": 1 + 0.2 * normal(batch),
        "translation": normal(batch, 3),
    }


@pytest.mark.parametrize("vertices", [778, 803, 1649])
@pytest.mark.parametrize("pivot", ["origin", "wrist"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_layer_is_the_textbooks(make_mano, vertices, pivot, dtype) -> None:
    model = make_mano(vertices)
    layer = HandLayer(model, pivot=pivot, dtype=dtype)
    parameters = random_parameters(3)
    parameters["scale"][1] *= -1  # its absolute value counts
    output = layer(**{name: value.to(dtype) for name, value in parameters.items()})
    # float32: 24 bits of coordinates up to 2 m here.
    tolerance = 1e-6 if dtype == torch.float32 else 1e-12
    for i in range(3):
        axis_angle = (parameters["axis_angle"][i].numpy() + model.hands_mean).reshape(15, 3)
        vertices_i, joints_i = textbook(
            model,
            Rotation.from_rotvec(axis_angle).as_matrix(),
            parameters["shape"][i].numpy(),
            Rotation.from_rotvec(parameters["rotation"][i].numpy()).as_matrix(),
            float(parameters["scale"][i]),
            parameters["translation"][i].numpy(),
            pivot,
        )
        spread = 1.0 + np.abs(vertices_i).max()
        np.testing.assert_allclose(output.vertices[i], vertices_i, atol=tolerance * spread)
        np.testing.assert_allclose(output.kinematic_joints[i], joints_i, atol=tolerance * spread)
        tips = [vertices_i[model.tips[k]] for k in (4, 0, 1, 3, 2)]
        by_name = dict(zip(JOINT_ORDERS["ho3d"], [*joints_i, *tips], strict=True))
        expected = np.array([by_name[name] for name in JOINT_ORDERS["openpose"]])
        np.testing.assert_allclose(output.joints[i], expected, atol=tolerance * spread)


def test_float32_stays_within_a_micrometre_of_float64_at_arms_length() -> None:
    model = load_model("open")
    parameters = random_parameters(16)
    parameters["translation"] = torch.tensor([[0.02, -0.05, 0.6]], dtype=DOUBLE).expand(16, 3)
    parameters["scale"] = torch.ones(16, dtype=DOUBLE)
    exact = HandLayer(model, dtype=DOUBLE)(**parameters).vertices
    fast = HandLayer(model)(**{k: v.float() for k, v in parameters.items()}).vertices
    assert (exact - fast).abs().max() < 1e-6


def test_rounded_skinning_weights_do_not_stretch_a_distant_hand(mano_model) -> None:
    rounded = replace(mano_model, weights=np.round(mano_model.weights, 4))
    assert np.abs(rounded.weights.sum(1) - 1).max() > 5e-5
    layer, pose = HandLayer(rounded, dtype=DOUBLE), torch.zeros(1, 45, dtype=DOUBLE)
    near = layer(axis_angle=pose).vertices
    far = layer(axis_angle=pose, translation=torch.full((1, 3), 5.0, dtype=DOUBLE)).vertices
    torch.testing.assert_close(far - 5.0, near, atol=1e-12, rtol=0)


def test_the_three_forms_of_a_pose_agree(mano_model) -> None:
    coefficients = torch.randn(4, 45, dtype=DOUBLE, generator=torch.Generator().manual_seed(1))
    coefficients[:, 12:] = 0
    relative = coefficients @ torch.as_tensor(mano_model.hands_components)
    absolute = relative + torch.as_tensor(mano_model.hands_mean)
    layer, flat = HandLayer(mano_model, dtype=DOUBLE), HandLayer(mano_model, flat_hand_mean=True, dtype=DOUBLE)
    expected = flat(axis_angle=absolute).vertices
    for output in (
        layer(pca=coefficients),
        layer(pca=coefficients[:, :12]),
        flat(pca=coefficients),
        layer(axis_angle=relative),
        layer(axis_angle=relative.reshape(4, 15, 3)),
        layer(matrices=axis_angle_to_matrix(absolute.reshape(4, 15, 3))),
    ):
        torch.testing.assert_close(output.vertices, expected, atol=1e-12, rtol=0)


def test_rotation_may_be_a_matrix(mano_model) -> None:
    layer, parameters = HandLayer(mano_model, dtype=DOUBLE), random_parameters(2)
    expected = layer(**parameters)
    parameters["rotation"] = axis_angle_to_matrix(parameters["rotation"])
    for found, wanted in zip(layer(**parameters), expected, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-12, rtol=0)
    parameters["matrices"] = layer.pose_matrices(axis_angle=parameters.pop("axis_angle"))
    torch.testing.assert_close(layer(**parameters).vertices, expected.vertices, atol=1e-12, rtol=0)


def test_what_is_left_out_is_neutral(mano_model) -> None:
    layer, zero = HandLayer(mano_model, dtype=DOUBLE), torch.zeros(2, 45, dtype=DOUBLE)
    short = layer(axis_angle=zero)
    full = layer(
        axis_angle=zero,
        shape=zero[:, :10],
        rotation=zero[:, :3],
        scale=torch.ones(2, 1, dtype=DOUBLE),
        translation=zero[:, :3],
    )
    for a, b in zip(short, full, strict=True):
        torch.testing.assert_close(a, b, atol=1e-14, rtol=0)
    flat = HandLayer(mano_model, flat_hand_mean=True, dtype=DOUBLE)(axis_angle=zero)
    np.testing.assert_allclose(flat.vertices[0], mano_model.v_template, atol=1e-14)


@pytest.mark.parametrize("name", ["open", "mano"])
def test_mirrored_model_is_the_mirrored_hand(name, mano_model) -> None:
    right = load_model("open") if name == "open" else mano_model
    left = mirrored(right)
    parameters = random_parameters(3)
    mirror = torch.tensor([-1.0, 1.0, 1.0], dtype=DOUBLE)
    reflected = dict(parameters)
    reflected["rotation"] = mirror_axis_angle(parameters["rotation"], 0)
    reflected["translation"] = parameters["translation"] * mirror
    pca = parameters.pop("axis_angle")
    reflected["axis_angle"] = mirror_axis_angle(pca.reshape(3, 15, 3), 0)
    a = HandLayer(right, dtype=DOUBLE)(axis_angle=pca, **parameters)
    b = HandLayer(left, dtype=DOUBLE)(**reflected)
    torch.testing.assert_close(b.vertices, a.vertices * mirror, atol=1e-12, rtol=0)
    torch.testing.assert_close(b.joints, a.joints * mirror, atol=1e-12, rtol=0)
    # The same pose coefficients give the mirrored hand, and the same joint angles.
    small = 0.2 * pca
    layer_a, layer_b = HandLayer(right, dtype=DOUBLE), HandLayer(left, dtype=DOUBLE)
    torch.testing.assert_close(layer_b(pca=small).vertices, layer_a(pca=small).vertices * mirror, atol=1e-12, rtol=0)
    angles_a, angles_b = (layer.angles(layer.pose_matrices(pca=small)) for layer in (layer_a, layer_b))
    torch.testing.assert_close(angles_a, angles_b, atol=1e-9, rtol=0)
    edges = right.v_template[right.faces]
    volume_right = np.einsum("fi,fi->", edges[:, 0], np.cross(edges[:, 1], edges[:, 2]))
    edges = left.v_template[left.faces]
    volume_left = np.einsum("fi,fi->", edges[:, 0], np.cross(edges[:, 1], edges[:, 2]))
    assert volume_left == pytest.approx(volume_right)
    twice = mirrored(left)
    np.testing.assert_array_equal(twice.v_template, right.v_template)
    np.testing.assert_array_equal(twice.faces, right.faces)


def test_wrist_pivot_is_smplx_and_manopths_convention(mano_model) -> None:
    """Both turn the root joint: X' = R (X - J0) + J0 + t, J0 the shaped wrist."""
    parameters = random_parameters(2)
    parameters.pop("scale")
    placed = HandLayer(mano_model, pivot="wrist", dtype=DOUBLE)(**parameters)
    bare = HandLayer(mano_model, dtype=DOUBLE)(axis_angle=parameters["axis_angle"], shape=parameters["shape"])
    wrist = bare.joints[:, :1]
    turn = axis_angle_to_matrix(parameters["rotation"])
    expected = (bare.vertices - wrist) @ turn.transpose(1, 2) + wrist + parameters["translation"][:, None]
    torch.testing.assert_close(placed.vertices, expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(placed.joints[:, 0], wrist[:, 0] + parameters["translation"], atol=1e-12, rtol=0)


def test_origin_pivot_turns_and_scales_everything(mano_model) -> None:
    parameters = random_parameters(2)
    placed = HandLayer(mano_model, dtype=DOUBLE)(**parameters)
    bare = HandLayer(mano_model, dtype=DOUBLE)(axis_angle=parameters["axis_angle"], shape=parameters["shape"])
    turn = axis_angle_to_matrix(parameters["rotation"]) * parameters["scale"].abs()[:, None, None]
    for a, b in ((placed.vertices, bare.vertices), (placed.joints, bare.joints)):
        torch.testing.assert_close(a, b @ turn.transpose(1, 2) + parameters["translation"][:, None], atol=1e-12, rtol=0)


def test_transforms_carry_rest_joints_to_joints(mano_model) -> None:
    parameters = random_parameters(2)
    output = HandLayer(mano_model, dtype=DOUBLE)(**parameters)
    assert output.transforms.shape == (2, 16, 4, 4)
    torch.testing.assert_close(output.transforms[:, :, 3], torch.tensor([0.0, 0, 0, 1]).to(DOUBLE).expand(2, 16, 4))
    linear = output.transforms[:, :, :3, :3]
    square = (parameters["scale"] ** 2)[:, None, None, None] * torch.eye(3, dtype=DOUBLE)
    torch.testing.assert_close(linear @ linear.transpose(-1, -2), square.expand(2, 16, 3, 3), atol=1e-12, rtol=0)


@pytest.mark.parametrize("order", sorted(JOINT_ORDERS))
def test_joints_come_in_the_order_asked_for(mano_model, order) -> None:
    layer, parameters = HandLayer(mano_model, dtype=DOUBLE), random_parameters(2)
    standard, other = layer(**parameters).joints, layer(**parameters, joint_order=order).joints
    for name, place in zip(JOINT_ORDERS[order], other.unbind(1), strict=True):
        torch.testing.assert_close(place, standard[:, JOINT_ORDERS["openpose"].index(name)])


@pytest.mark.parametrize("batch", [0, 1, 5])
def test_any_batch_size(mano_model, batch) -> None:
    parameters = {k: v.float().requires_grad_() for k, v in random_parameters(batch).items()}
    output = HandLayer(mano_model)(**parameters)
    assert output.vertices.shape == (batch, 778, 3) and output.vertices.is_contiguous()
    assert output.joints.shape == (batch, 21, 3) and output.kinematic_joints.shape == (batch, 16, 3)
    (output.vertices.sum() + output.joints.sum()).backward()
    assert all(value.grad is not None and value.grad.shape == value.shape for value in parameters.values())


def test_hands_of_a_batch_do_not_touch_each_other(mano_model) -> None:
    layer, parameters = HandLayer(mano_model, dtype=DOUBLE), random_parameters(4)
    together = layer(**parameters).vertices
    for i in range(4):
        alone = layer(**{k: v[i : i + 1] for k, v in parameters.items()}).vertices
        torch.testing.assert_close(alone[0], together[i], atol=1e-13, rtol=0)


def test_checkpoints_hold_no_hand_model(mano_model) -> None:
    layer = HandLayer(mano_model)
    assert layer.state_dict() == {}
    assert dict(layer.named_parameters()) == {}
    assert layer.to(DOUBLE)(pca=torch.zeros(1, 3, dtype=DOUBLE)).vertices.dtype == DOUBLE


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_mixed_precision_leaves_the_hand_alone(mano_model, half) -> None:
    layer = HandLayer(mano_model)
    parameters = {k: v.to(half).requires_grad_() for k, v in random_parameters(2).items()}
    exact = layer(**{k: v.detach().float() for k, v in parameters.items()})
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = layer(**parameters)
        points = layer.keypoints(output, "freihand")
        (output.vertices.square().sum() + points.sum()).backward()
    assert output.vertices.dtype == points.dtype == torch.float32
    torch.testing.assert_close(output.vertices, exact.vertices, atol=2e-6, rtol=0)
    torch.testing.assert_close(points, layer.keypoints(exact, "freihand"), atol=2e-6, rtol=0)
    assert all(value.grad is not None and torch.isfinite(value.grad).all() for value in parameters.values())


def test_as_manopth(mano_model) -> None:
    layer, parameters = HandLayer(mano_model, pivot="wrist", flat_hand_mean=True, dtype=DOUBLE), random_parameters(2)
    output = layer(**parameters, joint_order="manopth")
    vertices, joints = as_manopth(output)
    torch.testing.assert_close(vertices, output.vertices * 1000)
    torch.testing.assert_close(joints, output.joints * 1000)
    # manopth's fingertips are those of MANO's file here.
    for finger, tip in enumerate(MANO_TIPS["manopth"]):
        torch.testing.assert_close(joints[:, 4 * finger + 4], vertices[:, tip])
    for centre in (0, 9):
        centred, points = as_manopth(output, center_idx=centre)
        assert points[:, centre].abs().max() == 0
        torch.testing.assert_close(centred, vertices - joints[:, centre : centre + 1])


def test_layer_can_be_exported(mano_model) -> None:
    layer, pca = HandLayer(mano_model), torch.randn(2, 6)

    class Vertices(torch.nn.Module):  # torch 2.6 cannot export a module all of whose arguments are keywords
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, pca: torch.Tensor) -> torch.Tensor:
            return self.layer(pca=pca).vertices

    program = torch.export.export(Vertices(), (pca,), strict=False).module()
    torch.testing.assert_close(program(pca * 2), layer(pca=pca * 2).vertices, atol=1e-6, rtol=0)


def test_use_in_inference_mode_does_not_spoil_training(mano_model) -> None:
    layer, pca = HandLayer(mano_model), torch.randn(2, 6, requires_grad=True)
    with torch.inference_mode():
        layer.keypoints(layer(pca=pca), "freihand")
    layer.keypoints(layer(pca=pca), "freihand").square().sum().backward()
    assert pca.grad is not None and pca.grad.abs().max() > 0
    torch.func.jacrev(lambda x: layer(pca=x).joints)(pca.detach())


def test_wrong_use_is_told(mano_model) -> None:
    layer, pose = HandLayer(mano_model), torch.zeros(2, 45)
    with pytest.raises(ValueError, match="exactly one form"):
        layer()
    with pytest.raises(ValueError, match="exactly one form"):
        layer(pca=pose, axis_angle=pose)
    with pytest.raises(ValueError, match=r"axis_angle should be \[B, 45\] or \[B, 15, 3\], got \[2, 48\]"):
        layer(axis_angle=torch.zeros(2, 48))
    with pytest.raises(ValueError, match=r"pca should be .* got \[2, 46\]"):
        layer(pca=torch.zeros(2, 46))
    with pytest.raises(ValueError, match=r"matrices should be \[B, 15, 3, 3\]"):
        layer(matrices=torch.zeros(2, 16, 3, 3))
    for name, wrong, text in (
        ("shape", torch.zeros(3, 10), r"shape should be \[2, 10\], got \[3, 10\]"),
        ("rotation", torch.zeros(2, 4), r"rotation should be \[B, 3\] or \[B, 3, 3\], got \[2, 4\]"),
        ("scale", torch.zeros(2, 3), r"scale should be \[2\] or \[2, 1\], got \[2, 3\]"),
        ("translation", torch.zeros(1, 3), r"translation should be \[2, 3\], got \[1, 3\]"),
    ):
        with pytest.raises(ValueError, match=text):
            layer(axis_angle=pose, **{name: wrong})
    with pytest.raises(ValueError, match="unknown joint order 'manoo'; known: openpose"):
        layer(axis_angle=pose, joint_order="manoo")
    with pytest.raises(ValueError, match="pivot is 'origin' or 'wrist'"):
        HandLayer(mano_model, pivot="palm")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected MANO's kinematic tree"):
        HandLayer(replace(mano_model, parents=np.arange(-1, 15)))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.2, 3.0), st.sampled_from(["origin", "wrist"]))
def test_bones_keep_their_length_whatever_the_pose(seed, scale, pivot) -> None:
    model = load_model("open")
    layer = HandLayer(model, pivot=pivot, dtype=DOUBLE)
    parameters = random_parameters(1, seed)
    parameters["scale"] = torch.full((1,), scale, dtype=DOUBLE)
    posed = layer(**parameters).kinematic_joints[0]
    rest = layer(axis_angle=torch.zeros(1, 45, dtype=DOUBLE), shape=parameters["shape"]).kinematic_joints[0]
    child, parent = torch.arange(1, 16), torch.as_tensor(model.parents[1:])
    lengths = [(points[child] - points[parent]).norm(dim=1) for points in (posed, rest)]
    torch.testing.assert_close(lengths[0], lengths[1] * scale, atol=1e-12, rtol=1e-10)


def test_layer_equals_smplx_where_it_is_installed(write_mano, mano_arrays) -> None:
    smplx = pytest.importorskip("smplx")
    path = write_mano(chumpy=False, protocol=4)
    peer = smplx.MANO(str(path), is_rhand=True, use_pca=False, flat_hand_mean=False, batch_size=3, dtype=DOUBLE)
    parameters = random_parameters(3)
    parameters.pop("scale")
    theirs = peer(
        betas=parameters["shape"],
        global_orient=parameters["rotation"],
        hand_pose=parameters["axis_angle"],
        transl=parameters["translation"],
    )
    model = model_from_arrays(mano_arrays, name="made up", side="right", source="test", mano=True)
    ours: HandOutput = HandLayer(model, pivot="wrist", dtype=DOUBLE)(**parameters)
    torch.testing.assert_close(ours.vertices, theirs.vertices.detach(), atol=1e-7, rtol=0)
    torch.testing.assert_close(ours.kinematic_joints, theirs.joints[:, :16].detach(), atol=1e-7, rtol=0)


@pytest.mark.parametrize("batch", [0, 15, 16, 37])
def test_inference_in_pieces_is_the_same(mano_model, batch) -> None:
    layer, parameters = HandLayer(mano_model, dtype=DOUBLE), random_parameters(batch)
    with torch.no_grad():
        pieces = layer(**parameters)
    whole = layer(**{k: v.requires_grad_() for k, v in parameters.items()})
    for a, b in zip(pieces, whole, strict=True):
        torch.testing.assert_close(a, b.detach(), atol=1e-13, rtol=0)
