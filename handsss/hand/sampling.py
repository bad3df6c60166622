"""Sampling of plausible hand poses: inside the joint limits, with coupled fingers, free of self-collision.

Used to build the open hand's pose space, to start fits from, and to synthesise data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from scipy.spatial.transform import Rotation

from handsss.hand.joints import MODEL_PARENTS

# How the curls of index, middle, little and ring go together: tendons and habit couple neighbours, the ring most.
_CURL_CORRELATION = np.array(
    [
        [1.00, 0.68, 0.42, 0.52],
        [0.68, 1.00, 0.60, 0.86],
        [0.42, 0.60, 1.00, 0.82],
        [0.52, 0.86, 0.82, 1.00],
    ]
)
# Hand shapes of counting, signs and pointing: which of index, middle, little, ring is stretched, and the thumb.
_SIGNS = np.array(
    [
        [1, 0, 0, 0, 0], [1, 0, 0, 0, 1], [1, 1, 0, 0, 0], [1, 1, 0, 0, 1], [1, 1, 0, 1, 0], [1, 1, 1, 1, 0],
        [1, 1, 1, 1, 1], [0, 0, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 1, 0, 0], [0, 0, 1, 0, 1], [1, 0, 1, 0, 0],
        [1, 0, 1, 0, 1], [0, 1, 1, 1, 0], [0, 1, 1, 1, 1], [0, 0, 0, 0, 0],
    ],
    dtype=np.float64,
)  # fmt: skip


class PoseModel(Protocol):
    """What the sampler needs of a hand model."""

    @property
    def v_template(self) -> np.ndarray: ...  # [V, 3]
    @property
    def weights(self) -> np.ndarray: ...  # [V, 16]
    @property
    def j_regressor(self) -> np.ndarray: ...  # [16, V]
    @property
    def tips(self) -> np.ndarray: ...  # [5] index, middle, little, ring, thumb
    @property
    def limits_deg(self) -> np.ndarray: ...  # [15, 3, 2] azimuth, pitch, roll
    @property
    def bone_frames(self) -> np.ndarray | None: ...  # [15, 3, 3]


def euler_matrices(angles: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Rotations of joint angles in bone frames, ``B Ry(pitch) Rz(azimuth) Rx(roll) B^T``; torch's twin is
    :func:`handsss.hand.limits.rotations_from_euler`.

    Args:
        angles: [n, 15, 3] azimuth, pitch, roll; radians.
        frames: [15, 3, 3].

    Returns:
        [n, 15, 3, 3].
    """
    pitch_azimuth_roll = angles[..., [1, 0, 2]].reshape(-1, 3)
    local = Rotation.from_euler("YZX", pitch_azimuth_roll).as_matrix().reshape(*angles.shape, 3)
    rotations: np.ndarray = frames @ local @ frames.swapaxes(-1, -2)
    return rotations


def matrices_to_axis_angle(matrices: np.ndarray) -> np.ndarray:
    """Rotations [..., 3, 3] as axis-angle vectors [..., 3], radians, at most pi long."""
    vectors: np.ndarray = Rotation.from_matrix(matrices.reshape(-1, 3, 3)).as_rotvec()
    return vectors.reshape(matrices.shape[:-1])


def sample_angles(limits_deg: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Joint angles [count, 15, 3] in degrees (azimuth, pitch, roll), before collisions are looked for.

    Three in ten are signs (some fingers stretched, the others closed); the rest share one curl from open to fist, with
    fingers coupled to their neighbours. DIP joints follow PIP joints (62/98, sd 7 degrees); fingers spread less as
    they close; the thumb lies beside, opposes, or closes over the fist.
    """
    angles = np.zeros((count, 15, 3))
    factor = np.linalg.cholesky(_CURL_CORRELATION)
    common = rng.beta(0.9, 1.1, count)
    curl = common[:, None] + 0.20 * (rng.normal(size=(count, 4)) @ factor.T)
    sign = rng.random(count) < 0.3
    shapes = _SIGNS[rng.integers(0, len(_SIGNS), count)]
    curl = np.where(sign[:, None], np.where(shapes[:, :4] > 0, 0.04, 0.90) + rng.normal(0, 0.07, (count, 4)), curl)
    curl = np.clip(curl, -0.08, 1.05)
    # A hand closes first at the knuckles (a flat fold) or first at the middle joints (a hook), or both alike.
    style = rng.normal(0, 0.22, (count, 1)) * (1 - np.abs(2 * np.clip(curl, 0, 1) - 1))
    knuckle = 84 * (curl + style) + rng.normal(0, 5, (count, 4))
    middle = 101 * (curl - style) + rng.normal(0, 6, (count, 4))
    openness = np.clip(1 - knuckle / 70, 0, 1)
    spread = rng.normal(0.35, 0.8, (count, 1))
    fan = np.array([9.0, 0.5, -14.0, -6.0])
    azimuth = openness * (spread * fan + rng.normal(0, 2.5, (count, 4))) + rng.normal(0, 1.2, (count, 4))
    for finger in range(4):
        base = 3 * finger
        angles[:, base, 0] = azimuth[:, finger]
        angles[:, base, 1] = knuckle[:, finger]
        angles[:, base, 2] = rng.normal(0, 2.0, count)
        angles[:, base + 1, 1] = middle[:, finger]
        angles[:, base + 2, 1] = middle[:, finger] * 62 / 98 + rng.normal(0, 7, count)
        angles[:, base + 1 : base + 3, [0, 2]] = rng.normal(0, 0.6, (count, 2, 2))
    angles[:, 12:] = _thumb(limits_deg[12:], curl, np.where(sign, shapes[:, 4], -1), rng)
    limited: np.ndarray = np.clip(angles, limits_deg[..., 0], limits_deg[..., 1])
    return limited


def _thumb(limits: np.ndarray, curl: np.ndarray, sign: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Thumb angles [n, 3, 3]. ``closing`` runs from stretched out (0) to lying across the palm (1)."""
    count = len(curl)
    fingers = np.clip(curl[:, :2].mean(1), 0, 1)
    closing = np.clip(0.15 + 0.6 * fingers + rng.normal(0, 0.25, count), 0, 1)
    closing = np.where(sign == 1, rng.uniform(-0.1, 0.25, count), closing)
    closing = np.where(sign == 0, rng.uniform(0.6, 1.0, count), closing)
    low, high = limits[:, 1, 0], limits[:, 1, 1]
    # Over a fist the thumb swings out and forward to lie across the fingers; else it swings freely.
    over = closing * fingers
    free = 1 - np.clip(1.2 * over, 0, 1)
    angles = np.zeros((count, 3, 3))
    angles[:, 0, 0] = 25 * over + free * rng.normal(0, 0.45 * limits[0, 0, 1], count) + rng.normal(0, 4, count)
    angles[:, 0, 1] = 0.4 * low[0] + closing * (0.75 * high[0] - 0.4 * low[0]) + rng.normal(0, 5, count)
    angles[:, 0, 2] = free * (0.75 * closing - 0.1) * limits[0, 2, 1] - 6 * over + rng.normal(0, 5, count)
    angles[:, 1, 1] = closing * (0.75 * free + 0.42 * (1 - free)) * high[1] + rng.normal(0, 7, count)
    angles[:, 1, [0, 2]] = rng.normal(0, 1.5, (count, 2))
    angles[:, 2, 1] = closing * 0.7 * high[2] + rng.normal(0, 14, count)
    angles[:, 2, [0, 2]] = rng.normal(0, 0.8, (count, 2))
    return angles


def joint_positions(joints: np.ndarray, tips: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Posed joints and tips [n, 21, 3] (16 joints, then tips in model order) of rest joints [16, 3], tips [5, 3]."""
    count = len(rotations)
    world = np.zeros((count, 16, 3, 3))
    world[:, 0] = np.eye(3)
    positions = np.zeros((count, 21, 3))
    positions[:, 0] = joints[0]
    for joint in range(1, 16):
        parent = MODEL_PARENTS[joint]
        world[:, joint] = world[:, parent] @ rotations[:, joint - 1]
        positions[:, joint] = positions[:, parent] + world[:, parent] @ (joints[joint] - joints[parent])
    for finger in range(5):
        last = 3 * finger + 3
        positions[:, 16 + finger] = positions[:, last] + world[:, last] @ (tips[finger] - joints[last])
    return positions


def finger_radii(model: PoseModel, joints: np.ndarray) -> np.ndarray:
    """Radius [5, 3] (metres) of each phalanx: the median distance of its own vertices from its axis."""
    owner = model.weights.argmax(1)
    radii = np.zeros((5, 3))
    for finger in range(5):
        for phalanx in range(3):
            joint = 3 * finger + phalanx + 1
            start = joints[joint]
            end = model.v_template[model.tips[finger]] if phalanx == 2 else joints[joint + 1]
            axis = (end - start) / np.linalg.norm(end - start)
            offset = model.v_template[owner == joint] - start
            along = offset @ axis
            middle = (along > 0) & (along < np.linalg.norm(end - start))
            across = np.linalg.norm(offset - along[:, None] * axis, axis=1)[middle]
            # The ball of the thumb is soft and wide; fingertips sink into it.
            radii[finger, phalanx] = min(float(np.median(across)), 0.012) if len(across) else 0.008
    return radii


def collides(positions: np.ndarray, radii: np.ndarray, tolerance: float = 0.72) -> np.ndarray:
    """Which hands [n] have a finger inside another finger or the palm.

    Every phalanx is four spheres; flesh gives way, so spheres may come as near as ``tolerance`` times the sum of their
    radii. The palm is spheres between the wrist and the knuckles, on the side of its bones.
    """
    count = len(positions)
    steps = np.linspace(0.125, 1.0, 4)
    centres, sizes, owners = [], [], []
    for finger in range(5):
        chain = [3 * finger + 1, 3 * finger + 2, 3 * finger + 3, 16 + finger]
        for phalanx in range(3):
            start, end = positions[:, chain[phalanx]], positions[:, chain[phalanx + 1]]
            for share in steps if phalanx < 2 else steps * 0.9:
                centres.append(start + share * (end - start))
                sizes.append(radii[finger, phalanx])
                owners.append((finger, phalanx))
    spheres, size = np.stack(centres, 1), np.array(sizes)
    owner = np.array(owners)
    hit = np.zeros(count, dtype=bool)
    for a in range(5):
        for b in range(a + 1, 5):
            # Neighbouring fingers touch along their sides near the knuckles: only their outer parts may collide.
            first = (owner[:, 0] == a) & (owner[:, 1] > 0)
            second = (owner[:, 0] == b) & ((owner[:, 1] > 0) | (a == 4) | (b == 4))
            distance = np.linalg.norm(spheres[:, first][:, :, None] - spheres[:, second][:, None], axis=-1)
            limit = tolerance * (size[first][:, None] + size[second][None])
            hit |= (distance < limit).any((1, 2))
    palm = np.stack(
        [
            positions[:, 0] + share * (positions[:, knuckle] - positions[:, 0])
            for knuckle in (1, 4, 10, 7)
            for share in (0.45, 0.65, 0.85)
        ],
        1,
    )
    outer = owner[:, 1] == 2
    distance = np.linalg.norm(spheres[:, outer][:, :, None] - palm[:, None], axis=-1)
    hit |= (distance < tolerance * (size[outer][:, None] + 0.011)).any((1, 2))
    return hit


def sample_poses(
    model: PoseModel, count: int, rng: np.random.Generator, angles_of: Callable[..., np.ndarray] = sample_angles
) -> np.ndarray:
    """Poses within limits, coupled, free of self-collision.

    Args:
        model: its template, weights, joints, tips, limits and bone frames; a model without bone frames (MANO) is
            sampled from its own pose space instead: ``hands_mean + N(0, 1) hands_std hands_components``.
        count: how many.
        rng: the same state gives the same poses.
        angles_of: joint angles in degrees of ``limits_deg``, how many, and ``rng``, as :func:`sample_angles` has them.

    Returns:
        [count, 15, 3] axis-angle relative to the flat hand, radians.
    """
    if model.bone_frames is None:
        spread = rng.normal(size=(count, 45)) * getattr(model, "hands_std")  # noqa: B009
        space = getattr(model, "hands_mean") + spread @ getattr(model, "hands_components")  # noqa: B009
        poses: np.ndarray = np.asarray(space).reshape(count, 15, 3)
        return poses
    joints = model.j_regressor @ model.v_template
    tips = model.v_template[model.tips]
    radii = finger_radii(model, joints)
    kept: list[np.ndarray] = []
    have = 0
    while have < count:
        angles = np.deg2rad(angles_of(model.limits_deg, max(256, count), rng))
        rotations = euler_matrices(angles, model.bone_frames)
        free = ~collides(joint_positions(joints, tips, rotations), radii)
        kept.append(matrices_to_axis_angle(rotations[free]))
        have += int(free.sum())
    result: np.ndarray = np.concatenate(kept)[:count]
    return result
