"""The result of a reconstruction: one dataclass per hand, and its JSON form."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

FORMAT_VERSION = 1
CONTRADICTS = 0.3  # weight below which a hand does not agree with the others of its person


class SharedShape(NamedTuple):
    """What a hand's shape comes from, where it is that of several photos."""

    photos: int  # that show the hands
    hands: int
    weight: float  # 0..1 of this hand: how far it agrees with the others

    @property
    def contradicts(self) -> bool:
        """Whether this hand does not agree with the others: another person's, or a wrong fit."""
        return self.weight < CONTRADICTS

    def to_json(self) -> dict[str, Any]:
        """``shared_shape`` in NAME.json."""
        return {**self._asdict(), "weight": round(self.weight, 4), "contradicts": self.contradicts}


@dataclass(eq=False)  # arrays have no one truth value: a hand equals itself
class HandResult:
    """One reconstructed hand, in the original, un-mirrored image and its camera (left hands included)."""

    hand: str  # "left" | "right"
    score: float  # the detector's presence score, 0..1
    model: str  # name of the hand model
    intrinsics: np.ndarray  # [3, 3] pixels
    keypoints_2d: np.ndarray  # [21, 3] detected x, y (px), confidence; OpenPose order
    keypoint_set: str  # the definition that keypoints_2d, joints_3d and joints_2d follow
    joints_3d: np.ndarray  # [21, 3] metres, camera frame
    joints_2d: np.ndarray  # [21, 2] px, joints_3d projected
    kinematic_joints_3d: np.ndarray  # [21, 3] metres, the model's own joints and tips
    vertices: np.ndarray  # [V, 3] metres, camera frame
    faces: np.ndarray  # [F, 3] int32, counter-clockwise from outside
    pose: np.ndarray  # [45] axis-angle relative to the flat hand, this hand's own side
    shape: np.ndarray  # [10]
    rotation: np.ndarray  # [3] axis-angle, about the canonical origin
    scale: float
    translation: np.ndarray  # [3] metres
    light: np.ndarray  # [11]: ambient intensity, directional intensity, colours 3 + 3, direction 3
    vertex_colours: np.ndarray  # [V, 3] 0..1, unlit (albedo)
    uv: np.ndarray | None = None  # [T, 2], v up
    uv_faces: np.ndarray | None = None  # [F, 3]
    texture: np.ndarray | None = None  # [h, w, 3] uint8, unlit (albedo)
    texture_observed: np.ndarray | None = None  # [h, w] uint8: 255 where a texel shows the photo, 0 where it is filled
    model_source: str = ""  # name or path that load_model finds the hand model by; empty: ``model``
    network: str = ""  # that predicted it before the fit; none: keypoints alone
    seconds: dict[str, float] = field(default_factory=dict)  # detect, predict, fit, texture, export
    handedness: float = 1.0  # probability of this side by the detector; below 0.5 where another word counted more
    side_from: str = "detector"  # who said which side it is: "detector", "keypoints" (given), "option", "fit"
    fit: dict[str, float] = field(default_factory=dict)  # reprojection_px, reprojection_of_box, silhouette_iou, ...
    shared_shape: SharedShape | None = None  # shape and skin are those of several photos; None: of this one alone
    # [21] mm: expected distance of each joint from the truth after similarity alignment; None: nobody knows
    expected_joint_errors: np.ndarray | None = None

    @property
    def expected_error(self) -> float | None:
        """mm: the expected aligned MPJPE, the mean of ``expected_joint_errors``; None where there are none."""
        return None if self.expected_joint_errors is None else float(self.expected_joint_errors.mean())

    def to_json(self, *, vertices: bool = False) -> dict[str, Any]:
        """The entry of ``hands`` in NAME.json.

        Args:
            vertices: include the vertices, V lists of 3.
        """
        entry: dict[str, Any] = {
            "hand": self.hand,
            "handedness": round(float(self.handedness), 4),
            "side_from": self.side_from,
            "score": round(float(self.score), 4),
            "model": self.model,
            "network": self.network,
            "intrinsics": _rounded(self.intrinsics, 4),
            "keypoints_2d": _rounded(self.keypoints_2d, 4),
            "keypoint_set": self.keypoint_set,
            "joints_3d": _rounded(self.joints_3d, 6),
            "joints_2d": _rounded(self.joints_2d, 3),
            "kinematic_joints_3d": _rounded(self.kinematic_joints_3d, 6),
            "pose": _rounded(self.pose, 6),
            "shape": _rounded(self.shape, 6),
            "rotation": _rounded(self.rotation, 6),
            "scale": round(float(self.scale), 6),
            "translation": _rounded(self.translation, 6),
            "light": _rounded(self.light, 5),
            "seconds": {key: round(value, 4) for key, value in self.seconds.items()},
            "fit": {key: round(value, 5) for key, value in self.fit.items()},
        }
        if self.shared_shape is not None:
            entry["shared_shape"] = self.shared_shape.to_json()
        if self.expected_joint_errors is not None:
            entry["expected_error_mm"] = round(float(self.expected_joint_errors.mean()), 2)
            entry["expected_joint_errors_mm"] = _rounded(self.expected_joint_errors, 2)
        if vertices:
            entry["vertices"] = _rounded(self.vertices, 6)
        return entry


def _rounded(array: np.ndarray, digits: int) -> list[Any]:
    values: list[Any] = np.round(np.asarray(array, dtype=np.float64), digits).tolist()
    return values
