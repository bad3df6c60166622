"""The network against the supplement's tables, layer by layer, and where it starts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from handsss.errors import InputError, UserError
from handsss.geometry.cameras import project
from handsss.geometry.rotations import axis_angle_to_matrix
from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model
from handsss.network.encoder import CHANNELS, Encoder
from handsss.network.hourglass import KeypointBranch, soft_argmax
from handsss.network.own_camera import as_matrix, facing_to_camera
from handsss.network.regressors import AppearanceRegressor, HandRegressor, HandVector
from handsss.network.s2hand import NetworkSettings, S2Hand, parameter_counts

SMALL = NetworkSettings(encoder="efficientnet-b0", stacks=1, features=32, modules=1)
K = torch.tensor([[480.0, 0, 112], [0, 480, 112], [0, 0, 1]])


@pytest.fixture(scope="module")
def network() -> S2Hand:
    torch.manual_seed(0)
    return S2Hand(load_model("open"), SMALL).eval()


def shapes(module: nn.Module, given: Tensor) -> list[tuple[str, list[int]]]:
    """Names and output shapes of a module's leaves, in the order in which they run."""
    seen: list[tuple[str, list[int]]] = []
    handles = [
        child.register_forward_hook(lambda m, _i, out: seen.append((type(m).__name__, list(out.shape[1:]))))
        for child in module.modules()
        if not list(child.children())
    ]
    with torch.no_grad():
        module.eval()(given)
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.parametrize("name", sorted(CHANNELS))
def test_encoder_shapes(name: str) -> None:
    high, low = CHANNELS[name]
    encoder = Encoder(name).eval()
    with torch.no_grad():
        features = encoder(torch.rand(2, 3, 224, 224))
    assert features.high.shape == (2, high, 7, 7)
    assert features.low.shape == (2, low, 56, 56)
    torch.testing.assert_close(features.vector, features.high.flatten(2).max(2).values)
    assert {type(m).__name__ for m in encoder.modules()} & {"Swish", "MemoryEfficientSwish"} == set()


def test_b3_is_the_tables_encoder() -> None:
    assert CHANNELS["efficientnet-b3"] == (1536, 32)


def test_pooling_and_wrong_names() -> None:
    with pytest.raises(UserError, match="expected one of efficientnet-b0, efficientnet-b3"):
        Encoder("resnet50")
    with pytest.raises(UserError, match="expected max or average"):
        Encoder("efficientnet-b0", "sum")
    with pytest.raises(ValueError, match=r"expected images \[B, 3, 224, 224\]"):
        Encoder("efficientnet-b0")(torch.rand(1, 3, 256, 256))


def test_table_2() -> None:
    regressor = HandRegressor(1536)
    base = [("Linear", [1024]), ("BatchNorm1d", [1024]), ("ReLU", [1024])]
    base += [("Linear", [512]), ("BatchNorm1d", [512]), ("ReLU", [512])]
    assert shapes(regressor.base, torch.rand(2, 1536)) == base
    vector = torch.rand(2, 512)
    assert shapes(regressor.pose, vector) == [("Linear", [128]), ("ReLU", [128]), ("Linear", [30])]
    assert shapes(regressor.shape, vector) == [("Linear", [128]), ("ReLU", [128]), ("Linear", [10])]
    for head, size in ((regressor.translation, 3), (regressor.rotation, 3), (regressor.scale, 1)):
        wanted = [("Linear", [128]), ("ReLU", [128]), ("Linear", [32]), ("Linear", [size])]
        assert shapes(head, vector) == wanted


def test_table_3() -> None:
    appearance = AppearanceRegressor(32)
    assert shapes(appearance.conv, torch.rand(1, 32, 56, 56)) == [
        ("Conv2d", [48, 13, 13]),
        ("ReLU", [48, 13, 13]),
        ("MaxPool2d", [48, 6, 6]),
        ("Conv2d", [64, 4, 4]),
        ("ReLU", [64, 4, 4]),
        ("MaxPool2d", [64, 2, 2]),
        ("Flatten", [256]),
    ]
    vector = torch.rand(1, 256)
    assert shapes(appearance.texture, vector) == [("Linear", [64]), ("ReLU", [64]), ("Linear", [2334])]
    assert shapes(appearance.light, vector) == [("Linear", [64]), ("ReLU", [64]), ("Linear", [11])]


def test_where_it_starts(network: S2Hand) -> None:
    with torch.no_grad():
        prediction = network(torch.rand(2, 3, 224, 224), K.expand(2, 3, 3))
        picture = network.render(prediction, K.expand(2, 3, 3))
    assert prediction.hand.scale.tolist() == pytest.approx([0.95, 0.95], abs=0.1)
    assert prediction.hand.translation[:, 2].tolist() == pytest.approx([0.65, 0.65], abs=0.1)
    assert prediction.texture is not None
    torch.testing.assert_close(
        prediction.texture.mean((0, 1)), torch.tensor([200 / 256, 150 / 256, 150 / 256]), atol=0.05, rtol=0
    )
    inside = picture.face_id >= 0
    assert 0.02 < float(inside.float().mean()) < 0.4
    assert 0.2 < float(picture.colour[inside].mean()) < 0.9  # a plausibly lit hand


def test_placement_by_hand(network: S2Hand) -> None:
    """X' = |s| R R_0 X + T, with the scale's sign ignored."""
    from handsss.network.regressors import HandVector

    rng = torch.Generator().manual_seed(1)
    vector = HandVector(
        torch.randn(2, 30, generator=rng) * 0.5,
        torch.randn(2, 10, generator=rng),
        torch.randn(2, 3, generator=rng),
        torch.randn(2, 3, generator=rng),
        torch.tensor([0.9, -1.1]),
    )
    rotations, vertices, joints = network.pose(vector, "openpose")
    layer = HandLayer(load_model("open"), flat_hand_mean=False)
    plain = layer(pca=vector.pose, shape=vector.shape)
    turn = axis_angle_to_matrix(vector.rotation) @ torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    size = vector.scale.abs()[:, None, None]
    expected = size * (plain.vertices @ turn.transpose(1, 2)) + vector.translation[:, None]
    torch.testing.assert_close(vertices, expected, atol=1e-5, rtol=0)
    assert rotations.shape == (2, 15, 3, 3)
    expected = size * (layer.keypoints(plain, "openpose") @ turn.transpose(1, 2)) + vector.translation[:, None]
    torch.testing.assert_close(joints, expected, atol=1e-5, rtol=0)


def test_soft_argmax() -> None:
    heat = torch.full((1, 1, 1, 64, 64), -50.0)
    heat[0, 0, 0, 10, 40] = 50.0  # row 10, column 40: the middle of pixels 160..164 and 40..44 of the padded picture
    torch.testing.assert_close(soft_argmax(heat)[0, 0, 0], torch.tensor([162.0, 42.0]))
    heat[0, 0, 0, 10, 41] = 50.0
    torch.testing.assert_close(soft_argmax(heat)[0, 0, 0], torch.tensor([164.0, 42.0]))
    uniform = soft_argmax(torch.zeros(1, 1, 1, 64, 64))
    torch.testing.assert_close(uniform[0, 0, 0], torch.tensor([128.0, 128.0]))


def test_keypoint_branch_of_the_paper() -> None:
    branch = KeypointBranch().eval()
    with torch.no_grad():
        keypoints, heat = branch(torch.rand(1, 3, 224, 224))
    assert keypoints.shape == (1, 2, 21, 2)
    assert heat.shape == (1, 2, 21, 64, 64)
    assert len(branch.hourglasses) == 2


def test_every_part_gets_gradient(network: S2Hand) -> None:
    network.train()
    try:
        prediction = network(torch.rand(3, 3, 224, 224), K.expand(3, 3, 3), "mediapipe")
        picture = network.render(prediction, K.expand(3, 3, 3))
        assert prediction.keypoints is not None
        (picture.colour.mean() + prediction.projected.mean() + prediction.keypoints.mean()).backward()
        silent = [name for name, p in network.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
        assert not silent
        for head in ("pose", "shape", "translation", "rotation", "scale"):
            assert getattr(network.regressor, head)[-1].weight.grad.abs().sum() > 0, head
    finally:
        network.eval()
        network.zero_grad()


def test_baseline_has_neither_texture_nor_branch() -> None:
    baseline = S2Hand(load_model("open"), NetworkSettings("efficientnet-b0", stacks=0, appearance=False)).eval()
    with torch.no_grad():
        prediction = baseline(torch.rand(1, 3, 224, 224), K[None])
    assert prediction.texture is None
    assert prediction.keypoints is None
    with pytest.raises(ValueError, match="predicts no texture"):
        baseline.render(prediction, K[None])
    with pytest.raises(ValueError, match="no keypoint branch"):
        baseline.keypoints_only(torch.rand(1, 3, 224, 224))
    assert set(parameter_counts(baseline)) == {"encoder", "f_base", "f_pose", "f_shape", "f_trans", "f_rot", "f_scale"}


def test_parameter_counts_by_hand(network: S2Hand) -> None:
    counts = parameter_counts(network)
    assert counts["f_base"] == 1280 * 1024 + 1024 + 2 * 1024 + 1024 * 512 + 512 + 2 * 512
    assert counts["f_trans"] == 512 * 128 + 128 + 128 * 32 + 32 + 32 * 3 + 3
    assert counts["f_tex"] == 256 * 64 + 64 + 64 * 2334 + 2334
    assert counts["f_conv"] == 24 * 48 * 100 + 48 + 48 * 64 * 9 + 64
    assert counts["encoder"] == 5288548 - (1280 * 1000 + 1000)  # b0 as published, without its classifier


def test_imagenet_weights_from_a_file(tmp_path: Path) -> None:
    encoder = Encoder("efficientnet-b0")
    state = {key: torch.full_like(value, 0.01) for key, value in encoder.body.state_dict().items()}
    state["_fc.weight"] = torch.zeros(1000, 1280)
    torch.save(state, tmp_path / "b0.pth")
    encoder.load_imagenet(tmp_path / "b0.pth")
    assert float(encoder.body.state_dict()["_conv_head.weight"].mean()) == pytest.approx(0.01)
    del state["_conv_head.weight"]
    state["_bn0.weight"] = torch.zeros(5)
    torch.save(state, tmp_path / "cut.pth")
    with pytest.raises(InputError, match=r"_bn0.weight \(\[5\], expected \[32\]\); _conv_head.weight \(absent"):
        encoder.load_imagenet(tmp_path / "cut.pth")
    with pytest.raises(InputError, match="no such file"):
        encoder.load_imagenet(tmp_path / "absent.pth")
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(InputError, match="cannot be read as weights"):
        encoder.load_imagenet(tmp_path / "text.pth")


FACING = NetworkSettings(encoder="efficientnet-b0", stacks=0, focal=600.0, facing=True, rotation="6d")


def test_a_facing_camera_shows_the_same_picture() -> None:
    """A hand before the camera that looks at the crop, and what its own camera sees of it: a shift, hardly more."""
    aside = torch.tensor([[[480.0, 0, 300], [0, 480, -60], [0, 0, 1]]], dtype=torch.float64)
    inside = torch.tensor([[[600.0, 0, 112], [0, 600, 112], [0, 0, 1]]], dtype=torch.float64)
    numbers = torch.zeros(1, 3, dtype=torch.float64), torch.tensor([[0.0, 0.0, 0.5]], dtype=torch.float64)
    hand = HandVector(torch.zeros(1, 30), torch.zeros(1, 10), *numbers, torch.ones(1))
    turned = facing_to_camera(hand, aside, 600.0)
    points = torch.tensor([[[0.0, 0, 0], [0.02, 0, 0.01], [0, 0.02, 0], [-0.02, -0.02, 0]]], dtype=torch.float64)
    seen = project(points + hand.translation[:, None], inside)
    shown = project(points @ turned.rotation.transpose(1, 2) + turned.translation[:, None], aside)
    torch.testing.assert_close(shown[:, 0], torch.full((1, 2), 112.0, dtype=torch.float64))
    assert float((shown - seen).norm(dim=-1).max()) < 2.2  # of 34 px; the camera's rotation alone would be 30 degrees
    same = facing_to_camera(hand, inside, 600.0)
    torch.testing.assert_close(same.translation, hand.translation)
    torch.testing.assert_close(as_matrix(same.rotation), torch.eye(3, dtype=torch.float64)[None])


def test_six_number_rotations_reach_the_hand() -> None:
    torch.manual_seed(0)
    made = S2Hand(load_model("open"), FACING).eval()
    with torch.no_grad():
        output = made(torch.rand(2, 3, 224, 224), K.expand(2, 3, 3))
    assert output.hand.rotation.shape == (2, 3, 3)
    # It starts unturned: fingers up, as the axis-angle head does.
    torch.testing.assert_close(output.hand.rotation, torch.eye(3).expand(2, 3, 3), atol=0.05, rtol=0)
    with pytest.raises(ValueError, match="rotation 'quaternion': expected axis-angle or 6d"):
        NetworkSettings(rotation="quaternion")
    with pytest.raises(ValueError, match="facing without a focal length"):
        NetworkSettings(facing=True)
