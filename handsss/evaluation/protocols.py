"""Benchmark protocols: joint order, camera frame, joints used for alignment."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from handsss.errors import UserError
from handsss.geometry.cameras import from_opengl, to_opengl
from handsss.hand.joints import reorder_indices


@dataclass(frozen=True)
class Protocol:
    """One benchmark's conventions. Joint numbers are of the OpenPose order."""

    name: str
    order: str  # of joints in its files, see hand.joints
    opengl: bool  # its files have y up and the hand at z < 0
    joints_set: str  # keypoint set that defines its joints
    root: int  # joint that root alignment takes as given
    # Of scale-and-translation alignment: the bone's length gives the scale, its first end the translation.
    scale_bone: tuple[int, int]

    @property
    def frame(self) -> str:
        """Its camera frame in words."""
        return "OpenGL's camera (y up, hand at z < 0)" if self.opengl else "OpenCV's camera (y down, hand at z > 0)"

    def from_file(self, points: np.ndarray) -> np.ndarray:
        """Points [..., 3] of its files in this package's camera frame."""
        return from_opengl(points) if self.opengl else points

    def to_file(self, points: np.ndarray) -> np.ndarray:
        """Points [..., 3] in its files' camera frame."""
        return to_opengl(points) if self.opengl else points

    def joints_from_file(self, joints: np.ndarray) -> np.ndarray:
        """Joints [..., 21, 3] of its files in OpenPose order and this package's camera frame."""
        return self.from_file(joints[..., reorder_indices(self.order, "openpose"), :])

    def joints_to_file(self, joints: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`joints_from_file`."""
        return self.to_file(joints[..., reorder_indices("openpose", self.order), :])


# FreiHAND: eval.py and README of its repository. HO-3D: eval.py; its scale is the distance of joints 0 and 4 of its own
# order, wrist and middle knuckle. FreiHAND has no such alignment: the same bone is used, so that figures compare.
PROTOCOLS = MappingProxyType(
    {
        "freihand": Protocol("freihand", "freihand", False, "freihand", root=9, scale_bone=(0, 9)),
        "ho3d": Protocol("ho3d", "ho3d", True, "ho3d", root=0, scale_bone=(0, 9)),
    }
)


def protocol_named(name: str) -> Protocol:
    """A protocol by name.

    Raises:
        UserError: no such protocol.
    """
    if name not in PROTOCOLS:
        raise UserError(f"{{protocol}} {name}: expected {' or '.join(PROTOCOLS)}.", options=("protocol",))
    return PROTOCOLS[name]
