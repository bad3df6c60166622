"""The One-Euro filter: smoothing without looking ahead, little where something moves fast.

Source: Casiez, Roussel and Vogel, 1 € Filter, CHI 2012: an exponential filter whose cutoff grows with the speed.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from handsss.fitting.problem import HandParameters, PoseSpace
from handsss.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle

_SPEED_CUTOFF = 1.0  # Hz, of the filter of the speed itself


def _share(cutoff: Tensor | float, elapsed: float) -> Tensor:
    """How much of a new value is taken."""
    radians = 2 * math.pi * torch.as_tensor(cutoff, dtype=torch.float64) * elapsed
    return radians / (1 + radians)


class OneEuro:
    """The filter of vectors.

    Args:
        cutoff: Hz, of something that rests.
        beta: Hz more for each unit of speed.
    """

    def __init__(self, cutoff: float, beta: float) -> None:
        self._cutoff, self._beta = cutoff, beta
        self._speed: Tensor | None = None

    def step(self, change: Tensor, elapsed: float) -> Tensor:
        """How far to go towards a new value.

        Args:
            change: [..., 3] from the filtered value before to the new one.
            elapsed: seconds.

        Returns:
            [..., 3] the part of the change to take.
        """
        speed = change / max(elapsed, 1e-6)
        share = _share(_SPEED_CUTOFF, elapsed)
        self._speed = speed if self._speed is None else self._speed + share * (speed - self._speed)
        cutoff = self._cutoff + self._beta * self._speed.norm(dim=-1, keepdim=True)
        return _share(cutoff, elapsed) * change


class HandFilter:
    """The filter of a hand: rotation, position of the palm and joint angles.

    Args:
        centre: [3] metres, the palm's middle in the hand's own frame.
        space: of the poses.
    """

    def __init__(self, centre: Tensor, space: PoseSpace) -> None:
        self._centre, self._space = centre, space
        self._rotation, self._position, self._joints = OneEuro(1.2, 0.4), OneEuro(1.0, 5.0), OneEuro(1.2, 0.25)
        self._hand: HandParameters | None = None
        self._seconds = 0.0

    def __call__(self, hand: HandParameters, seconds: float) -> HandParameters:
        """The filtered hand [1] of a new one [1]."""
        if self._hand is None:
            self._hand, self._seconds = hand, seconds
            return hand
        elapsed, self._seconds = max(seconds - self._seconds, 1e-3), seconds
        before = self._hand
        turn = matrix_to_axis_angle(hand.rotation @ before.rotation.transpose(1, 2))
        rotation = axis_angle_to_matrix(self._rotation.step(turn, elapsed)) @ before.rotation
        old, new = self._palm(before), self._palm(hand)
        palm = old + self._position.step(new - old, elapsed)
        angles = ((hand.pose - before.pose) @ self._space.basis).reshape(-1, 15, 3)
        pose = before.pose + self._joints.step(angles, elapsed).reshape(-1, 45) @ self._space.inverse
        translation = palm - (rotation @ self._centre[:, None])[..., 0]
        self._hand = hand._replace(rotation=rotation, translation=translation, pose=pose)
        return self._hand

    def _palm(self, hand: HandParameters) -> Tensor:
        moved: Tensor = (hand.rotation @ self._centre[:, None])[..., 0] + hand.translation
        return moved
