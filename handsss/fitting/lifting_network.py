"""The lifting network: 21 keypoints in the picture to a few hands in space, and the file that holds it.

One view leaves it open whether a finger points to the camera or away from it, so the network gives several hypotheses,
each with a score (multiple choice learning, Guzman-Rivera et al. 2012: the best of them is taught). It sees no pixels
but rays, turned and scaled to one size, so that any camera will do. ``tools/train_lifting`` makes the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from handsss.errors import InputError
from handsss.fitting.pose_bank import rotation_to_ray
from handsss.geometry.rotations import axis_angle_to_matrix
from handsss.network.tensor_file import halved, read_tensor_file, tensor_file

FILE = Path(__file__).parent / "data" / "lifting.safetensors"
FORMAT, FORMAT_VERSION = "handsss-lifting", 1
FEATURES = 64  # 42 coordinates, 21 confidences, the hand's angular size
POSE, SHAPE = 45, 10
_PER_HYPOTHESIS = 6 + POSE + SHAPE
_KNUCKLES = (9, 5, 13, 17)  # middle first
_USUAL_SIZE = 0.07  # of a hand on the plane z = 1, root mean square about its middle
_LARGEST = {"width": 4096, "blocks": 16, "hypotheses": 16}  # a file that asks for more is refused


class Normalised(NamedTuple):
    """Keypoints as the network sees them."""

    features: Tensor  # [B, 64]
    turn: Tensor  # [B, 3, 3] from the network's camera, which looks at the hand and holds it upright, to the picture's
    scale: Tensor  # [B] root mean square radius on the plane z = 1


class Lifted(NamedTuple):
    """Hypotheses in the network's camera, in no order."""

    rotation: Tensor  # [B, H, 3, 3]
    pose: Tensor  # [B, H, 45] whitened coefficients, see fit_problem.PoseSpace
    shape: Tensor  # [B, H, 10]
    score: Tensor  # [B, H] logits of being the nearest


def normalise(rays: Tensor, confidence: Tensor) -> Normalised:
    """Turn the camera to the hand's middle and upright (wrist to middle knuckle), and scale the hand to one size.

    Args:
        rays: [B, 21, 2] x / z and y / z; finite also where nothing was seen.
        confidence: [B, 21] 0..1; zero for points that were not seen. At least one is.
    """
    seen = (confidence > 0).to(rays)
    weight = seen * (0.1 + confidence)
    weight = weight / weight.sum(1, keepdim=True)
    lines = torch.cat([rays, torch.ones_like(rays[..., :1])], 2)
    # The mean of unit vectors turns as the camera does; the mean of points on its plane would not.
    to_ray = rotation_to_ray((weight[..., None] * nn.functional.normalize(lines, dim=2)).sum(1))
    turned = lines @ to_ray
    flat = turned[..., :2] / turned[..., 2:].clamp_min(0.05)
    flat = flat - (weight[..., None] * flat).sum(1, keepdim=True)
    up = _first_seen(flat, seen, _KNUCKLES) - _first_seen(flat, seen, (0,))
    angle = torch.atan2(up[:, 0], -up[:, 1])  # clockwise from the picture's up
    zero = torch.zeros_like(angle)
    roll = axis_angle_to_matrix(torch.stack([zero, zero, angle], 1))
    upright = flat @ roll[:, :2, :2]
    scale = (weight[..., None] * upright.square()).sum((1, 2)).sqrt().clamp_min(1e-6)
    size = (scale / _USUAL_SIZE).log().clamp(-2, 2)
    points = (upright / scale[:, None, None]).clamp(-8, 8) * seen[..., None]
    features = torch.cat([points.flatten(1), 2 * confidence - 1, size[:, None]], 1)
    return Normalised(features, to_ray @ roll, scale)


def _first_seen(points: Tensor, seen: Tensor, names: tuple[int, ...]) -> Tensor:
    """The first of the named points that was seen, [B, 2]; the middle of the hand, zero, where none was."""
    result = torch.zeros_like(points[:, 0])
    for name in reversed(names):
        result = torch.where(seen[:, name, None] > 0, points[:, name], result)
    return result


def six_numbers_to_matrix(values: Tensor) -> Tensor:
    """Two columns [..., 6] made orthonormal by Gram and Schmidt to rotations [..., 3, 3] (Zhou et al. 2019)."""
    first = nn.functional.normalize(values[..., :3], dim=-1)
    second = values[..., 3:] - (first * values[..., 3:]).sum(-1, keepdim=True) * first
    second = nn.functional.normalize(second, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], -1)


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, value: Tensor) -> Tensor:
        inner: Tensor = self.second(nn.functional.gelu(self.first(self.norm(value))))
        return value + inner


class LiftingNetwork(nn.Module):
    """A residual perceptron from :func:`normalise`'s features to hypotheses.

    Args:
        width: of its layers.
        blocks: of two layers each.
        hypotheses: hands that it gives.
    """

    def __init__(self, width: int = 384, blocks: int = 2, hypotheses: int = 3) -> None:
        super().__init__()
        self.sizes = {"width": width, "blocks": blocks, "hypotheses": hypotheses}
        self.enter = nn.Linear(FEATURES, width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(blocks))
        self.leave = nn.Linear(width, hypotheses * (_PER_HYPOTHESIS + 1))

    def forward(self, features: Tensor) -> Lifted:
        """Features [B, 64] to hypotheses."""
        value = self.enter(features)
        for block in self.blocks:
            value = block(value)
        parts = self.leave(nn.functional.gelu(value)).reshape(len(value), self.sizes["hypotheses"], -1)
        turn, pose, shape, score = parts.split([6, POSE, SHAPE, 1], -1)
        return Lifted(six_numbers_to_matrix(turn), pose, shape, score[..., 0])


def network_bytes(network: LiftingNetwork, facts: dict[str, str]) -> bytes:
    """The file of a network, in half precision.

    Args:
        network: any precision.
        facts: kept beside the weights; "model" names the hand model.
    """
    tensors = {name: halved(value) for name, value in network.state_dict().items()}
    sizes = {name: str(value) for name, value in network.sizes.items()}
    return tensor_file(tensors, FORMAT, {"format_version": str(FORMAT_VERSION), **sizes, **facts})


def load_lifting(path: Path = FILE) -> tuple[LiftingNetwork, dict[str, str]]:
    """Read a network; the format holds numbers only, nothing of a file is executed.

    Returns:
        The network in float32 for inference, and the facts kept with it.

    Raises:
        InputError: missing, damaged, another format, or weights that do not fit the sizes it names.
    """
    try:
        tensors, about = read_tensor_file(path, FORMAT)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: not a readable lifting network ({error}). Install handsss again.") from error
    facts = {key: str(value) for key, value in about.items()}
    if facts.get("format_version") != str(FORMAT_VERSION):
        raise InputError(
            f"{path}: holds no lifting network of this version. Expected format {FORMAT!r}, version {FORMAT_VERSION}."
        )
    try:
        sizes = {name: int(facts[name]) for name in _LARGEST}
        if any(not 0 < sizes[name] <= largest for name, largest in _LARGEST.items()):
            raise ValueError(f"sizes {sizes} are out of range")
        network = LiftingNetwork(**sizes)
        network.load_state_dict(tensors)
    except (KeyError, ValueError, RuntimeError) as error:
        raise InputError(f"{path}: its weights do not fit what it says of itself ({error}).") from error
    if not all(bool(torch.isfinite(value).all()) for value in tensors.values()):
        raise InputError(f"{path}: holds weights that are not finite. Install handsss again.")
    return network.eval().requires_grad_(False), facts
