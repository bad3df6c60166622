"""Refining a fitted hand by rendering: its silhouette is pulled to the hand's outline in the photo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from handsss.geometry.rotations import axis_angle_to_matrix
from handsss.hand.layer import HandLayer
from handsss.reconstruct.adam import Adam
from handsss.reconstruct.crop import Crop
from handsss.reconstruct.fit_problem import (
    PARAMETERS,
    POSE,
    POSITION,
    ROTATION,
    SHAPE,
    HandParameters,
    KeypointProblem,
    Observation,
    step,
)
from handsss.reconstruct.segmentation import Segmentation, forearm_zone, segment
from handsss.render.pipeline import render


@dataclass(frozen=True)
class SilhouetteSettings:
    """Sizes and weights of the refinement."""

    longer_side: int = 192  # px of the working picture
    iterations: int = 50
    weight: float = 1000.0  # squared sigmas for a mismatch as large as the hand
    rate: float = 0.04  # Adam's, in units of each parameter's own scale
    minimum_quality: float = 0.55  # of the segmentation; below it the outline is left alone


# One unit of each parameter in the optimiser: turns and moves are stiffer than pose coefficients.
_SCALES = torch.ones(PARAMETERS, dtype=torch.float64)
_SCALES[ROTATION] = 0.35
_SCALES[POSITION] = 0.10
_SCALES[POSE] = 1.5
_SCALES[SHAPE] = 2.0


def posed_vertices(layer: HandLayer, problem: KeypointProblem, parameters: HandParameters) -> Tensor:
    """Vertices [B, V, 3] float32, camera frame, of fitted parameters."""
    local = axis_angle_to_matrix(problem.space.axis_angle(parameters.pose)).float()
    output = layer(
        matrices=local,
        shape=parameters.shape.float(),
        rotation=parameters.rotation.float(),
        translation=parameters.translation.float(),
    )
    return output.vertices.contiguous()


def coverage(vertices: Tensor, layer: HandLayer, crop: Crop) -> Tensor:
    """Anti-aliased silhouette [h, w] of vertices [1, V, 3]."""
    intrinsics = torch.as_tensor(crop.intrinsics, dtype=torch.float32)
    return render(
        vertices,
        layer.faces,
        colours=torch.ones_like(vertices[0]),
        intrinsics=intrinsics,
        size=crop.size,
    ).silhouette[0]


def segment_hand(crop: Crop, vertices: Tensor, layer: HandLayer, parameters: HandParameters) -> Segmentation | None:
    """Segment the photo around a fitted hand; see :func:`handsss.reconstruct.segmentation.segment`."""
    with torch.no_grad():
        silhouette = coverage(vertices, layer, crop).numpy()
    rotation = parameters.rotation[0].numpy()
    ring = layer.model.boundary
    wrist = vertices[0, ring].mean(0).numpy() if len(ring) else parameters.translation[0].numpy()
    # The canonical hand's fingers point along -x (a right hand), so the forearm lies along +x.
    zone = forearm_zone(crop.size, wrist.astype(np.float64), rotation[:, 0], crop.intrinsics)
    return segment(crop.image, silhouette, zone)


def refine(
    parameters: HandParameters,
    problem: KeypointProblem,
    layer: HandLayer,
    observation: Observation,
    crop: Crop,
    segmentation: Segmentation,
    settings: SilhouetteSettings,
) -> HandParameters:
    """Minimise keypoint residuals, priors and the silhouette's mismatch together (Adam); the best step is returned.

    Args:
        parameters: one hand, right, in the crop's photo.
        observation: its keypoints in the photo.
        crop: photo part at working resolution.
        segmentation: of the crop.
    """
    target = torch.as_tensor(segmentation.probability)
    # Undecided pixels and the forearm's do not count.
    certainty = torch.as_tensor((2 * np.abs(segmentation.probability - 0.5)) * segmentation.counted)
    area = float((target * certainty).sum().clamp_min(1))
    weight = settings.weight * segmentation.quality
    delta = torch.zeros(1, PARAMETERS, dtype=torch.float64, requires_grad=True)
    optimiser = Adam(delta, betas=(0.8, 0.95))
    best_cost, best = float("inf"), parameters
    for iteration in range(settings.iterations + 1):
        moved = step(parameters, delta * _SCALES)
        cost, _ = problem.robust(problem.residuals(moved, observation))
        silhouette = coverage(posed_vertices(layer, problem, moved), layer, crop)
        mismatch = (certainty * (silhouette - target).square()).sum() / area
        total = cost[0] + weight * mismatch
        value = float(total.detach())
        if value < best_cost:
            best_cost = value
            best = HandParameters(*(part.detach().clone() for part in moved))
        if iteration == settings.iterations or not np.isfinite(value):
            break
        (gradient,) = torch.autograd.grad(total, delta)
        optimiser.step(gradient, settings.rate * (1 - 0.8 * iteration / settings.iterations))
    return best


def intersection_over_union(silhouette: np.ndarray, segmentation: Segmentation) -> float:
    """IoU of a rendered hand with the segmented one, outside the forearm's zone."""
    rendered = (silhouette > 0.5) & segmentation.counted
    hand = (segmentation.probability > 0.5) & segmentation.counted
    union = (rendered | hand).sum()
    return float((rendered & hand).sum() / union) if union else 0.0
