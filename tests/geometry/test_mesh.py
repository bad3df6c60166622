"""Directions over the sphere."""

from __future__ import annotations

import numpy as np

from handsss.geometry.mesh import sphere_directions


def test_directions_are_even_over_the_sphere() -> None:
    directions = sphere_directions(500)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
    np.testing.assert_allclose(directions.T @ directions / 500, np.eye(3) / 3, atol=0.01)
    cosine = directions @ directions.T - 2 * np.eye(500)
    assert np.degrees(np.arccos(cosine.max(1))).min() > 6  # 500 caps of 4.6 degrees' radius at most cover the sphere
