"""Similarity alignment over all its options."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from handsss.geometry.procrustes import procrustes

MIRROR = np.array([-1.0, 1.0, 1.0])


def cloud(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(21, 3)) * [0.05, 0.03, 0.02]


@pytest.mark.parametrize(
    ("scale", "reflection", "scaled", "mirrored"), list(itertools.product([True, False], repeat=4))
)
def test_all_options_on_all_transforms(scale, reflection, scaled, mirrored) -> None:
    """The alignment is exact if and only if it may use what the target was made with."""
    source = cloud()
    factor = 1.7 if scaled else 1.0
    turn = Rotation.from_rotvec([0.3, -1.2, 2.0]).as_matrix()
    target = factor * (source * (MIRROR if mirrored else 1)) @ turn.T + [0.1, -0.2, 0.7]
    found = procrustes(source, target, scale=scale, reflection=reflection)
    error = np.linalg.norm(found(source) - target, axis=1).max()
    exact = (scale or not scaled) and (reflection or not mirrored)
    assert (error < 1e-12) == exact, error
    assert found.scale == pytest.approx(factor if scale and exact else found.scale)
    assert scale or found.scale == 1.0
    assert found.reflected == (reflection and mirrored)
    assert np.linalg.det(found.rotation) == pytest.approx(-1 if found.reflected else 1)
    np.testing.assert_allclose(found.rotation @ found.rotation.T, np.eye(3), atol=1e-12)


@pytest.mark.parametrize("scale", [True, False])
def test_it_is_the_least_squares_solution(scale) -> None:
    source = cloud()
    target = cloud(1) + 0.5 * source + 0.1
    found = procrustes(source, target, scale=scale)
    best = ((found(source) - target) ** 2).sum()

    def cost(values: np.ndarray) -> float:
        factor = np.exp(values[6]) if scale else 1.0
        moved = factor * source @ Rotation.from_rotvec(values[:3]).as_matrix().T + values[3:6]
        return float(((moved - target) ** 2).sum())

    starts = [np.r_[v, np.zeros(4)] for v in ([0, 0, 0], [2.0, 0, 0], [0, 2.0, 0], [0, 0, 2.0])]
    searched = min(minimize(cost, start, method="BFGS", options={"gtol": 1e-9}).fun for start in starts)
    assert best <= searched * (1 + 1e-9)
    assert searched == pytest.approx(best, rel=1e-5)


def test_against_the_official_evaluations_way() -> None:
    """Centred, divided by the Frobenius norm, scipy's orthogonal Procrustes, scaled back: reflections allowed."""
    from scipy.linalg import orthogonal_procrustes

    source, target = cloud(), cloud(5)
    centre = target.mean(0)
    b, a = target - centre, source - source.mean(0)
    norm_a, norm_b = np.linalg.norm(a), np.linalg.norm(b)
    turn, strength = orthogonal_procrustes(b / norm_b, a / norm_a)
    official = a / norm_a @ turn.T * strength * norm_b + centre
    np.testing.assert_allclose(procrustes(source, target, reflection=True)(source), official, atol=1e-12)


def test_a_mirrored_prediction_scores_zero_with_reflection() -> None:
    source = cloud()
    found = procrustes(source * MIRROR, source, reflection=True)
    np.testing.assert_allclose(found(source * MIRROR), source, atol=1e-14)
    assert found.reflected


@pytest.mark.parametrize("reflection", [True, False])
def test_points_without_extent(reflection) -> None:
    """Zero predictions are scored by the benchmarks too: everything lands on the target's mean."""
    target = cloud()
    found = procrustes(np.zeros((21, 3)), target, reflection=reflection)
    np.testing.assert_allclose(found(np.zeros((21, 3))), np.tile(target.mean(0), (21, 1)), atol=1e-15)


def test_flat_points_are_turned_not_mirrored() -> None:
    source = cloud() * [1, 1, 0]
    target = source * MIRROR
    found = procrustes(source, target)
    np.testing.assert_allclose(found(source), target, atol=1e-14)
    assert np.linalg.det(found.rotation) == pytest.approx(1)


def test_wrong_shapes_are_told() -> None:
    with pytest.raises(
        ValueError, match=r"expected two arrays \[\.\.\., P, 3\] of one shape, got \(21, 3\) and \(20, 3\)"
    ):
        procrustes(cloud(), cloud()[:20])
    with pytest.raises(ValueError, match="expected two arrays"):
        procrustes(cloud()[:, :2], cloud()[:, :2])


@pytest.mark.parametrize(("scale", "reflection"), list(itertools.product([True, False], repeat=2)))
def test_a_batch_is_aligned_element_by_element(scale, reflection) -> None:
    """Mirrored, flat and empty elements among others, in two batch dimensions."""
    rng = np.random.default_rng(2)
    source, target = rng.normal(size=(2, 3, 21, 3)), rng.normal(size=(2, 3, 21, 3))
    source[0, 1] = target[0, 1] * MIRROR
    source[1, 0] *= [1, 1, 0]
    source[1, 2] = 0
    found = procrustes(source, target, scale=scale, reflection=reflection)
    aligned = found(source)
    for place in np.ndindex(2, 3):
        alone = procrustes(source[place], target[place], scale=scale, reflection=reflection)
        np.testing.assert_allclose(aligned[place], alone(source[place]), atol=1e-12)
        assert found.reflected[place] == alone.reflected
    assert found.reflected[0, 1] == reflection
    assert not found.reflected[1, 0] and not found.reflected[1, 2]
