"""The whole objective: E = w_3d E_3d + w_2d E_2d + w_con E_con, and what each stage takes of it. Method, section 2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from handsss.losses.consistency import consistency_loss, keypoint_loss
from handsss.losses.geometric import location_loss, orientation_loss, true_joints_loss
from handsss.losses.photometric import pixel_loss, ssim_loss
from handsss.losses.regularisation import average_pose_loss, scale_loss, shape_loss, skeleton_loss, texture_loss
from handsss.network.s2hand import Prediction, S2Hand
from handsss.render.types import RenderOutput

STAGES = ("keypoints", "shape", "finetune")


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms (supplement, section 2)."""

    w_3d: float = 1.0
    w_2d: float = 0.001
    w_con: float = 0.0002  # 0: without E_con
    w_geo: float = 0.001
    w_photo: float = 0.005  # 0: without photometric terms
    w_regu: float = 0.01
    w_ori: float = 100.0  # 0: without bone directions
    w_ssim: float = 0.2
    w_beta: float = 1.0
    w_texture: float = 0.5  # w_C
    w_scale: float = 10000.0  # w_s
    w_pose: float = 10.0  # w_J
    w_joints: float = 100.0  # w_3dj, with full supervision only
    pose_prior: str = "limits"  # or "average": L2 on the pose coefficients in the place of E_J
    squared_scale: bool = True  # supplement; the released code has L1


class Batch(NamedTuple):
    """What the objective needs of a batch."""

    image: Tensor  # [B, 3, 224, 224] 0..1
    keypoints: Tensor  # [B, 21, 2] px
    confidence: Tensor  # [B, 21]
    K: Tensor  # [B, 3, 3]
    joints_3d: Tensor | None = None  # [B, 21, 3] m; with full supervision
    samples: Tensor | None = None  # [B] numbers, for messages


class Terms(NamedTuple):
    """The objective's value and its parts."""

    total: Tensor  # scalar
    parts: dict[str, Tensor]  # E_loc, E_ori, ...: unweighted, detached
    prediction: Prediction | None
    rendered: RenderOutput | None


class TermNotFiniteError(ArithmeticError):
    """A term is not a number; names it and the samples in which the prediction is not finite."""

    def __init__(self, term: str, samples: list[int]) -> None:
        where = f"; the prediction is not finite for samples {samples}" if samples else ""
        super().__init__(f"the term {term} is not a finite number{where}.")
        self.term, self.samples = term, samples


@dataclass(frozen=True)
class Objective:
    """The objective of a stage.

    Args:
        weights: of the terms.
        keypoint_set: definition that detections follow, and joints are projected with.
        mean_bone: m, the dataset's average length of bone 9-10, for E_s.
    """

    weights: LossWeights
    keypoint_set: str
    mean_bone: float

    def __call__(self, network: S2Hand, batch: Batch, stage: str) -> Terms:
        """The value for a batch.

        Args:
            network: predicts.
            batch: see :class:`Batch`.
            stage: "keypoints" (the 2D branch alone), "shape" (E_geo, E_s, E_J, E_beta), "finetune" (all terms).

        Raises:
            TermNotFiniteError: a term is not a number.
            ValueError: another stage.
        """
        if stage not in STAGES:
            raise ValueError(f"stage {stage!r}: expected one of {', '.join(STAGES)}")
        parts: dict[str, Tensor] = {}
        if stage == "keypoints":
            parts["E_2d"] = keypoint_loss(network.keypoints_only(batch.image), batch.keypoints, batch.confidence)
            _check(parts, None, batch)
            return Terms(self.weights.w_2d * parts["E_2d"], _detached(parts), None, None)
        prediction = network(batch.image, batch.K, self.keypoint_set)
        total = self._geometry(network, prediction, batch, parts)
        rendered = None
        if stage == "finetune":
            extra, rendered = self._appearance(network, prediction, batch, parts)
            total = total + extra
            if prediction.keypoints is not None:
                parts["E_2d"] = keypoint_loss(prediction.keypoints, batch.keypoints, batch.confidence)
                total = total + self.weights.w_2d * parts["E_2d"]
                if self.weights.w_con > 0:
                    parts["E_con"] = consistency_loss(prediction.keypoints, prediction.projected)
                    total = total + self.weights.w_con * parts["E_con"]
        _check(parts, prediction, batch)
        return Terms(total, _detached(parts), prediction, rendered)

    def _geometry(self, network: S2Hand, prediction: Prediction, batch: Batch, parts: dict[str, Tensor]) -> Tensor:
        """w_geo (E_loc + w_ori E_ori) + w_regu (E_beta + w_s E_s + w_J E_J) + w_3dj E_3dj."""
        w = self.weights
        parts["E_loc"] = location_loss(prediction.projected, batch.keypoints, batch.confidence)
        geometry = parts["E_loc"]
        if w.w_ori > 0:
            parts["E_ori"] = orientation_loss(prediction.projected, batch.keypoints, batch.confidence)
            geometry = geometry + w.w_ori * parts["E_ori"]
        parts["E_beta"] = shape_loss(prediction.hand.shape)
        parts["E_s"] = scale_loss(prediction.joints, self.mean_bone, squared=w.squared_scale)
        regularisation = w.w_beta * parts["E_beta"] + w.w_scale * parts["E_s"]
        if w.pose_prior == "average":
            parts["E_pose"] = average_pose_loss(prediction.hand.pose)
            regularisation = regularisation + w.w_pose * parts["E_pose"]
        else:
            parts["E_J"] = skeleton_loss(network.hand.limit_excess(prediction.rotations))
            regularisation = regularisation + w.w_pose * parts["E_J"]
        total = w.w_3d * (w.w_geo * geometry + w.w_regu * regularisation)
        if batch.joints_3d is not None:
            parts["E_3dj"] = true_joints_loss(prediction.joints, batch.joints_3d)
            total = total + w.w_joints * parts["E_3dj"]
        return total

    def _appearance(
        self, network: S2Hand, prediction: Prediction, batch: Batch, parts: dict[str, Tensor]
    ) -> tuple[Tensor, RenderOutput | None]:
        """w_photo (E_pixel + w_SSIM E_SSIM) + w_regu w_C E_C, of networks with texture."""
        w = self.weights
        if prediction.texture is None or w.w_photo == 0:
            return torch.zeros_like(prediction.projected.sum()), None
        rendered = network.render(prediction, batch.K)
        image = batch.image.permute(0, 2, 3, 1)
        parts["E_pixel"] = pixel_loss(rendered.colour, image, rendered.silhouette, batch.confidence)
        parts["E_SSIM"] = ssim_loss(rendered.colour, image, rendered.silhouette)
        parts["E_C"] = texture_loss(prediction.texture, batch.confidence)
        photometric = w.w_photo * (parts["E_pixel"] + w.w_ssim * parts["E_SSIM"])
        return w.w_3d * (photometric + w.w_regu * w.w_texture * parts["E_C"]), rendered


def _detached(parts: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in parts.items()}


def _check(parts: dict[str, Tensor], prediction: Prediction | None, batch: Batch) -> None:
    if bool(torch.isfinite(torch.stack([value.detach().float() for value in parts.values()])).all()):
        return
    term = next(name for name, value in parts.items() if not bool(torch.isfinite(value)))
    rows: list[int] = []
    if prediction is not None:
        bad = ~torch.isfinite(prediction.projected).flatten(1).all(1)
        index = batch.samples if batch.samples is not None else torch.arange(len(bad))
        rows = [int(i) for i in index[bad.cpu()].tolist()]
    raise TermNotFiniteError(term, rows)
