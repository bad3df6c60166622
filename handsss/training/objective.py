"""The objective E = w_3d E_3d + w_2d E_2d + w_con E_con, and the terms of each stage.

See docs/method.md, losses. Each term is a file of :mod:`handsss.losses`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from handsss.detect.types import KEYPOINT_SET
from handsss.geometry.framing import CROP
from handsss.losses.auxiliary import e_heatmap, e_simcc
from handsss.losses.common import MIDDLE_MCP
from handsss.losses.e_2d import e_2d
from handsss.losses.e_beta import e_beta
from handsss.losses.e_c import e_c
from handsss.losses.e_con import e_con
from handsss.losses.e_depth import e_depth
from handsss.losses.e_j import e_j
from handsss.losses.e_loc import e_loc
from handsss.losses.e_ori import e_ori
from handsss.losses.e_pixel import e_pixel
from handsss.losses.e_s import e_s
from handsss.losses.e_ssim import e_ssim
from handsss.losses.lifted import e_lifted
from handsss.losses.pose_priors import average_pose, plausible_pose
from handsss.losses.supervised import e_3dj, e_root
from handsss.network.auxiliary import AuxiliaryOutput
from handsss.network.s2hand import S2Hand, S2HandOutput
from handsss.rendering.types import RenderOutput
from handsss.training.distributed import mean_over_processes
from handsss.training.lifting_supervision import lifting_teacher
from handsss.training.schedule import WHOLE

STAGES = ("keypoints", "shape", "finetune")
WARM_UP = "warm-up"  # before them, not the paper's: trains the encoder on keypoints through its auxiliary heads


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms, as the paper writes them (supplement, section 2), and choices between forms of terms."""

    w_3d: float = 1.0  # of E_3d = w_geo E_geo + w_photo E_photo + w_regu E_regu
    w_2d: float = 0.001  # of E_2d, the keypoint branch
    w_con: float = 0.0002  # of E_con, consistency of keypoint branch and projected joints; 0: without
    w_geo: float = 0.001  # of E_geo = E_loc + w_ori E_ori
    w_photo: float = 0.005  # of E_photo = E_pixel + w_ssim E_SSIM; 0: without photometric terms
    w_regu: float = 0.01  # of E_regu = w_beta E_beta + w_C E_C + w_s E_s + w_J E_J
    w_ori: float = 100.0  # of E_ori, bone directions; 0: without
    w_ssim: float = 0.2  # of E_SSIM, structural similarity
    w_beta: float = 1.0  # of E_beta, shape coefficients
    w_C: float = 0.5  # of E_C, texture
    w_s: float = 10000.0  # of E_s, bone length
    w_J: float = 10.0  # of E_J, joint limits, or of the average-pose prior
    w_3dj: float = 100.0  # of E_3dj, true 3D joints; with full supervision only
    # Not the paper's: E_3dj relative to the middle finger's knuckle instead of in camera space. Crops zoomed on hands
    # hide the depth, whose error would dominate.
    relative_joints: bool = False
    squared_joints: bool = True  # E_3dj squared (supplement); False: the distance itself, not the paper's
    w_root: float = 0.0  # of E_root, the true position of that knuckle, beside relative joints (not the paper's)
    w_auxiliary: float = 0.01  # of the auxiliary heads' terms, E_heatmap + w_simcc E_simcc (not the paper's)
    w_simcc: float = 0.5  # of E_simcc relative to E_heatmap
    w_plausible: float = 0.0  # of the squared pose coefficients in standard deviations (not the paper's)
    w_lifted: float = 0.0  # of E_lifted, joints of the lifting network; open hand only (not the paper's)
    w_depth: float = 0.0  # of E_depth, the detector's 3D points (not the paper's)
    pose_prior: str = "limits"  # limits: E_J; average: L2 on the pose coefficients instead
    squared_scale: bool = True  # E_s squared (supplement) or absolute (released code)


class Batch(NamedTuple):
    """Input and supervision."""

    image: Tensor  # [B, 3, 224, 224] RGB 0..1; smaller in stages that run the encoder alone
    keypoints: Tensor  # [B, 21, 2] px, detected; with full supervision projected true joints
    confidence: Tensor  # [B, 21] 0..1
    K: Tensor  # [B, 3, 3] px
    joints_3d: Tensor | None = None  # [B, 21, 3] m, true joints; with full supervision, or of online pictures
    samples: Tensor | None = None  # [B] row numbers, for messages
    world: Tensor | None = None  # [B, 21, 4] m, the detector's 3D points and their spread; NaN: none; with w_depth


class Terms(NamedTuple):
    """Value of the objective, and its terms."""

    total: Tensor  # scalar
    parts: dict[str, Tensor]  # E_loc, E_ori, ...: scalars, unweighted, detached
    prediction: S2HandOutput | None
    rendered: RenderOutput | None


class NotFiniteError(ArithmeticError):
    """NaN or infinity in a step."""


class TermNotFiniteError(NotFiniteError):
    """A term is not finite; names it and the samples whose data or predictions are not finite."""

    def __init__(self, term: str, samples: list[int], data: list[str] | None = None) -> None:
        where = f"; not finite for the samples {samples}" if samples else ""
        what = f", whose {' and '.join(data)} hold NaN or infinity" if data else ""
        super().__init__(f"the term {term} is not a finite number{where}{what}.")
        self.term, self.samples, self.data = term, samples, data or []


class GradientNotFiniteError(NotFiniteError):
    """The terms are finite, the gradient is not; names the terms it comes from and the parameters it reaches."""

    def __init__(self, parameters: list[str], terms: list[str]) -> None:
        where = f" of the {'terms' if len(terms) > 1 else 'term'} {', '.join(terms)}" if terms else ""
        some = ", ".join(parameters[:3]) + (f" and {len(parameters) - 3} more" if len(parameters) > 3 else "")
        super().__init__(f"the gradient{where} is not finite in {some or 'its norm'}.")
        self.parameters, self.terms = parameters, terms


@dataclass(frozen=True)
class Objective:
    """The objective of a stage.

    Args:
        weights: of the terms.
        keypoint_set: definition that detections follow, and joints are projected with.
        mean_bone: m, the dataset's average length of bone 9-10, for E_s.
        joints_set: definition of true joints, and of that average; empty: as ``keypoint_set``.
    """

    weights: LossWeights
    keypoint_set: str
    mean_bone: float
    joints_set: str = ""

    def __call__(self, network: S2Hand, batch: Batch, stage: str) -> Terms:
        """Evaluate on a batch.

        Args:
            network: in training or evaluation mode.
            batch: see :class:`Batch`.
            stage: "warm-up" (the encoder with its auxiliary heads), "keypoints" (the 2D branch alone), "shape" (E_geo,
                E_s, E_J, E_beta), "finetune" or "end-to-end" (all terms).

        Raises:
            TermNotFiniteError: a term is not finite.
            ValueError: another stage.
        """
        weighted, prediction, rendered = self.weighted_terms(network, batch, stage)
        parts = {name: value.detach() for name, (_, value) in weighted.items()}
        _check(parts, prediction, batch)
        total = torch.stack([weight * value for weight, value in weighted.values()]).sum()
        return Terms(total, parts, prediction, rendered)

    def weighted_terms(
        self, network: S2Hand, batch: Batch, stage: str
    ) -> tuple[dict[str, tuple[float, Tensor]], S2HandOutput | None, RenderOutput | None]:
        """Terms of a stage, each with its weight in E; the prediction and its rendering."""
        known = (WARM_UP, *STAGES, WHOLE)
        if stage not in known:
            raise ValueError(f"stage {stage!r}: expected one of {', '.join(known)}")
        w = self.weights
        if stage == WARM_UP:
            return self._auxiliary(network.auxiliary_only(batch.image), batch), None, None
        if stage == "keypoints":
            value = e_2d(network.keypoints_only(batch.image), batch.keypoints, batch.confidence, mean_over_processes)
            return {"E_2d": (w.w_2d, value)}, None, None
        full = stage != "shape"
        auxiliary = w.w_auxiliary > 0
        prediction = network(batch.image, batch.K, self.keypoint_set, branch=full, appearance=full, auxiliary=auxiliary)
        terms = self._geometry(network, prediction, batch)
        if prediction.auxiliary is not None:
            terms |= self._auxiliary(prediction.auxiliary, batch)
        rendered = None
        if full:
            appearance, rendered = self._appearance(network, prediction, batch)
            terms |= appearance
            if prediction.keypoints is not None:
                terms["E_2d"] = (
                    w.w_2d,
                    e_2d(prediction.keypoints, batch.keypoints, batch.confidence, mean_over_processes),
                )
                if w.w_con > 0:
                    terms["E_con"] = w.w_con, e_con(prediction.keypoints, prediction.projected)
        return terms, prediction, rendered

    def gradient_terms(self, network: S2Hand, batch: Batch, stage: str) -> list[str]:
        """The terms whose own gradient is not finite."""
        weighted, _, _ = self.weighted_terms(network, batch, stage)
        parameters = [p for p in network.parameters() if p.requires_grad]
        broken = []
        for name, (_, value) in weighted.items():
            if value.requires_grad:
                gradients = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
                if any(g is not None and not bool(torch.isfinite(g).all()) for g in gradients):
                    broken.append(name)
        return broken

    def _auxiliary(self, output: AuxiliaryOutput, batch: Batch) -> dict[str, tuple[float, Tensor]]:
        """w_auxiliary (E_heatmap + w_simcc E_simcc); E_simcc if the network has that head."""
        w = self.weights
        target = batch.keypoints, batch.confidence, CROP, mean_over_processes
        terms = {"E_heatmap": (w.w_auxiliary, e_heatmap(output.maps, *target))}
        if output.simcc is not None:
            terms["E_simcc"] = w.w_auxiliary * w.w_simcc, e_simcc(output.simcc, *target)
        return terms

    def _geometry(self, network: S2Hand, prediction: S2HandOutput, batch: Batch) -> dict[str, tuple[float, Tensor]]:
        """w_geo (E_loc + w_ori E_ori) + w_regu (E_beta + w_s E_s + w_J E_J) + w_depth E_depth + w_lifted E_lifted +
        w_3dj E_3dj."""
        w = self.weights
        geometry, regular = w.w_3d * w.w_geo, w.w_3d * w.w_regu
        detected = batch.keypoints, batch.confidence
        terms = {"E_loc": (geometry, e_loc(prediction.projected, *detected, mean_over_processes))}
        if w.w_ori > 0:
            terms["E_ori"] = geometry * w.w_ori, e_ori(prediction.projected, *detected)
        terms["E_beta"] = regular * w.w_beta, e_beta(prediction.hand.shape)
        joints = prediction.joints
        if self.joints_set not in ("", self.keypoint_set):
            joints = network.hand.keypoints(prediction.posed, self.joints_set)
        terms["E_s"] = regular * w.w_s, e_s(joints, self.mean_bone, squared=w.squared_scale)
        if w.pose_prior == "average":
            terms["E_pose"] = regular * w.w_J, average_pose(prediction.hand.pose)
        else:
            terms["E_J"] = regular * w.w_J, e_j(network.hand.limit_excess(prediction.rotations, prediction.hand.pose))
        if w.w_plausible > 0:
            deviation = torch.as_tensor(network.hand.model.hands_std).to(prediction.hand.pose)
            terms["E_plausible"] = regular * w.w_plausible, plausible_pose(prediction.hand.pose, deviation)
        if w.w_depth > 0 and batch.world is not None:
            points = prediction.joints
            if self.keypoint_set != KEYPOINT_SET:
                points = network.hand.keypoints(prediction.posed, KEYPOINT_SET)
            value = e_depth(points, batch.world, *detected, batch.K, mean_over_processes)
            terms["E_depth"] = w.w_3d * w.w_depth, value
        if w.w_lifted > 0:
            teacher = lifting_teacher(network.hand.model, self.keypoint_set, batch.keypoints.device)
            lifted = teacher(*detected, batch.K)
            terms["E_lifted"] = w.w_3d * w.w_lifted, e_lifted(prediction.joints, *lifted, mean_over_processes)
        if batch.joints_3d is not None:
            truth = batch.joints_3d
            if w.w_root > 0:
                terms["E_root"] = w.w_root, e_root(joints, truth, mean_over_processes)
            if w.relative_joints:
                joints, truth = joints - joints[:, MIDDLE_MCP, None], truth - truth[:, MIDDLE_MCP, None]
            terms["E_3dj"] = w.w_3dj, e_3dj(joints, truth, mean_over_processes, squared=w.squared_joints)
        return terms

    def _appearance(
        self, network: S2Hand, prediction: S2HandOutput, batch: Batch
    ) -> tuple[dict[str, tuple[float, Tensor]], RenderOutput | None]:
        """w_photo (E_pixel + w_ssim E_SSIM) + w_regu w_C E_C, if the network predicts texture."""
        w = self.weights
        if prediction.texture is None or w.w_photo == 0:
            return {}, None
        rendered = network.render(prediction, batch.K)
        image = batch.image.permute(0, 2, 3, 1)
        photo = w.w_3d * w.w_photo
        return {
            "E_pixel": (photo, e_pixel(rendered.colour, image, rendered.silhouette, batch.confidence)),
            "E_SSIM": (photo * w.w_ssim, e_ssim(rendered.colour, image, rendered.silhouette)),
            "E_C": (w.w_3d * w.w_regu * w.w_C, e_c(prediction.texture, batch.confidence)),
        }, rendered


def _check(parts: dict[str, Tensor], prediction: S2HandOutput | None, batch: Batch) -> None:
    if bool(torch.isfinite(torch.stack([value.float() for value in parts.values()])).all()):
        return
    term = next(name for name, value in parts.items() if not bool(torch.isfinite(value)))
    given = {"image": batch.image, "keypoints": batch.keypoints, "confidence": batch.confidence, "K": batch.K}
    wrong = {name: ~torch.isfinite(value).flatten(1).all(1).cpu() for name, value in given.items()}
    bad = torch.stack(list(wrong.values())).any(0)
    if prediction is not None:
        bad |= ~torch.isfinite(prediction.projected).flatten(1).all(1).cpu()
    index = batch.samples if batch.samples is not None else torch.arange(len(bad))
    rows = [int(i) for i in index.cpu()[bad].tolist()]
    raise TermNotFiniteError(term, rows, [name for name, flags in wrong.items() if bool(flags.any())])
