"""The 2D-to-3D lifting network: 21 keypoints to several hypotheses of pose, and its file.

One view leaves it open whether a finger points towards the camera or away from it, so the network predicts several
hypotheses, each with a score (multiple choice learning, Guzman-Rivera et al. 2012: the loss is that of the best). Its
input are rays, rotated and scaled to a canonical view, so it works for any camera. ``tools/train_lifting`` trains it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from handsss.errors import InputError
from handsss.geometry.rotations import axis_angle_to_matrix, rotation_to_ray
from handsss.network.tensor_file import halved, read_tensor_file, tensor_file

FILE = Path(__file__).parent / "data" / "lifting.safetensors"
FORMAT, FORMAT_VERSION = "handsss-lifting", 1
FEATURES = 64  # 42 coordinates, 21 confidences, log of the angular size
POSE, SHAPE = 45, 10
_PER_HYPOTHESIS = 6 + POSE + SHAPE
_KNUCKLES = (9, 5, 13, 17)  # middle first
_USUAL_SIZE = 0.07  # typical root mean square radius of a hand's keypoints on the plane z = 1
_LARGEST = {"width": 4096, "blocks": 16, "hypotheses": 16}  # a file that asks for more is refused


class Normalised(NamedTuple):
    """Input of the network: keypoints in the canonical view."""

    features: Tensor  # [B, 64]
    turn: (
        Tensor  # [B, 3, 3] from the canonical camera, whose axis meets the hand and whose up is the hand's, to the real
    )
    scale: Tensor  # [B] root mean square radius on the plane z = 1


class Lifted(NamedTuple):
    """Hypotheses in the canonical camera, unordered."""

    rotation: Tensor  # [B, H, 3, 3]
    pose: Tensor  # [B, H, 45] whitened coefficients, see ``fitting.problem.PoseSpace``
    shape: Tensor  # [B, H, 10]
    score: Tensor  # [B, H] logits of being the best hypothesis


def normalise(rays: Tensor, confidence: Tensor) -> Normalised:
    """Rotate the camera to the hand's centre and upright (wrist to middle knuckle), and scale the hand to unit size.

    Args:
        rays: [B, 21, 2] x / z and y / z; finite also for undetected keypoints.
        confidence: [B, 21] 0..1; 0: not detected. At least one is above 0.
    """
    detected = (confidence > 0).to(rays)
    weight = detected * (0.1 + confidence)
    weight = weight / weight.sum(1, keepdim=True)
    lines = torch.cat([rays, torch.ones_like(rays[..., :1])], 2)
    # The mean of unit vectors turns as the camera does; the mean of points on its plane would not.
    to_ray = rotation_to_ray((weight[..., None] * nn.functional.normalize(lines, dim=2)).sum(1))
    turned = lines @ to_ray
    flat = turned[..., :2] / turned[..., 2:].clamp_min(0.05)
    flat = flat - (weight[..., None] * flat).sum(1, keepdim=True)
    up = _first_detected(flat, detected, _KNUCKLES) - _first_detected(flat, detected, (0,))
    angle = torch.atan2(up[:, 0], -up[:, 1])  # clockwise from the picture's up
    zero = torch.zeros_like(angle)
    roll = axis_angle_to_matrix(torch.stack([zero, zero, angle], 1))
    upright = flat @ roll[:, :2, :2]
    scale = (weight[..., None] * upright.square()).sum((1, 2)).sqrt().clamp_min(1e-6)
    size = (scale / _USUAL_SIZE).log().clamp(-2, 2)
    points = (upright / scale[:, None, None]).clamp(-8, 8) * detected[..., None]
    features = torch.cat([points.flatten(1), 2 * confidence - 1, size[:, None]], 1)
    return Normalised(features, to_ray @ roll, scale)


def _first_detected(points: Tensor, detected: Tensor, indices: tuple[int, ...]) -> Tensor:
    """The first detected one of some points, [B, 2]; zero, the hand's centre, where none is."""
    result = torch.zeros_like(points[:, 0])
    for index in reversed(indices):
        result = torch.where(detected[:, index, None] > 0, points[:, index], result)
    return result


def rotation_6d_to_matrix(values: Tensor) -> Tensor:
    """Rotations [..., 3, 3] whose first two columns are two vectors [..., 6] after Gram-Schmidt (Zhou et al. 2019)."""
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
    """A residual MLP from :func:`normalise`'s features to hypotheses.

    Args:
        width: of the hidden layers.
        blocks: residual blocks of two layers each.
        hypotheses: number H of hypotheses.
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
        return Lifted(rotation_6d_to_matrix(turn), pose, shape, score[..., 0])


def network_bytes(network: LiftingNetwork, facts: dict[str, str]) -> bytes:
    """A network as safetensors in half precision: what :func:`load_lifting` reads.

    Args:
        network: any precision.
        facts: metadata; "model" names the hand model.
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
