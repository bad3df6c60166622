"""Keypoints as the built-in detector reports them: errors, confidences, lost points, displaced fingers.

Follows what the detector does on 1,853 rendered pictures with known truth (docs/lab/starts.md): sizes that differ from
picture to picture, errors that go along fingers and across the palm, confidences that know of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

# Of errors over the hand's radius in the picture (root mean square about its middle).
_MEDIAN_ERROR, _SPREAD, _LARGEST = 0.15, 0.75, 1.2
_OF_LEVEL = (1.04, 0.74, 0.57, 0.61, 0.81)  # wrist, then knuckle to tip, relative to the picture's
# Correlations: of neighbours on a finger, of neighbouring fingers; palm's share.
_ALONG, _ACROSS, _PALM = 0.7, 0.45, 0.6
# logit(confidence) = slope * log(size of error / pivot) + noise
_SLOPE, _PIVOT, _DOUBT = -2.6, 0.19, 1.2


@dataclass(frozen=True)
class ErrorRates:
    """How often the detector errs."""

    clean: float = 0.15  # share without errors
    gross: float = 0.08  # share of hands with a finger somewhere else
    dropped: float = 0.10  # share of hands with points that were not seen


class ErrorDraws(NamedTuple):
    """The random numbers of detections; standard normal, or uniform where said."""

    size: Tensor  # [B, 1]
    of_finger: Tensor  # [B, 5]
    clean: Tensor  # [B, 1] uniform
    error: Tensor  # [B, 21, 2]
    finger: Tensor  # [B, 1] uniform
    gross: Tensor  # [B, 1] uniform
    away: Tensor  # [B, 1, 2]
    trust: Tensor  # [B, 21]
    dropped: Tensor  # [B, 1] uniform
    lost: Tensor  # [B, 21] uniform
    lost_share: Tensor  # [B, 1] uniform


def error_factor() -> Tensor:
    """Cholesky factor [21, 21] of the errors' covariance in one direction; mean square length 1 in two."""
    level = np.arange(4)
    along = _ALONG ** np.abs(level[:, None] - level)
    across = _ACROSS ** np.abs(np.arange(5)[:, None] - np.arange(5))
    covariance = np.zeros((21, 21))
    covariance[1:, 1:] = np.kron(across, along)
    covariance[0, 0] = 1
    # What moves the palm moves wrist and knuckles, and less of what hangs on them.
    palm = np.array([0.7, *([1.0, 0.5, 0.2, 0.0] * 5)])
    covariance = (1 - _PALM) * covariance + _PALM * (np.outer(palm, palm) + np.diag(1 - palm**2))
    size = np.array([_OF_LEVEL[0], *(_OF_LEVEL[1:] * 5)])
    covariance *= np.outer(size, size)
    return torch.as_tensor(np.linalg.cholesky(covariance / (2 * np.trace(covariance) / 21)), dtype=torch.float32)


def disturbed(points: Tensor, factor: Tensor, draws: ErrorDraws, rates: ErrorRates) -> tuple[Tensor, Tensor]:
    """What a detector makes of true points.

    Args:
        points: [B, 21, 2] px, or rays on the plane z = 1.
        factor: of :func:`error_factor`, on the points' device.
        draws: random numbers.
        rates: how often it errs.

    Returns:
        Points [B, 21, 2] and confidences [B, 21], 0 for lost ones.
    """
    count = len(points)
    radius = (points - points.mean(1, keepdim=True)).square().sum(-1).mean(1).sqrt()
    size = (_MEDIAN_ERROR * torch.exp(_SPREAD * draws.size)).clamp(max=_LARGEST)
    of_finger = torch.exp(0.35 * draws.of_finger).repeat_interleave(4, 1)
    size = size * torch.cat([torch.ones(count, 1, device=points.device), of_finger], 1)
    size = torch.where(draws.clean < rates.clean, 0.0, size)
    error = (factor @ draws.error) * size[..., None]
    # A finger that was taken for another, or for something else: all of it goes, its tip most.
    finger = (draws.finger * 5).long()
    gross = (torch.arange(20, device=points.device) // 4 == finger) & (draws.gross < rates.gross)
    reach = torch.tensor([0.2, 0.5, 0.8, 1.0], device=points.device).repeat(5) * gross
    error[:, 1:] += 0.7 * reach[..., None] * draws.away
    size[:, 1:] += 0.3 * reach
    trust = torch.sigmoid(_SLOPE * (size.clamp_min(0.02) / _PIVOT).log() + _DOUBT * draws.trust)
    lost = (draws.dropped < rates.dropped) & (draws.lost < 0.4 * draws.lost_share)
    confidence = torch.where(lost, 0.0, trust.clamp_min(1e-3))
    return points + error * radius[:, None, None], confidence
