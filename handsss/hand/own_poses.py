"""What a hand model's file says about poses: the coefficients that it was made from, and the range of their angles."""

from __future__ import annotations

import numpy as np

# The range of a fit's angles: these percentiles of the model's own poses, and a margin.
PERCENTILES = (0.5, 99.5)
MARGIN_DEG = 5.0
_DEVIATIONS = 2.576  # of a Gaussian, at the same percentiles


def registered_coefficients(arrays: dict[str, np.ndarray]) -> np.ndarray | None:
    """Pose coefficients [N, 45] of the registered poses that MANO was made from (``hands_coeffs``: 1,554 in MANO's own
    files); None in a file without them, or with too few to tell a spread.
    """
    coefficients = arrays.get("hands_coeffs")
    if coefficients is None or coefficients.ndim != 2 or coefficients.shape[1] != 45 or len(coefficients) <= 45:
        return None
    coefficients = np.asarray(coefficients, dtype=np.float64)
    return coefficients if np.isfinite(coefficients).all() and (coefficients.std(0) > 0).all() else None


def own_limits(
    mean: np.ndarray, components: np.ndarray, std: np.ndarray, coefficients: np.ndarray | None, side: str
) -> np.ndarray:
    """The range of a MANO-format model's own poses, in the angles that table 1 limits.

    Table 1 is a training loss; MANO's registered poses lie 17 degrees a joint outside it, so that a fit that takes it
    for a prior straightens bent fingers.

    Args:
        mean: [45] axis-angle, radians.
        components: [45, 45] orthonormal rows.
        std: [45] standard deviation of each coefficient, used where the poses themselves are not known.
        coefficients: [N, 45] of the model's own poses, or None.
        side: of the hand; see :func:`handsss.hand.limits.mano_angles`.

    Returns:
        [15, 3, 2] degrees: azimuth, pitch, roll; minimum, maximum.
    """
    if coefficients is None:
        deviation = _DEVIATIONS * np.sqrt((std[:, None] ** 2 * components**2).sum(0))
        low, high = mean - deviation, mean + deviation
    else:
        low, high = np.percentile(mean + coefficients @ components, PERCENTILES, axis=0)
    ends = np.stack([low, high], -1).reshape(15, 3, 2)
    mirror = -1.0 if side == "left" else 1.0
    angles = np.stack([mirror * ends[:, 1], -mirror * ends[:, 2], ends[:, 0]], 1)  # azimuth y, pitch -z, roll x
    limits: np.ndarray = np.rad2deg(np.sort(angles, -1)) + np.array([-MARGIN_DEG, MARGIN_DEG])
    return limits
