"""Samples poses (coupled sampler, common grasps and signs) and placements in front of a camera."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from handsss.geometry.framing import FOCAL_LENGTH
from handsss.hand.model import HandModel
from handsss.hand.sampling import (
    collides,
    euler_matrices,
    finger_radii,
    joint_positions,
    matrices_to_axis_angle,
    sample_poses,
)
from handsss.hand.wide_sampling import sample_wide_poses

# Flexion in degrees of (knuckle, middle joint, end joint) for index, middle, ring, little, and of the thumb's
# (azimuth, pitch, roll of the base, flexion of the second and of the last joint) as shares of their limits.
_FIST, _OPEN, _HOOK = (82, 98, 58), (2, 4, 2), (12, 88, 48)
GRASPS: dict[str, tuple[tuple[tuple[float, float, float], ...], tuple[float, float, float, float, float]]] = {
    "cylinder": (((48, 52, 28),) * 4, (0.3, 0.55, 0.5, 0.4, 0.35)),
    "sphere": (((32, 40, 22),) * 4, (0.25, 0.3, 0.6, 0.25, 0.25)),
    "pinch": (((46, 50, 26), (14, 20, 10), (10, 16, 8), (6, 12, 6)), (0.2, 0.55, 0.6, 0.35, 0.4)),
    "tripod": (((46, 46, 24), (52, 50, 28), (66, 78, 42), (66, 80, 44)), (0.2, 0.6, 0.65, 0.4, 0.4)),
    "hook": ((_HOOK,) * 4, (0.1, 0.2, 0.2, 0.15, 0.1)),
    "flat": ((_OPEN,) * 4, (0.1, 0.05, 0.1, 0.05, 0.05)),
    "fist": ((_FIST,) * 4, (0.9, 0.7, -0.15, 0.4, 0.65)),
    "point": (((4, 6, 4), _FIST, _FIST, _FIST), (0.5, 0.6, 0.1, 0.45, 0.55)),
    "key": (((62, 66, 36), (70, 78, 44), (74, 84, 48), (76, 86, 50)), (0.0, 0.35, 0.1, 0.2, 0.15)),
    "victory": (((2, 4, 3), (2, 4, 3), _FIST, _FIST), (0.5, 0.65, 0.2, 0.45, 0.55)),
    "phone": ((_FIST, _FIST, _FIST, (4, 6, 4)), (-0.4, -0.2, 0.0, 0.0, -0.2)),
    "thumb up": ((_FIST,) * 4, (-0.5, -0.4, 0.0, -0.1, -0.3)),
    "claw": (((6, 62, 40),) * 4, (0.1, 0.2, 0.3, 0.35, 0.4)),
    "duck": (((66, 14, 10),) * 4, (0.25, 0.5, 0.5, 0.15, 0.15)),
    "okay": (((52, 58, 30), (8, 14, 8), (6, 10, 6), (4, 8, 4)), (0.2, 0.6, 0.6, 0.4, 0.45)),
}


POSES = ("coupled", "wide")  # which poses pictures show
WIDE_GRASPS = 0.15  # share of grasps and signs among wide poses


class Placement(NamedTuple):
    """Pose of the hand relative to the camera, and the camera."""

    rotation: np.ndarray  # [3, 3] model frame to camera frame
    focal: float  # px at 224
    principal: np.ndarray  # [2] px
    depth: float  # m of the hand's middle
    offset: np.ndarray  # [2] px of the hand's middle from the crop's
    wrist: np.ndarray  # [2] radians: the forearm's flexion and sideways bend against the hand


def grasp_pose(model: HandModel, rng: np.random.Generator) -> np.ndarray:
    """A named grasp or sign with some play: [15, 3] axis-angle, inside the limits, free of collisions.

    After twenty tries with collisions the coupled sampler's next pose is taken instead.
    """
    assert model.bone_frames is not None
    joints = model.j_regressor @ model.v_template
    tips = model.v_template[model.tips]
    radii = finger_radii(model, joints)
    limits = model.limits_deg
    names = list(GRASPS)
    for _ in range(20):
        fingers, thumb = GRASPS[names[rng.integers(len(names))]]
        angles = np.zeros((15, 3))
        spread = rng.normal(0.3, 0.6)
        looser = rng.normal(1.0, 0.08)
        for row, (finger, fan) in enumerate(zip((0, 1, 3, 2), (9.0, 0.5, -6.0, -14.0), strict=True)):
            flexion = np.array(fingers[row]) * looser + rng.normal(0, 4.0, 3)
            angles[3 * finger : 3 * finger + 3, 1] = flexion
            angles[3 * finger, 0] = spread * fan * np.clip(1 - flexion[0] / 70, 0.1, 1) + rng.normal(0, 1.5)
        azimuth, pitch, roll, second, last = np.array(thumb) + rng.normal(0, 0.08, 5)
        for axis, share in enumerate((azimuth, pitch, roll)):
            low, high = limits[12, axis]
            angles[12, axis] = share * (high if share > 0 else -low)
        angles[13, 1] = second * limits[13, 1, 1]
        angles[14, 1] = last * limits[14, 1, 1]
        limited = np.clip(angles, limits[..., 0], limits[..., 1])
        rotations = euler_matrices(np.deg2rad(limited)[None], model.bone_frames)
        if not collides(joint_positions(joints, tips, rotations), radii)[0]:
            return matrices_to_axis_angle(rotations)[0]
    return sample_poses(model, 1, rng)[0]


def sample_pose(model: HandModel, rng: np.random.Generator, poses: str = "coupled") -> np.ndarray:
    """Sample a pose: [15, 3] axis-angle relative to the flat hand.

    Args:
        model: the hand.
        rng: the same state gives the same pose.
        poses: one of :data:`POSES`. "coupled": one in three a grasp or sign, else the coupled sampler; "wide": one in
            seven, else the wide sampler, as online pictures have them.
    """
    wide = poses == "wide"
    if rng.random() < (WIDE_GRASPS if wide else 0.35):
        return grasp_pose(model, rng)
    return (sample_wide_poses if wide else sample_poses)(model, 1, rng)[0]


def sample_placement(rng: np.random.Generator) -> Placement:
    """Sample a placement.

    Two hands in three are held up to the camera or reach in from an edge, the others have any rotation. Four in five
    have a camera like FreiHAND's (about 480 px at 224) and are 0.4 to 1.2 m away, the rest a wider one.
    """
    if rng.random() < 0.65:
        # Fingers up, palm or back to the camera, then turned in the picture: arms come from below most often.
        upright = Rotation.from_matrix([[0, 0, 1], [1, 0, 0], [0, 1, 0]])
        turn = rng.choice([0.0, np.pi]) + rng.normal(0, 0.65)
        lean = rng.normal(0, 0.45)
        rotation = Rotation.from_euler("ZXY", [rng.normal(0, 0.75), lean, turn]) * upright
    else:
        rotation = Rotation.random(rng=rng)
    if rng.random() < 0.8:
        # FreiHAND's crops hold the hand at whatever distance it was: few fill the crop.
        focal, depth = float(rng.normal(FOCAL_LENGTH, 25)), float(0.4 + 0.8 * rng.beta(1.6, 2.6))
    else:
        focal, depth = float(rng.uniform(230, 420)), float(rng.uniform(0.27, 0.6))
    return Placement(
        rotation=rotation.as_matrix(),
        focal=focal,
        principal=112 + rng.normal(0, 2.0, 2),
        depth=depth,
        offset=rng.normal(0, 9.0, 2),
        wrist=np.deg2rad(np.clip(rng.normal(0, [22, 9]), [-50, -20], [50, 20])),
    )
