"""Images to hands: detect, predict, fit, refine by the silhouette, estimate texture and light."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from handsss.detect.boxes import check_inside
from handsss.detect.types import Detection
from handsss.fitting.depth import depth_distances
from handsss.fitting.expected_error import expected_errors
from handsss.fitting.fitted_hand import FittedHand
from handsss.fitting.hand_input import HandInput, hand_inputs, mirror_result
from handsss.fitting.network_prediction import Predictor, group_rows
from handsss.fitting.observation import Observation
from handsss.fitting.problem import HandParameters
from handsss.fitting.silhouette_fit import posed_vertices, segment_hand
from handsss.geometry.cameras import project
from handsss.geometry.rotations import matrix_to_axis_angle
from handsss.geometry.window import crop_around
from handsss.hand.model import HandModel
from handsss.hand.open_hand import OPEN_MODELS
from handsss.hand.result import HandResult
from handsss.reconstruction.hand_fitter import HandFitter
from handsss.reconstruction.likely_camera import likely_intrinsics
from handsss.reconstruction.settings import PipelineSettings
from handsss.reconstruction.side import FoundHands, asked_for
from handsss.reconstruction.texture import Appearance, bake, planar_uv
from handsss.rendering.atlas import Texels, texels
from handsss.rendering.shading import DEFAULT_LIGHT, MEAN_SKIN

if TYPE_CHECKING:
    from handsss.detect.detector import HandDetector

_NO_TIME = dict.fromkeys(("detect", "predict", "fit", "texture", "export"), 0.0)


class HandPipeline:
    """Reconstructs hands from RGB images.

    Args:
        model: name or path of the hand model, see :func:`handsss.hand.load.load_model`.
        settings: see :class:`PipelineSettings`.

    Raises:
        InputError: no such model or checkpoint, or a start that the model does not support.
    """

    def __init__(self, model: str = "open", settings: PipelineSettings | None = None) -> None:
        self.settings = settings or PipelineSettings()
        self.fitter = HandFitter(model, self.settings)
        self.model: HandModel = self.fitter.model
        self.model_source = model if model in (*OPEN_MODELS, "mano") else str(Path(model).absolute())
        if self.model.uv is None or self.model.uv_faces is None:
            self.uv, self.uv_faces = planar_uv(self.model)
        else:
            self.uv, self.uv_faces = self.model.uv, self.model.uv_faces
        self._atlas: Texels | None = None
        self._detector: HandDetector | None = None

    @property
    def predictor(self) -> Predictor | None:
        """The network that gives the fit its start."""
        return self.fitter.predictor

    def __call__(
        self,
        image: np.ndarray,
        intrinsics: np.ndarray,
        detections: list[Detection] | None = None,
        *,
        assumed: bool = False,
    ) -> list[HandResult]:
        """Reconstruct the hands of one image: :meth:`find_hands`, then :meth:`reconstruct`.

        Returns:
            The hand with the highest score, or all hands, highest score first; empty if there is none.
        """
        return self.reconstruct(self.find_hands(image, intrinsics, detections, assumed=assumed).inputs)

    def find_hands(
        self,
        image: np.ndarray,
        intrinsics: np.ndarray,
        detections: list[Detection] | None = None,
        *,
        box: np.ndarray | None = None,
        assumed: bool = False,
    ) -> FoundHands:
        """Detect the hands of one image that the settings ask for, and prepare them for :meth:`reconstruct`.

        Args:
            image: [H, W, 3] uint8 RGB.
            intrinsics: [3, 3] px.
            detections: hands detected elsewhere (OpenPose); None: run the built-in detector.
            box: [4] x0, y0, x1, y1 px around a hand: the detector looks there and nowhere else.
            assumed: nobody gave the intrinsics: their focal length follows the hands, see
                :func:`handsss.reconstruction.likely_camera.likely_intrinsics`.

        Returns:
            The hand with the highest score, or all hands, highest score first; empty if there is none; the sides of
            those that ``hand`` left out; and the intrinsics.

        Raises:
            InputError: a box outside the image, detections with too few keypoints, or with a keypoint definition that
                the hand model lacks.
        """
        begin = time.perf_counter()
        hands = self.detect_hands(image, box) if detections is None else list(detections)
        seconds = time.perf_counter() - begin
        hands, left_out = asked_for(hands, self.settings.hand, self.settings.side)
        hands.sort(key=lambda detection: -detection.score)
        if not self.settings.all_hands:
            hands = hands[:1]
        for detection in hands:
            self.model.keypoint_set(self.fitter.keypoint_set(detection))
        if not self.settings.depth:
            hands = [replace(detection, world=None) for detection in hands]
        K = likely_intrinsics(intrinsics, hands, self.model) if assumed else intrinsics
        return FoundHands(hand_inputs(image, K, hands, seconds / max(len(hands), 1)), left_out, K)

    def detect_hands(self, image: np.ndarray, box: np.ndarray | None = None) -> list[Detection]:
        """All hands of an image [H, W, 3] uint8, or the one in a box [4] px, by the built-in detector."""
        from handsss.detect.detector import HandDetector

        if self._detector is None:
            # For one side or all hands: the quick mode may stop at another hand than the one asked for.
            self._detector = HandDetector(thorough=self.settings.all_hands or self.settings.hand != "auto")
        if box is not None:
            check_inside(box, (image.shape[1], image.shape[0]))
            return self._detector.detect_one(image, box)
        return self._detector.detect(image)

    def reconstruct(self, inputs: Sequence[HandInput]) -> list[HandResult]:
        """Reconstruct hands, which may be of different images, as one batch.

        Args:
            inputs: hands that :meth:`find_hands` returned.

        Returns:
            one result per input.
        """
        return self.finish(self.fit(inputs))

    def fit(self, inputs: Sequence[HandInput]) -> list[FittedHand]:
        """The first half of :meth:`reconstruct`: hands fitted to their keypoints."""
        return self.fitter.fit_keypoints(inputs)

    def finish(self, hands: Sequence[FittedHand]) -> list[HandResult]:
        """The second half: outlines, light and texture. Shapes that are shared stay as they are."""
        fitted = self.fitter.fit_outlines(hands)
        results = [self._result(one) for one in fitted]
        if self.settings.refine:  # what the error is expected by are traces of the fit
            for name, rows in group_rows([one.keypoint_set for one in fitted]).items():
                begin = time.perf_counter()
                errors = expected_errors(self.fitter.problem(name), [fitted[row] for row in rows])
                seconds = (time.perf_counter() - begin) / len(rows)
                for row, error in zip(rows, errors, strict=True):
                    results[row].expected_joint_errors = error
                    results[row].seconds["fit"] += seconds
        return results

    @property
    def atlas(self) -> Texels:
        """Texels of the textures."""
        if self._atlas is None:
            self._atlas = texels(self.uv, self.uv_faces, self.settings.texture_size)
        return self._atlas

    def _appearance(self, hand_input: HandInput, vertices: np.ndarray, parameters: HandParameters) -> Appearance | None:
        image, intrinsics = hand_input.image, hand_input.intrinsics
        outline = project(torch.as_tensor(vertices)[None], torch.as_tensor(intrinsics)).numpy()[0]
        longer = int(np.clip((outline.max(0) - outline.min(0)).max() * 1.2, 192, 768))
        crop = crop_around(image, intrinsics, outline, margin=0.12, longer_side=longer)
        if crop is None:
            return None
        float_vertices = torch.as_tensor(vertices, dtype=torch.float32)[None]
        segmentation = segment_hand(crop, float_vertices, self.fitter.layer, parameters)
        probability = None
        if segmentation is not None and segmentation.quality >= self.settings.silhouette.minimum_quality:
            probability = segmentation.probability
        return bake(vertices, self.model, crop, probability, uv=self.uv, uv_faces=self.uv_faces, atlas=self.atlas)

    def _result(self, fitted: FittedHand) -> HandResult:
        """A fitted hand with its appearance, in the original image: left hands are mirrored back."""
        hand_input, parameters, keypoint_set = fitted.input, fitted.parameters, fitted.keypoint_set
        problem = self.fitter.problem(keypoint_set)
        begin = time.perf_counter()
        with torch.no_grad():
            vertices = posed_vertices(self.fitter.layer, problem, parameters)[0].double().numpy()
        appearance = self._appearance(hand_input, vertices, parameters) if self.settings.appearance else None
        texture_seconds = time.perf_counter() - begin
        with torch.no_grad():
            output, _ = problem.posed(parameters)
            points = problem.layer.keypoints(output, problem.keypoint_set)
            joints_2d = project(points, torch.as_tensor(hand_input.intrinsics))[0].numpy()
        keypoints = hand_input.detection.keypoints
        used = np.isfinite(keypoints).all(1) & (keypoints[:, 2] > 0)
        box = float(np.ptp(keypoints[used, :2], axis=0).max())
        error = float(np.linalg.norm(joints_2d[used] - keypoints[used, :2], axis=1).mean())
        count = self.model.vertex_count
        result = HandResult(
            hand="right",
            score=hand_input.detection.score,
            handedness=hand_input.detection.handedness,
            side_from=hand_input.detection.side_from,
            model=self.model.name,
            model_source=self.model_source,
            intrinsics=np.asarray(hand_input.intrinsics, dtype=np.float64),
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
            light=np.array(DEFAULT_LIGHT) if appearance is None else appearance.light,
            vertex_colours=np.tile(MEAN_SKIN, (count, 1)) if appearance is None else appearance.vertex_colours,
            uv=self.uv,
            uv_faces=self.uv_faces,
            texture=None if appearance is None else appearance.texture,
            texture_observed=None if appearance is None else appearance.texture_observed,
            shared_shape=fitted.shared,
            network="" if self.fitter.predictor is None else self.fitter.predictor.name,
            seconds={**_NO_TIME, **fitted.seconds, "texture": texture_seconds},
            fit=fitted.figures
            | {"reprojection_px": error, "reprojection_of_box": error / max(box, 1e-9)}
            | _depth_figures(points, hand_input.observation)
            | ({} if fitted.fit.prediction_off is None else {"prediction_of_box": fitted.fit.prediction_off}),
        )
        if hand_input.left:
            mirror_result(result, hand_input.image.shape[1])
        return result


def _depth_figures(points: torch.Tensor, observation: Observation) -> dict[str, float]:
    """Mean distance of a hand's keypoints [1, 21, 3] m from the detector's 3D points, about their middle and at one
    size, mm; nothing without such points."""
    if observation.world is None:
        return {}
    return {"depth_mm": 1e3 * float(depth_distances(points, observation.world).mean())}
