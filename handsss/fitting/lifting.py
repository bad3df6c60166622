"""Initial hands from the lifting network: it maps 2D keypoints to 3D hypotheses, which are then translated to the
keypoints' position.

The network was trained with poses of the open hand. Other hand models have other rest poses, to which its angles do not
apply: their fits start from the pose bank (:mod:`handsss.fitting.pose_bank`).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from handsss.errors import InputError
from handsss.fitting.lifting_network import FILE, Lifted, LiftingNetwork, Normalised, load_lifting, normalise
from handsss.fitting.observation import Observation
from handsss.fitting.pose_bank import solve_translation
from handsss.fitting.problem import FitSettings, HandParameters, KeypointProblem, PoseSpace
from handsss.hand.load import load_model
from handsss.hand.model import HandModel
from handsss.hand.open_hand import OPEN_MODELS


class Lifting(NamedTuple):
    """A lifting network and the pose space of its output."""

    network: LiftingNetwork
    space: PoseSpace  # of its poses
    model: HandModel  # that it was trained for


def open_lifting(path: Path, dtype: torch.dtype) -> Lifting:
    """Read a lifting network of the open hand.

    Raises:
        InputError: not readable, or for another hand model.
    """
    network, facts = load_lifting(path)
    if facts.get("model") not in OPEN_MODELS:
        raise InputError(f"{path}: was trained for the hand model {facts.get('model')!r}, not for the open hand.")
    model = load_model(facts["model"])
    return Lifting(network.to(dtype), PoseSpace(model, FitSettings().pose_floor, dtype), model)


@lru_cache(maxsize=2)
def _lifting(path: Path) -> Lifting:
    # Double precision: single precision is not reproducible from call to call, and the fit would amplify it.
    return open_lifting(path, torch.float64)


def can_lift(model: HandModel) -> bool:
    """Whether the network was trained for the hand model: the open hand, in either resolution."""
    return model.name in OPEN_MODELS


def check_liftable(model: HandModel) -> None:
    """Check that the network was trained for a hand model.

    Raises:
        InputError: it was not.
    """
    if not can_lift(model):
        raise InputError(
            f"the lifting network knows the open hand only, not {model.name!r}. Start the fit from the pose bank "
            "({start} search), or use {model} open.",
            options=("start", "model"),
        )


class Lifter:
    """Lifts keypoints to hands of one model, each with a pose prior about the lifted pose. The network is read on
    first use.

    Args:
        model: the open hand.
        problem: the fit; observations follow its keypoint definition.
        path: of the network's file.

    Raises:
        InputError: another hand model.
    """

    def __init__(self, model: HandModel, problem: KeypointProblem, path: Path = FILE) -> None:
        check_liftable(model)
        self.problem = problem
        self.path = path

    @torch.no_grad()
    def __call__(self, observation: Observation) -> HandParameters:
        """The network's hypotheses, highest score first.

        Args:
            observation: at least one keypoint with confidence; keypoints without may be NaN.
        """
        seen, lifted, order = self._lift(Observation.stack([observation]))
        order = order[0]
        rotation = seen.turn @ lifted.rotation[0, order]
        axis_angle = _lifting(self.path).space.axis_angle(lifted.pose[0, order])
        pose = self.problem.space.coefficients(axis_angle)
        nowhere = torch.zeros(len(order), 3, dtype=torch.float64)
        settings = self.problem.settings
        hands = HandParameters.under_model_prior(
            rotation, nowhere, pose, lifted.shape[0, order], settings.lifted_model_std
        )
        pixels, confidence = _known(observation)
        hands = hands.with_pose_prior(pose, settings.lifted_std * settings.prior_scale(confidence))
        points, _ = self.problem.keypoints(hands)
        keypoints = torch.cat([pixels, confidence[:, None]], 1).numpy()
        translations = [solve_translation(one, keypoints, observation.intrinsics.double().numpy()) for one in points]
        return hands._replace(translation=torch.stack(translations))

    @torch.no_grad()
    def poses(self, observation: Observation) -> Tensor:
        """The poses [B, H, 45] of the network's hypotheses for hands [B], whitened, highest score first."""
        _, lifted, order = self._lift(observation)
        axis_angle = _lifting(self.path).space.axis_angle(lifted.pose.flatten(0, 1))
        poses = self.problem.space.coefficients(axis_angle).reshape(*lifted.pose.shape)
        return torch.gather(poses, 1, order[..., None].expand_as(poses))

    def _lift(self, observation: Observation) -> tuple[Normalised, Lifted, Tensor]:
        """The network's input and output for hands [B], and [B, H] the order of its hypotheses, highest score first."""
        pixels, confidence = _known(observation)
        lines = torch.cat([pixels, torch.ones_like(pixels[..., :1])], -1)
        rays = lines @ torch.linalg.inv(observation.intrinsics.double()).transpose(-1, -2)
        seen = normalise(rays[..., :2], confidence)
        lifted = _lifting(self.path).network(seen.features)
        return seen, lifted, lifted.score.argsort(dim=1, descending=True, stable=True)


def _known(observation: Observation) -> tuple[Tensor, Tensor]:
    """Keypoints [..., 21, 2] and confidences [..., 21], zeros for those without confidence, which may be NaN."""
    used = (observation.confidence > 0) & torch.isfinite(observation.keypoints).all(-1)
    pixels = torch.where(used[..., None], observation.keypoints.double(), 0.0)
    return pixels, torch.where(used, observation.confidence, 0.0).double()
