"""Refining fitted hands by differentiable rendering: their silhouettes are fitted to the segmented photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.optim.adam import adam

from handsss.fitting.hand_input import HandInput
from handsss.fitting.observation import Observation
from handsss.fitting.problem import (
    PARAMETERS,
    POSE,
    POSITION,
    ROTATION,
    SHAPE,
    HandParameters,
    KeypointProblem,
    retract,
)
from handsss.fitting.segmentation import Segmentation, forearm_zone, segment
from handsss.geometry.cameras import project
from handsss.geometry.rotations import axis_angle_to_matrix
from handsss.geometry.window import Crop, crop_around
from handsss.hand.layer import HandLayer, HandOutput
from handsss.rendering.pipeline import render


@dataclass(frozen=True)
class SilhouetteSettings:
    """Sizes and weights of the refinement."""

    longer_side: int = 192  # px of the working picture
    iterations: int = 50
    weight: float = 1000.0  # squared sigmas for a mismatch as large as the hand
    lr: float = 0.04  # of Adam, in units of each parameter's own scale
    minimum_quality: float = 0.55  # of the segmentation; below it the silhouette is not fitted


# The optimiser's unit of each parameter: rotation and position are more sensitive than pose coefficients.
_SCALES = torch.ones(PARAMETERS, dtype=torch.float64)
_SCALES[ROTATION] = 0.35
_SCALES[POSITION] = 0.10
_SCALES[POSE] = 1.5
_SCALES[SHAPE] = 2.0


class Adam:
    """Adam (Kingma and Ba 2015) for one tensor, by torch's functional form: ``torch.optim.Adam`` imports torch's
    compiler with the first optimiser, which takes two seconds, longer than a photo.

    Args:
        value: changed in place by :meth:`step`.
        betas: decay of the gradient's mean, and of its square's.
    """

    def __init__(self, value: Tensor, betas: tuple[float, float] = (0.9, 0.999)) -> None:
        self.value, self.betas = value, betas
        self._mean, self._square = (torch.zeros_like(value, requires_grad=False) for _ in range(2))
        self._steps = torch.tensor(0.0)

    @torch.no_grad()
    def step(self, gradient: Tensor, lr: float) -> None:
        """One step against a gradient."""
        adam(
            [self.value],
            [gradient],
            [self._mean],
            [self._square],
            [],
            [self._steps],
            foreach=False,
            fused=False,
            amsgrad=False,
            beta1=self.betas[0],
            beta2=self.betas[1],
            lr=lr,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )


def posed_vertices(layer: HandLayer, problem: KeypointProblem, parameters: HandParameters) -> Tensor:
    """Vertices [B, V, 3] float32, camera frame, of fitted parameters."""
    return _posed(layer, problem, parameters)[0].vertices.contiguous()


def _posed(layer: HandLayer, problem: KeypointProblem, parameters: HandParameters) -> tuple[HandOutput, Tensor]:
    """Hands in float32, camera frame, and their local joint rotations [B, 15, 3, 3] float64."""
    local = axis_angle_to_matrix(problem.space.axis_angle(parameters.pose))
    output = layer(
        matrices=local.float(),
        shape=parameters.shape.float(),
        rotation=parameters.rotation.float(),
        translation=parameters.translation.float(),
    )
    return output, local


def coverage(vertices: Tensor, layer: HandLayer, intrinsics: Tensor, size: tuple[int, int]) -> Tensor:
    """Anti-aliased silhouettes [B, *size] of vertices [B, V, 3] under cameras [B, 3, 3]."""
    white = torch.ones_like(vertices[0])
    return render(vertices, layer.faces, colours=white, intrinsics=intrinsics, size=size).silhouette


def crop_coverage(vertices: Tensor, layer: HandLayer, crop: Crop) -> np.ndarray:
    """Anti-aliased silhouette [h, w] of vertices [1, V, 3] in a crop."""
    with torch.no_grad():
        silhouette = coverage(vertices, layer, torch.as_tensor(crop.intrinsics[None]).float(), crop.size)
    return silhouette[0].numpy()


def segment_hand(crop: Crop, vertices: Tensor, layer: HandLayer, parameters: HandParameters) -> Segmentation | None:
    """Segment the photo around a fitted hand; see :func:`handsss.fitting.segmentation.segment`."""
    silhouette = crop_coverage(vertices, layer, crop)
    rotation = parameters.rotation[0].numpy()
    ring = layer.model.boundary
    wrist = vertices[0, ring].mean(0).numpy() if len(ring) else parameters.translation[0].numpy()
    # The canonical hand's fingers point along -x (a right hand), so the forearm lies along +x.
    zone = forearm_zone(crop.size, wrist.astype(np.float64), rotation[:, 0], crop.intrinsics)
    return segment(crop.image, silhouette, zone)


class _Outlines(NamedTuple):
    """Segmented silhouettes, each in the upper left of a square of the working size."""

    target: Tensor  # [B, S, S] probability of being hand
    certainty: Tensor  # [B, S, S] 0: does not count
    area: Tensor  # [B] px
    weight: Tensor  # [B]
    intrinsics: Tensor  # [B, 3, 3] of the crops


def _outlines(crops: Sequence[Crop], segmentations: Sequence[Segmentation], settings: SilhouetteSettings) -> _Outlines:
    side = settings.longer_side  # one size for all crops: a hand's result must not depend on the others in the batch
    target = torch.zeros(len(crops), side, side)
    certainty = torch.zeros_like(target)
    for number, (crop, segmentation) in enumerate(zip(crops, segmentations, strict=True)):
        height, width = crop.size
        probability = segmentation.probability
        target[number, :height, :width] = torch.as_tensor(probability)
        # Undecided pixels and the forearm are ignored.
        counted = (2 * np.abs(probability - 0.5)) * segmentation.valid
        certainty[number, :height, :width] = torch.as_tensor(counted)
    return _Outlines(
        target,
        certainty,
        (target * certainty).sum((1, 2)).clamp_min(1),
        settings.weight * torch.tensor([segmentation.quality for segmentation in segmentations]),
        torch.as_tensor(np.stack([crop.intrinsics for crop in crops])).float(),
    )


def refine(
    parameters: HandParameters,
    problem: KeypointProblem,
    layer: HandLayer,
    observation: Observation,
    crops: Sequence[Crop],
    segmentations: Sequence[Segmentation],
    settings: SilhouetteSettings,
    *,
    shape_fixed: bool = False,
) -> HandParameters:
    """Minimise keypoint residuals, priors and silhouette mismatch with Adam, all hands in one batch.

    Args:
        parameters: right hands [B].
        observation: their keypoints in the photos, [B].
        crops: the photos around the hands, at working resolution.
        segmentations: of the crops.
        shape_fixed: the shapes stay as they are.

    Returns:
        the iterate with the lowest cost of each hand.
    """
    outlines = _outlines(crops, segmentations, settings)
    size = outlines.target.shape[1], outlines.target.shape[2]
    delta = torch.zeros(len(crops), PARAMETERS, dtype=torch.float64, requires_grad=True)
    optimiser = Adam(delta, betas=(0.8, 0.95))
    scales = _SCALES.clone()
    if shape_fixed:
        scales[SHAPE] = 0
    best = parameters.copy()
    best_cost = torch.full((len(crops),), float("inf"), dtype=torch.float64)
    for iteration in range(settings.iterations + 1):
        moved = retract(parameters, delta * scales)
        posed, local = _posed(layer, problem, moved)
        points = layer.keypoints(posed, problem.full_keypoint_set).double()
        cost, _ = problem.robust(problem.residuals_of(moved, points, local, observation))
        silhouette = coverage(posed.vertices.contiguous(), layer, outlines.intrinsics, size)
        mismatch = (outlines.certainty * (silhouette - outlines.target).square()).sum((1, 2)) / outlines.area
        total = cost + outlines.weight * mismatch
        values = total.detach()
        better = values < best_cost  # False for NaN
        best_cost = torch.where(better, values, best_cost)
        best.assign(better, HandParameters(*(part.detach() for part in moved)).select(better))
        if iteration == settings.iterations or not bool(torch.isfinite(values).any()):
            break
        (gradient,) = torch.autograd.grad(total.sum(), delta)
        optimiser.step(gradient, settings.lr * (1 - 0.8 * iteration / settings.iterations))
    return best


def fit_outlines(
    inputs: Sequence[HandInput],
    parameters: HandParameters,
    problem: KeypointProblem,
    layer: HandLayer,
    settings: SilhouetteSettings,
    *,
    shape_fixed: bool = False,
) -> tuple[HandParameters, list[dict[str, float]]]:
    """Fit silhouettes where the segmentation is good enough.

    Args:
        inputs: the hands' photos.
        parameters: hands [B], fitted to keypoints.
        shape_fixed: their shapes stay as they are.

    Returns:
        the hands, and figures of each: ``segmentation_quality`` if there was a segmentation, ``silhouette_iou`` if the
        silhouette was fitted to it.
    """
    with torch.no_grad():
        vertices = posed_vertices(layer, problem, parameters)
    figures: list[dict[str, float]] = [{} for _ in inputs]
    rows, crops, segmentations = [], [], []
    for row, hand_input in enumerate(inputs):
        outline = project(vertices[row].double(), torch.as_tensor(hand_input.intrinsics)).numpy()
        crop = crop_around(
            hand_input.image, hand_input.intrinsics, outline, margin=0.25, longer_side=settings.longer_side
        )
        if crop is None:
            continue
        segmentation = segment_hand(crop, vertices[row : row + 1], layer, parameters.select(row))
        if segmentation is None:
            continue
        figures[row]["segmentation_quality"] = segmentation.quality
        if segmentation.quality >= settings.minimum_quality:
            rows.append(row)
            crops.append(crop)
            segmentations.append(segmentation)
    if not rows:
        return parameters, figures
    observation, chosen = Observation.stack([inputs[row].observation for row in rows]), torch.tensor(rows)
    pulled = refine(
        parameters.select(chosen),
        problem,
        layer,
        observation,
        crops,
        segmentations,
        settings,
        shape_fixed=shape_fixed,
    )
    with torch.no_grad():
        vertices = posed_vertices(layer, problem, pulled)
    every = parameters.copy()
    every.assign(chosen, pulled)
    for row, crop, segmentation, posed in zip(rows, crops, segmentations, vertices, strict=True):
        after = crop_coverage(posed[None], layer, crop)
        figures[row]["silhouette_iou"] = intersection_over_union(after, segmentation)
    return every, figures


def intersection_over_union(silhouette: np.ndarray, segmentation: Segmentation) -> float:
    """IoU of a rendered hand with the segmented one, without the forearm."""
    rendered = (silhouette > 0.5) & segmentation.valid
    hand = (segmentation.probability > 0.5) & segmentation.valid
    union = (rendered | hand).sum()
    return float((rendered & hand).sum() / union) if union else 0.0
