"""The hand layer on a GPU against torch's plain operations in float64 on the CPU."""

from __future__ import annotations

import pytest
import torch

from handsss.geometry.rotations import axis_angle_to_matrix
from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model
from tests.cuda.device import DEVICE, near, pytestmark

__all__ = ["pytestmark"]
BATCH = 8


def posed(dtype: torch.dtype, device: torch.device, form: str) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Vertices, joints and transforms, and the gradients of all inputs."""
    generator = torch.Generator().manual_seed(4)
    sizes = {form: 45, "shape": 10, "rotation": 3, "translation": 3, "scale": 1}
    values = {
        name: torch.randn(BATCH, size, generator=generator, dtype=torch.float64) * 0.4 for name, size in sizes.items()
    }
    values["scale"] = 1 + 0.2 * values["scale"]
    leaves = {name: value.to(device, dtype).requires_grad_() for name, value in values.items()}
    layer = HandLayer(load_model("open"), dtype=dtype).to(device)
    output = layer(**{name: leaf.squeeze(-1) if name == "scale" else leaf for name, leaf in leaves.items()})
    results = [output.vertices, output.joints, output.transforms]
    total = torch.zeros((), dtype=torch.float64, device=device)
    for result in results:
        weights = torch.randn(result.shape, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
        total = total + (result.double() * weights.to(device)).sum()
    total.backward()
    return results, [leaf.grad for leaf in leaves.values() if leaf.grad is not None]


@pytest.mark.parametrize("form", ["axis_angle", "pca"])
@pytest.mark.parametrize(("dtype", "values", "gradients"), [(torch.float64, 1e-12, 1e-10), (torch.float32, 5e-6, 1e-4)])
def test_the_same_hand(form: str, dtype: torch.dtype, values: float, gradients: float) -> None:
    ours, own = posed(dtype, DEVICE, form)
    theirs, expected = posed(torch.float64, torch.device("cpu"), form)
    for got, wanted in zip(ours, theirs, strict=True):
        near(got, wanted, values)
    assert len(own) == len(expected) == 5
    for got, wanted in zip(own, expected, strict=True):
        near(got, wanted, gradients)


def test_keypoints_and_limits() -> None:
    model = load_model("open")
    generator = torch.Generator().manual_seed(1)
    pose = torch.randn(BATCH, 45, generator=generator)
    found = []
    for device in (DEVICE, torch.device("cpu")):
        layer = HandLayer(model).to(device)
        output = layer(axis_angle=pose.to(device))
        excess = layer.limit_excess(axis_angle_to_matrix(pose.reshape(-1, 15, 3).to(device)))
        found.append([layer.keypoints(output, "openpose"), layer.keypoints(output, "mediapipe"), excess])
    for got, wanted in zip(*found, strict=True):
        near(got, wanted, 1e-5)


def test_the_same_bits_twice() -> None:
    """Values: gradients of joints that are read twice are sums in any order."""
    first, second = (posed(torch.float32, DEVICE, "axis_angle")[0] for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert one.equal(other)
