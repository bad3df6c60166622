"""What a fit is given of a hand: keypoints in the picture, and 3D points where the detector has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from handsss.detect.types import MINIMUM_SPAN
from handsss.errors import InputError
from handsss.fitting.depth import world_in_camera

MINIMUM_KEYPOINTS = 6
# A hand that is doubtful as a whole (blurred, say) still has nothing better than its keypoints: their confidences are
# raised together to this mean, so that priors do not carry it off.
LEAST_MEAN_CONFIDENCE = 0.4


class Observation(NamedTuple):
    """The 2D keypoints of a right hand; or of B hands, with a leading dimension B."""

    keypoints: Tensor  # [21, 2] px
    confidence: Tensor  # [21] 0..1; zero: the point is ignored
    intrinsics: Tensor  # [3, 3]
    world: Tensor | None = None  # [21, 4] metres: 3D points in camera axes, and the spread of each; None: no depth

    @classmethod
    def stack(cls, observations: Sequence[Observation]) -> Observation:
        """Observations of one hand each as a batch."""
        keypoints, confidence, intrinsics, worlds = zip(*observations, strict=True)
        usual = torch.stack(keypoints), torch.stack(confidence), torch.stack(intrinsics)
        known = [world for world in worlds if world is not None]
        if not known:
            return cls(*usual)
        nothing = torch.full_like(known[0], float("inf"))  # infinite spread: no evidence
        nothing[:, :3] = 0
        return cls(*usual, torch.stack([nothing if world is None else world for world in worlds]))

    @property
    def size(self) -> Tensor:
        """The longer side of the box of the confident keypoints, px (at least 1); [] or [B]."""
        unused = (self.confidence <= 0)[..., None]
        low = self.keypoints.masked_fill(unused, float("inf")).amin(-2)
        high = self.keypoints.masked_fill(unused, float("-inf")).amax(-2)
        return (high - low).amax(-1).clamp_min(1.0)

    def select(self, index: Tensor) -> Observation:
        """The observations at an index or a mask; an observation without a batch dimension stays as it is."""
        if self.confidence.ndim == 1:
            return self
        world = None if self.world is None else self.world[index]
        return Observation(self.keypoints[index], self.confidence[index], self.intrinsics[index], world)


def observation_of(keypoints: np.ndarray, intrinsics: np.ndarray, world: np.ndarray | None = None) -> Observation:
    """Check keypoints and make an observation of them; points that are not finite count as unseen.

    Args:
        keypoints: [21, 3] x, y (px), confidence. Confidences with a low mean are raised together.
        intrinsics: [3, 3].
        world: [21, 4] the detector's 3D points and their spread, see :class:`handsss.detect.types.Detection`; None: no
            evidence of depth.

    Raises:
        InputError: fewer than six usable points (a hand's placement alone has six unknowns), or all in one place.
    """
    points = np.asarray(keypoints, dtype=np.float64)
    usable = np.isfinite(points).all(1) & (points[:, 2] > 0)
    if usable.sum() < MINIMUM_KEYPOINTS:
        raise InputError(
            f"only {int(usable.sum())} of 21 keypoints are usable (finite, with confidence above 0); "
            f"a hand needs at least {MINIMUM_KEYPOINTS}."
        )
    span = float(np.ptp(points[usable, :2], axis=0).max())
    if span < MINIMUM_SPAN:
        raise InputError(
            f"the keypoints lie within {span:.1f} pixels of each other; a hand needs at least {MINIMUM_SPAN:.0f}. "
            "Expected pixels of the photo."
        )
    middle = points[usable, :2].mean(0)
    positions = np.where(usable[:, None], points[:, :2], middle)
    sure = np.clip(points[:, 2], 0, 1)
    lift = max(0.0, LEAST_MEAN_CONFIDENCE - float(sure[usable].mean()))
    confidence = np.where(usable, np.minimum(sure + lift, 1), 0.0)
    return Observation(
        torch.tensor(positions),
        torch.tensor(confidence),
        torch.tensor(np.asarray(intrinsics, dtype=np.float64)),
        None if world is None else torch.tensor(world_in_camera(world, points, intrinsics)),
    )
