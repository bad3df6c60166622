"""Sampling of poses over all that a hand can do: fingers in groups that flex on their own, any thumb, any spread.

:mod:`handsss.hand.sampling` has what hands do most, every finger coupled to its neighbours; recorded motion has much
that lies between and beside it. All ranges here are shares of the joint limits or chosen by anatomy.
"""

from __future__ import annotations

import numpy as np

from handsss.hand.sampling import PoseModel, sample_angles, sample_poses

_COUPLED = 0.15  # share of poses of the coupled sampler
_FAN = np.array([9.0, 0.5, -14.0, -6.0])  # degrees of azimuth of spread index, middle, little and ring finger
# Degrees of azimuth, beyond the limits where fingers lie together and bent towards the little finger.
_AZIMUTH = np.array([[-24, 18], [-18, 12], [-25, 16], [-16, 14]])
# Which of index, middle, little and ring finger flex unlike the others; the first row: none.
_GROUPS = np.array(
    [[0, 0, 0, 0]] * 9 + [[1, 0, 0, 0]] * 3 + [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 1, 0]]
)
_ACROSS = np.array([-1.0, -0.3, 1.0, 0.4])  # fingers may close one after the other, from either side


def sample_wide_poses(model: PoseModel, count: int, rng: np.random.Generator) -> np.ndarray:
    """Like :func:`handsss.hand.sampling.sample_poses`, over all that a hand can do: [count, 15, 3] axis-angle."""
    return sample_poses(model, count, rng, sample_wide_angles)


def sample_wide_angles(limits_deg: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Joint angles [count, 15, 3] in degrees (azimuth, pitch, roll), before collisions are looked for.

    One in seven is the coupled sampler's. In the others knuckles and middle joints flex on their own, end joints by a
    share of the middle ones. In half of the hands some fingers flex unlike the others, in all of them each differs.

    Args:
        limits_deg: [15, 3, 2].
        count: how many.
        rng: the same state gives the same angles.
    """
    angles = np.zeros((count, 15, 3))
    second = _GROUPS[rng.integers(0, len(_GROUPS), count)] > 0
    knuckle, middle, end = (
        np.where(second, b, a) for a, b in zip(_flexion(count, rng), _flexion(count, rng), strict=True)
    )
    knuckle, middle = knuckle + _differences(count, rng), middle + _differences(count, rng)
    openness = np.clip(1.1 - knuckle / 90, 0.2, 1)
    azimuth = rng.normal(-3, 5, (count, 1)) + openness * rng.normal(-0.3, 0.8, (count, 1)) * _FAN
    azimuth = azimuth + rng.normal(0, 2, (count, 4))
    for finger in range(4):
        base = 3 * finger
        angles[:, base] = np.stack([azimuth[:, finger], knuckle[:, finger], rng.normal(0, 2.0, count)], 1)
        angles[:, base + 1, 1] = middle[:, finger]
        angles[:, base + 2, 1] = middle[:, finger] * end[:, finger] + rng.normal(0, 3, count)
        angles[:, base + 1 : base + 3, [0, 2]] = rng.normal(0, 0.6, (count, 2, 2))
    angles[:, 12:] = _thumb(limits_deg[12:], count, rng)
    coupled = rng.random(count) < _COUPLED
    angles = np.where(coupled[:, None, None], sample_angles(limits_deg, count, rng), angles)
    low, high = limits_deg[..., 0].copy(), limits_deg[..., 1].copy()
    low[[0, 3, 6, 9], 0], high[[0, 3, 6, 9], 0] = _AZIMUTH.T
    limited: np.ndarray = np.clip(angles, low, high)
    return limited


def _differences(count: int, rng: np.random.Generator) -> np.ndarray:
    """Degrees [n, 4] that fingers are flexed more than their hand: one after the other, and each a little."""
    across = np.where(rng.random((count, 1)) < 0.4, rng.normal(0, 12, (count, 1)), 0)
    each: np.ndarray = 11 * rng.beta(1, 2.2, (count, 1)) * rng.normal(size=(count, 4))
    return across * _ACROSS + each


def _flexion(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flexion [n, 1] of knuckles and middle joints in degrees, and the share of the latter that end joints have."""
    knuckle = -12 + 112 * rng.beta(0.9, 1.5, (count, 1))
    nearly_straight = np.abs(rng.normal(0, 12, (count, 1)))
    middle = np.where(rng.random((count, 1)) < 0.5, nearly_straight, 105 * rng.beta(1.0, 1.2, (count, 1)))
    share = np.where(
        rng.random((count, 1)) < 0.5, rng.uniform(0.35, 0.8, (count, 1)), rng.uniform(0.85, 1.15, (count, 1))
    )
    return knuckle, middle, share


def _thumb(limits: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Thumb angles [n, 3, 3]: beside the hand or opposed, each joint flexed on its own, often straight."""
    angles = np.zeros((count, 3, 3))
    low, high = limits[..., 0], limits[..., 1]
    angles[:, 0, 0] = rng.normal(-4, 14, count)
    angles[:, 0, 1] = rng.normal(10, 19, count)
    angles[:, 0, 2] = rng.normal(3, 8, count)
    is_straight = rng.random(count) < 0.6
    for joint in (1, 2):
        straight = rng.normal(-8, 7, count)
        flexed = low[joint, 1] + (high[joint, 1] - low[joint, 1]) * rng.random(count)
        angles[:, joint, 1] = np.where(is_straight, straight, flexed)
    angles[:, 1, [0, 2]] = rng.normal(0, 2.0, (count, 2))
    angles[:, 2, [0, 2]] = rng.normal(0, 0.8, (count, 2))
    return angles
