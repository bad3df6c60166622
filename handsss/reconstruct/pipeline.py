"""The whole way from a picture to hands."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from handsss.detect.types import KEYPOINT_SET, Detection
from handsss.geometry.cameras import mirror_intrinsics, project
from handsss.geometry.rotations import matrix_to_axis_angle, mirror_axis_angle
from handsss.hand.layer import HandLayer
from handsss.hand.model import HandModel, load_model
from handsss.reconstruct.crop import crop_around
from handsss.reconstruct.fit import KeypointFitter, Start, observation_of
from handsss.reconstruct.fit_problem import HandParameters, KeypointProblem, Observation
from handsss.reconstruct.lifting import check_liftable
from handsss.reconstruct.predictor import AUTO, load_predictor
from handsss.reconstruct.results import HandResult
from handsss.reconstruct.silhouette import (
    SilhouetteSettings,
    coverage,
    intersection_over_union,
    posed_vertices,
    refine,
    segment_hand,
)
from handsss.reconstruct.texture import Appearance, Texels, bake, planar_uv, texels

if TYPE_CHECKING:
    from handsss.detect.detector import HandDetector

_DEFAULT_LIGHT = np.array([0.7, 0.5, 1, 1, 1, 1, 1, 1, 0.3, -0.5, -0.8])
_SKIN = np.array([200.0, 150.0, 150.0]) / 256


@dataclass(frozen=True)
class ReconstructSettings:
    """What a reconstruction does."""

    hand: Literal["auto", "left", "right"] = "auto"  # the side to look for; given keypoints' side if they name none
    all_hands: bool = False  # every hand in the picture, not only the surest
    refine: bool = True  # fit; otherwise the start is taken as it is
    appearance: bool = True  # silhouette refinement, light and texture
    checkpoint: str | None = AUTO  # the network that predicts, see load_predictor
    device: str = "cpu"  # that it computes on; all else computes on the CPU
    precision: str = "float32"  # that it computes in
    start: Start = "auto"  # of the fit, beside the prediction, see KeypointFitter
    texture_size: int = 512  # px
    silhouette: SilhouetteSettings = field(default_factory=SilhouetteSettings)


class Reconstructor:
    """Turns pictures into hands.

    Args:
        model: name or path of the hand model, see :func:`handsss.hand.model.load_model`.
        settings: see :class:`ReconstructSettings`.

    Raises:
        InputError: no such model or checkpoint, or a start that the model cannot have.
    """

    def __init__(self, model: str = "open", settings: ReconstructSettings | None = None) -> None:
        self.settings = settings or ReconstructSettings()
        self.model: HandModel = load_model(model)
        if self.settings.start == "lifted":
            check_liftable(self.model)  # a mistake to tell before any work
        self.predictor = load_predictor(
            self.settings.checkpoint, self.model.name, self.settings.device, self.settings.precision
        )
        self.layer = HandLayer(self.model, flat_hand_mean=True)
        if self.model.uv is None or self.model.uv_faces is None:
            self.uv, self.uv_faces = planar_uv(self.model)
        else:
            self.uv, self.uv_faces = self.model.uv, self.model.uv_faces
        self._atlas: Texels | None = None
        self._fitters: dict[str, KeypointFitter] = {}
        self._detector: HandDetector | None = None

    def __call__(
        self, image: np.ndarray, intrinsics: np.ndarray, detections: list[Detection] | None = None
    ) -> list[HandResult]:
        """Reconstruct the hands of one picture.

        Args:
            image: [H, W, 3] uint8 RGB.
            intrinsics: [3, 3] px.
            detections: keypoints found elsewhere (OpenPose); the built-in detector looks for hands otherwise.

        Returns:
            The surest hand, or all (surest first); empty where there is none.

        Raises:
            InputError: keypoints given that cannot be fitted.
        """
        begin = time.perf_counter()
        found = self.detect(image) if detections is None else list(detections)
        seconds = time.perf_counter() - begin
        if self.settings.hand != "auto":
            found = [detection for detection in found if detection.hand == self.settings.hand]
        found.sort(key=lambda detection: -detection.score)
        if not self.settings.all_hands:
            found = found[:1]
        return [self.fit(image, intrinsics, detection, seconds / len(found)) for detection in found]

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Hands in the picture, by the built-in detector."""
        from handsss.detect.detector import HandDetector

        if self._detector is None:
            # One side, or all hands: the surest find of a quick look may not be the one asked for.
            self._detector = HandDetector(thorough=self.settings.all_hands or self.settings.hand != "auto")
        return self._detector.detect(image)

    def fit(
        self, image: np.ndarray, intrinsics: np.ndarray, detection: Detection, detect_seconds: float = 0.0
    ) -> HandResult:
        """Reconstruct one detected hand. A left hand is mirrored, solved as a right one and mirrored back, so that
        both sides are treated exactly alike."""
        left = detection.hand == "left"
        width = image.shape[1]
        keypoints = np.array(detection.keypoints, dtype=np.float64)
        if left:
            image = np.ascontiguousarray(image[:, ::-1])
            intrinsics = mirror_intrinsics(intrinsics, width)
            keypoints[:, 0] = width - keypoints[:, 0]
        right = Detection(
            hand="right",
            score=detection.score,
            handedness=detection.handedness,
            keypoints=keypoints,
            keypoint_set=detection.keypoint_set,
            region=detection.region,
        )
        result = self._fit_right(image, intrinsics, right)
        result.seconds["detect"] = detect_seconds
        if left:
            _mirror_result(result, width)
        return result

    def _fit_right(self, image: np.ndarray, intrinsics: np.ndarray, detection: Detection) -> HandResult:
        clock = time.perf_counter
        times = {"detect": 0.0, "predict": 0.0, "fit": 0.0, "texture": 0.0, "export": 0.0}
        keypoint_set = detection.keypoint_set
        if keypoint_set == KEYPOINT_SET and keypoint_set not in self.model.keypoint_sets:
            keypoint_set = "openpose"  # the joints as they are, as the paper takes detections
        self.model.keypoint_set(keypoint_set)  # a name that keypoints given by a user may have wrong
        observation = observation_of(detection.keypoints, intrinsics)
        begin = clock()
        prediction = None if self.predictor is None else self.predictor(image, intrinsics, detection)
        times["predict"] = clock() - begin
        begin = clock()
        if keypoint_set not in self._fitters:
            self._fitters[keypoint_set] = KeypointFitter(self.model, keypoint_set, start=self.settings.start)
        fitter = self._fitters[keypoint_set]
        problem = fitter.problem
        parameters = fitter(observation, prediction, refine=self.settings.refine).parameters
        figures: dict[str, float] = {}
        if self.settings.refine and self.settings.appearance:
            parameters = self._silhouette(image, intrinsics, parameters, problem, observation, figures)
        times["fit"] = clock() - begin
        begin = clock()
        with torch.no_grad():
            vertices = posed_vertices(self.layer, problem, parameters)[0].double().numpy()
        appearance = (
            self._appearance(image, intrinsics, vertices, parameters, problem) if self.settings.appearance else None
        )
        times["texture"] = clock() - begin
        return self._result(
            detection, keypoint_set, intrinsics, parameters, problem, vertices, appearance, times, figures
        )

    def _silhouette(
        self,
        image: np.ndarray,
        intrinsics: np.ndarray,
        parameters: HandParameters,
        problem: KeypointProblem,
        observation: Observation,
        figures: dict[str, float],
    ) -> HandParameters:
        """Pull the silhouette to the photo's, where colours tell the hand from what is behind it."""
        settings = self.settings.silhouette
        with torch.no_grad():
            vertices = posed_vertices(self.layer, problem, parameters)
        outline = project(vertices.double(), torch.as_tensor(intrinsics)).numpy()[0]
        crop = crop_around(image, intrinsics, outline, margin=0.25, longer_side=settings.longer_side)
        if crop is None:
            return parameters
        segmentation = segment_hand(crop, vertices, self.layer, parameters)
        if segmentation is None:
            return parameters
        figures["segmentation_quality"] = segmentation.quality
        if segmentation.quality >= settings.minimum_quality:
            parameters = refine(parameters, problem, self.layer, observation, crop, segmentation, settings)
            with torch.no_grad():
                after = coverage(posed_vertices(self.layer, problem, parameters), self.layer, crop).numpy()
            figures["silhouette_iou"] = intersection_over_union(after, segmentation)
        return parameters

    def _appearance(
        self,
        image: np.ndarray,
        intrinsics: np.ndarray,
        vertices: np.ndarray,
        parameters: HandParameters,
        problem: KeypointProblem,
    ) -> Appearance | None:
        outline = project(torch.as_tensor(vertices)[None], torch.as_tensor(intrinsics)).numpy()[0]
        longer = int(np.clip((outline.max(0) - outline.min(0)).max() * 1.2, 192, 768))
        crop = crop_around(image, intrinsics, outline, margin=0.12, longer_side=longer)
        if crop is None:
            return None
        float_vertices = torch.as_tensor(vertices, dtype=torch.float32)[None]
        segmentation = segment_hand(crop, float_vertices, self.layer, parameters)
        probability = None
        if segmentation is not None and segmentation.quality >= self.settings.silhouette.minimum_quality:
            probability = segmentation.probability
        if self._atlas is None:
            self._atlas = texels(self.uv, self.uv_faces, self.settings.texture_size)
        return bake(vertices, self.model, crop, probability, uv=self.uv, uv_faces=self.uv_faces, atlas=self._atlas)

    def _result(
        self,
        detection: Detection,
        keypoint_set: str,
        intrinsics: np.ndarray,
        parameters: HandParameters,
        problem: KeypointProblem,
        vertices: np.ndarray,
        appearance: Appearance | None,
        seconds: dict[str, float],
        figures: dict[str, float],
    ) -> HandResult:
        with torch.no_grad():
            points, local = problem.keypoints(parameters)
            output = problem.layer(
                matrices=local,
                shape=parameters.shape,
                rotation=parameters.rotation,
                translation=parameters.translation,
            )
            joints_2d = project(points, torch.as_tensor(intrinsics))[0].numpy()
        keypoints = np.asarray(detection.keypoints, dtype=np.float64)
        used = np.isfinite(keypoints).all(1) & (keypoints[:, 2] > 0)
        box = float(np.ptp(keypoints[used, :2], axis=0).max())
        error = float(np.linalg.norm(joints_2d[used] - keypoints[used, :2], axis=1).mean())
        figures |= {"reprojection_px": error, "reprojection_of_box": error / max(box, 1e-9)}
        count = self.model.vertex_count
        return HandResult(
            hand="right",
            score=detection.score,
            model=self.model.name,
            intrinsics=np.asarray(intrinsics, dtype=np.float64),
            keypoints_2d=keypoints,
            keypoint_set=keypoint_set,
            joints_3d=points[0].numpy(),
            joints_2d=joints_2d,
            kinematic_joints_3d=output.joints[0].numpy(),
            vertices=vertices,
            faces=self.model.faces,
            pose=problem.space.axis_angle(parameters.pose)[0].reshape(45).numpy(),
            shape=parameters.shape[0].numpy(),
            rotation=matrix_to_axis_angle(parameters.rotation)[0].numpy(),
            scale=1.0,
            translation=parameters.translation[0].numpy(),
            light=_DEFAULT_LIGHT.copy() if appearance is None else appearance.light,
            vertex_colours=np.tile(_SKIN, (count, 1)) if appearance is None else appearance.vertex_colours,
            uv=self.uv,
            uv_faces=self.uv_faces,
            texture=None if appearance is None else appearance.texture,
            network="" if self.predictor is None else self.predictor.name,
            seconds=seconds,
            fit=figures,
        )


def _mirror_result(result: HandResult, width: int) -> None:
    """Turn a right hand solved in the mirrored picture into the left hand of the original one, in place."""
    flip = np.array([-1.0, 1.0, 1.0])
    result.hand = "left" if result.hand == "right" else "right"
    result.intrinsics = mirror_intrinsics(result.intrinsics, width)
    result.keypoints_2d = result.keypoints_2d.copy()
    result.keypoints_2d[:, 0] = width - result.keypoints_2d[:, 0]
    result.joints_2d = result.joints_2d.copy()
    result.joints_2d[:, 0] = width - result.joints_2d[:, 0]
    result.joints_3d = result.joints_3d * flip
    result.kinematic_joints_3d = result.kinematic_joints_3d * flip
    result.vertices = result.vertices * flip
    result.faces = np.ascontiguousarray(result.faces[:, ::-1])
    if result.uv_faces is not None:
        result.uv_faces = np.ascontiguousarray(result.uv_faces[:, ::-1])
    result.pose = mirror_axis_angle(torch.as_tensor(result.pose).reshape(15, 3), 0).reshape(45).numpy()
    result.rotation = mirror_axis_angle(torch.as_tensor(result.rotation), 0).numpy()
    result.translation = result.translation * flip
    result.light = result.light.copy()
    result.light[8] = -result.light[8]
