"""The whole way from pictures to hands."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from handsss.detect.types import KEYPOINT_SET, Detection
from handsss.fitting.hand_input import HandView, hand_views, mirror_result
from handsss.fitting.keypoint_fit import KeypointFitter, Start
from handsss.fitting.lifting import check_liftable
from handsss.fitting.network_prediction import AUTO, Prediction, load_predictor, rows_by
from handsss.fitting.problem import HandParameters, joined
from handsss.fitting.silhouette_fit import SilhouetteSettings, fit_outlines, posed_vertices, segment_hand
from handsss.geometry.cameras import project
from handsss.geometry.crop import crop_around
from handsss.geometry.rotations import matrix_to_axis_angle
from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model
from handsss.hand.model import HandModel
from handsss.hand.result import HandResult
from handsss.reconstruction.texture import Appearance, bake, planar_uv
from handsss.rendering.atlas import Texels, texels

if TYPE_CHECKING:
    from handsss.detect.detector import HandDetector

_DEFAULT_LIGHT = np.array([0.7, 0.5, 1, 1, 1, 1, 1, 1, 0.3, -0.5, -0.8])
_NO_TIME = dict.fromkeys(("detect", "predict", "fit", "texture", "export"), 0.0)
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
        model: name or path of the hand model, see :func:`handsss.hand.load.load_model`.
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
        """Reconstruct the hands of one picture: :meth:`look` and :meth:`reconstruct`.

        Returns:
            The surest hand, or all (surest first); empty where there is none.
        """
        return self.reconstruct(self.look(image, intrinsics, detections))

    def look(
        self, image: np.ndarray, intrinsics: np.ndarray, detections: list[Detection] | None = None
    ) -> list[HandView]:
        """The hands of one picture that are to be reconstructed.

        Args:
            image: [H, W, 3] uint8 RGB.
            intrinsics: [3, 3] px.
            detections: keypoints found elsewhere (OpenPose); the built-in detector looks for hands otherwise.

        Returns:
            The surest hand, or all (surest first); empty where there is none.

        Raises:
            InputError: keypoints given that cannot be fitted, or of a definition that the hand model lacks.
        """
        begin = time.perf_counter()
        found = self.detect(image) if detections is None else list(detections)
        seconds = time.perf_counter() - begin
        if self.settings.hand != "auto":
            found = [detection for detection in found if detection.hand == self.settings.hand]
        found.sort(key=lambda detection: -detection.score)
        if not self.settings.all_hands:
            found = found[:1]
        for detection in found:
            self.model.keypoint_set(self._keypoint_set(detection))
        return hand_views(image, intrinsics, found, seconds / max(len(found), 1))

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Hands in the picture, by the built-in detector."""
        from handsss.detect.detector import HandDetector

        if self._detector is None:
            # One side, or all hands: the surest find of a quick look may not be the one asked for.
            self._detector = HandDetector(thorough=self.settings.all_hands or self.settings.hand != "auto")
        return self._detector.detect(image)

    def reconstruct(self, views: Sequence[HandView]) -> list[HandResult]:
        """Reconstruct hands of any pictures: network and fit take all of them at once.

        Args:
            views: of :meth:`look`.

        Returns:
            one result per view.
        """
        results: dict[int, HandResult] = {}
        begin = time.perf_counter()
        predictions: list[Prediction | None] = [None] * len(views)
        if self.predictor is not None and views:
            predictions[:] = self.predictor.many([(view.image, view.intrinsics, view.detection) for view in views])
        predict_seconds = (time.perf_counter() - begin) / max(len(views), 1)
        names = [self._keypoint_set(view.detection) for view in views]
        for name, rows in rows_by(names).items():
            begin = time.perf_counter()
            fitted, figures = self._fit([views[row] for row in rows], [predictions[row] for row in rows], name)
            fit_seconds = (time.perf_counter() - begin) / len(rows)
            for number, row in enumerate(rows):
                results[row] = self._result(views[row], name, fitted.pick(number), figures[number])
                results[row].seconds |= {"predict": predict_seconds, "fit": fit_seconds}
        return [results[row] for row in range(len(views))]

    def _keypoint_set(self, detection: Detection) -> str:
        """The definition that a hand's keypoints are fitted as."""
        if detection.keypoint_set == KEYPOINT_SET and KEYPOINT_SET not in self.model.keypoint_sets:
            return "openpose"  # the joints as they are, as the paper takes detections
        return detection.keypoint_set

    def _fit(
        self, views: Sequence[HandView], predictions: Sequence[Prediction | None], keypoint_set: str
    ) -> tuple[HandParameters, list[dict[str, float]]]:
        """Hands [B] fitted to keypoints of one definition and to their outlines, and figures of each."""
        if keypoint_set not in self._fitters:
            self._fitters[keypoint_set] = KeypointFitter(self.model, keypoint_set, start=self.settings.start)
        fitter = self._fitters[keypoint_set]
        fits = fitter.many([view.observation for view in views], predictions, refine=self.settings.refine)
        parameters = joined([fit.parameters for fit in fits])
        if not (self.settings.refine and self.settings.appearance):
            return parameters, [{} for _ in views]
        return fit_outlines(views, parameters, fitter.problem, self.layer, self.settings.silhouette)

    def _appearance(self, view: HandView, vertices: np.ndarray, parameters: HandParameters) -> Appearance | None:
        image, intrinsics = view.image, view.intrinsics
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
        self, view: HandView, keypoint_set: str, parameters: HandParameters, figures: dict[str, float]
    ) -> HandResult:
        """One fitted hand with its appearance, in the photo as it was given."""
        problem = self._fitters[keypoint_set].problem
        begin = time.perf_counter()
        with torch.no_grad():
            vertices = posed_vertices(self.layer, problem, parameters)[0].double().numpy()
        appearance = self._appearance(view, vertices, parameters) if self.settings.appearance else None
        texture_seconds = time.perf_counter() - begin
        with torch.no_grad():
            output, _ = problem.posed(parameters)
            points = problem.layer.keypoints(output, problem.keypoint_set)
            joints_2d = project(points, torch.as_tensor(view.intrinsics))[0].numpy()
        keypoints = view.detection.keypoints
        used = np.isfinite(keypoints).all(1) & (keypoints[:, 2] > 0)
        box = float(np.ptp(keypoints[used, :2], axis=0).max())
        error = float(np.linalg.norm(joints_2d[used] - keypoints[used, :2], axis=1).mean())
        count = self.model.vertex_count
        result = HandResult(
            hand="right",
            score=view.detection.score,
            model=self.model.name,
            intrinsics=np.asarray(view.intrinsics, dtype=np.float64),
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
            seconds={**_NO_TIME, "detect": view.detect_seconds, "texture": texture_seconds},
            fit=figures | {"reprojection_px": error, "reprojection_of_box": error / max(box, 1e-9)},
        )
        if view.left:
            mirror_result(result, view.image.shape[1])
        return result
