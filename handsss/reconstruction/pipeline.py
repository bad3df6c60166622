"""Images to hands: detect, predict, fit, refine by the silhouette, estimate texture and light."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from handsss.detect.boxes import check_inside
from handsss.detect.types import KEYPOINT_SET, Detection
from handsss.fitting.depth import depth_residuals
from handsss.fitting.hand_input import HandInput, hand_inputs, mirror_result
from handsss.fitting.keypoint_fit import KeypointFit, KeypointFitter, Start
from handsss.fitting.lifting import check_liftable
from handsss.fitting.network_prediction import AUTO, PosePrediction, PredictorInput, group_rows, load_predictor
from handsss.fitting.observation import Observation
from handsss.fitting.problem import HandParameters
from handsss.fitting.silhouette_fit import SilhouetteSettings, fit_outlines, posed_vertices, segment_hand
from handsss.geometry.cameras import project
from handsss.geometry.rotations import matrix_to_axis_angle
from handsss.geometry.window import crop_around
from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model
from handsss.hand.model import HandModel
from handsss.hand.result import HandResult
from handsss.reconstruction.likely_camera import likely_intrinsics
from handsss.reconstruction.side import FoundHands, as_other_side, asked_for, decided, doubtful, fits_better
from handsss.reconstruction.texture import Appearance, bake, planar_uv
from handsss.rendering.atlas import Texels, texels
from handsss.rendering.shading import DEFAULT_LIGHT, MEAN_SKIN

if TYPE_CHECKING:
    from handsss.detect.detector import HandDetector

_NO_TIME = dict.fromkeys(("detect", "predict", "fit", "texture", "export"), 0.0)


@dataclass(frozen=True)
class PipelineSettings:
    """Settings of the reconstruction."""

    hand: Literal["auto", "left", "right"] = "auto"  # keep hands of this side only
    side: Literal["auto", "left", "right"] = "auto"  # what every hand is, whatever the detector says
    all_hands: bool = False  # all hands of an image; otherwise the one with the highest score
    refine: bool = True  # fit to keypoints and silhouette; otherwise return the initial hand
    depth: bool = True  # the detector's 3D points are evidence of the fit
    appearance: bool = True  # silhouette refinement, light and texture
    checkpoint: str | None = AUTO  # the network that predicts the initial hand, see load_predictor
    device: str = "cpu"  # of that network; everything else runs on the CPU
    precision: str = "float32"  # of that network
    start: Start = "auto"  # initial hands beside the network's, see KeypointFitter
    texture_size: int = 512  # px
    silhouette: SilhouetteSettings = field(default_factory=SilhouetteSettings)


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
        self.model: HandModel = load_model(model)
        if self.settings.start == "lifted":
            check_liftable(self.model)  # before any work
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
            self.model.keypoint_set(self._keypoint_set(detection))
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
        begin = time.perf_counter()
        others = {row: as_other_side(inputs[row]) for row in doubtful(inputs)} if self.settings.refine else {}
        candidates = [*inputs, *others.values()]
        predictions = self._predict(candidates)
        predict_seconds = (time.perf_counter() - begin) / max(len(inputs), 1)
        begin = time.perf_counter()
        fits = self._fit(candidates, predictions)
        numbers = {row: len(inputs) + number for number, row in enumerate(others)}
        better = {
            row: fits_better(fits[row].cost, fits[number].cost, inputs[row].detection.handedness)
            for row, number in numbers.items()
        }
        chosen = decided(inputs, others, better)
        hands = [fits[numbers[row] if better.get(row) else row].parameters for row in range(len(inputs))]
        results: dict[int, HandResult] = {}
        keypoint_seconds = (time.perf_counter() - begin) / max(len(inputs), 1)
        for name, rows in group_rows([self._keypoint_set(one.detection) for one in chosen]).items():
            begin = time.perf_counter()
            fitted, figures = self._fit_outlines([chosen[row] for row in rows], [hands[row] for row in rows], name)
            fit_seconds = keypoint_seconds + (time.perf_counter() - begin) / len(rows)
            for number, row in enumerate(rows):
                results[row] = self._result(chosen[row], name, fitted.select(number), figures[number])
                results[row].seconds |= {"predict": predict_seconds, "fit": fit_seconds}
        return [results[row] for row in range(len(inputs))]

    def _predict(self, inputs: Sequence[HandInput]) -> list[PosePrediction | None]:
        predictions: list[PosePrediction | None] = [None] * len(inputs)
        if self.predictor is not None and inputs:
            predictions[:] = self.predictor.predict_batch(
                [PredictorInput(one.image, one.intrinsics, one.detection) for one in inputs]
            )
        return predictions

    def _keypoint_set(self, detection: Detection) -> str:
        """The keypoint definition that a detection is fitted with."""
        if detection.keypoint_set == KEYPOINT_SET and KEYPOINT_SET not in self.model.keypoint_sets:
            return "openpose"  # the model's joints, as in the paper
        return detection.keypoint_set

    def _fit(self, inputs: Sequence[HandInput], predictions: Sequence[PosePrediction | None]) -> list[KeypointFit]:
        """Fit hands to their keypoints."""
        fits: dict[int, KeypointFit] = {}
        for name, rows in group_rows([self._keypoint_set(one.detection) for one in inputs]).items():
            if name not in self._fitters:
                self._fitters[name] = KeypointFitter(self.model, name, start=self.settings.start)
            observations = [inputs[row].observation for row in rows]
            own = self._fitters[name].fit_batch(
                observations, [predictions[row] for row in rows], refine=self.settings.refine
            )
            fits |= dict(zip(rows, own, strict=True))
        return [fits[row] for row in range(len(inputs))]

    def _fit_outlines(
        self, inputs: Sequence[HandInput], hands: Sequence[HandParameters], keypoint_set: str
    ) -> tuple[HandParameters, list[dict[str, float]]]:
        """Fit hands of one keypoint definition to their silhouettes: hands [B] and figures of each."""
        parameters = HandParameters.concat(hands)
        if not (self.settings.refine and self.settings.appearance):
            return parameters, [{} for _ in inputs]
        problem = self._fitters[keypoint_set].problem
        return fit_outlines(inputs, parameters, problem, self.layer, self.settings.silhouette)

    def _appearance(self, hand_input: HandInput, vertices: np.ndarray, parameters: HandParameters) -> Appearance | None:
        image, intrinsics = hand_input.image, hand_input.intrinsics
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
        self, hand_input: HandInput, keypoint_set: str, parameters: HandParameters, figures: dict[str, float]
    ) -> HandResult:
        """A fitted hand with its appearance, in the original image: left hands are mirrored back."""
        problem = self._fitters[keypoint_set].problem
        begin = time.perf_counter()
        with torch.no_grad():
            vertices = posed_vertices(self.layer, problem, parameters)[0].double().numpy()
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
            network="" if self.predictor is None else self.predictor.name,
            seconds={**_NO_TIME, "detect": hand_input.detect_seconds, "texture": texture_seconds},
            fit=figures
            | {"reprojection_px": error, "reprojection_of_box": error / max(box, 1e-9)}
            | _depth_figures(points, hand_input.observation),
        )
        if hand_input.left:
            mirror_result(result, hand_input.image.shape[1])
        return result


def _depth_figures(points: torch.Tensor, observation: Observation) -> dict[str, float]:
    """Mean distance of a hand's keypoints [1, 21, 3] m from the detector's 3D points, about their middle and at one
    size, mm; nothing without such points."""
    if observation.world is None:
        return {}
    apart = depth_residuals(points, observation.world[:, :3], torch.ones(21, dtype=torch.float64))
    return {"depth_mm": 1e3 * float(apart.norm(dim=-1).mean())}
