"""Detected hands to fitted ones: the network's prediction, the keypoint fit, doubtful sides, the outline."""

from __future__ import annotations

import time
from collections.abc import Sequence

from handsss.detect.types import KEYPOINT_SET, Detection
from handsss.fitting.fitted_hand import FittedHand
from handsss.fitting.hand_input import HandInput
from handsss.fitting.keypoint_fit import KeypointFit, KeypointFitter
from handsss.fitting.lifting import Lifter, check_liftable
from handsss.fitting.network_prediction import PosePrediction, PredictorInput, group_rows, load_predictor
from handsss.fitting.problem import HandParameters, KeypointProblem
from handsss.fitting.silhouette_fit import fit_outlines
from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model
from handsss.hand.model import HandModel
from handsss.reconstruction.settings import PipelineSettings
from handsss.reconstruction.side import as_other_side, decided, doubtful, fits_better


class HandFitter:
    """Fits detected hands.

    Args:
        model: name or path of the hand model, see :func:`handsss.hand.load.load_model`.
        settings: see :class:`PipelineSettings`.

    Raises:
        InputError: no such model or checkpoint, or a start that the model does not support.
    """

    def __init__(self, model: str, settings: PipelineSettings) -> None:
        self.settings = settings
        self.model: HandModel = load_model(model)
        if self.settings.start == "lifted":
            check_liftable(self.model)  # before any work
        self.predictor = load_predictor(
            self.settings.checkpoint, self.model.name, self.settings.device, self.settings.precision
        )
        self.layer = HandLayer(self.model, flat_hand_mean=True)
        self._fitters: dict[str, KeypointFitter] = {}

    def problem(self, keypoint_set: str) -> KeypointProblem:
        """The fit's residuals for a keypoint definition."""
        return self._fitter(keypoint_set).problem

    def lifter(self, keypoint_set: str) -> Lifter | None:
        """What lifts keypoints of a definition; None for hand models that the lifting network does not know."""
        return self._fitter(keypoint_set).lifter

    def keypoint_set(self, detection: Detection) -> str:
        """The keypoint definition that a detection is fitted with."""
        if detection.keypoint_set == KEYPOINT_SET and KEYPOINT_SET not in self.model.keypoint_sets:
            return "openpose"  # the model's joints, as in the paper
        return detection.keypoint_set

    def __call__(self, inputs: Sequence[HandInput]) -> list[FittedHand]:
        """Fit hands, which may be of different images, to their keypoints and outlines.

        Args:
            inputs: hands of detected hands.

        Returns:
            one hand per input, its side decided.
        """
        return self.fit_outlines(self.fit_keypoints(inputs))

    def fit_keypoints(self, inputs: Sequence[HandInput]) -> list[FittedHand]:
        """The first half of :meth:`__call__`: hands fitted to their keypoints, their sides decided."""
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
        own = [numbers[row] if better.get(row) else row for row in range(len(inputs))]
        seconds = {"predict": predict_seconds, "fit": (time.perf_counter() - begin) / max(len(inputs), 1)}
        return [
            FittedHand(
                input=one,
                keypoint_set=self.keypoint_set(one.detection),
                fit=fits[row],
                parameters=fits[row].parameters,
                predicted=fits[row].predicted,
                figures={},
                seconds={"detect": one.detect_seconds, **seconds},
            )
            for one, row in zip(chosen, own, strict=True)
        ]

    def fit_outlines(self, hands: Sequence[FittedHand]) -> list[FittedHand]:
        """The second half of :meth:`__call__`: fitted hands after the fit to their outlines.

        Args:
            hands: fitted to their keypoints; shapes that are shared stay as they are, all of them or none.
        """
        if not (self.settings.refine and self.settings.appearance):
            return list(hands)
        ended: dict[int, FittedHand] = {}
        for name, rows in group_rows([one.keypoint_set for one in hands]).items():
            begin = time.perf_counter()
            fitted, figures = fit_outlines(
                [hands[row].input for row in rows],
                HandParameters.concat([hands[row].parameters for row in rows]),
                self.problem(name),
                self.layer,
                self.settings.silhouette,
                shape_fixed=any(hands[row].shared is not None for row in rows),
            )
            seconds = (time.perf_counter() - begin) / len(rows)
            for number, row in enumerate(rows):
                spent = hands[row].seconds | {"fit": hands[row].seconds["fit"] + seconds}
                ended[row] = hands[row]._replace(
                    parameters=fitted.select(number), figures=figures[number], seconds=spent
                )
        return [ended[row] for row in range(len(hands))]

    def _predict(self, inputs: Sequence[HandInput]) -> list[PosePrediction | None]:
        predictions: list[PosePrediction | None] = [None] * len(inputs)
        if self.predictor is not None and inputs:
            predictions[:] = self.predictor.predict_batch(
                [PredictorInput(one.image, one.intrinsics, one.detection) for one in inputs]
            )
        return predictions

    def _fit(self, inputs: Sequence[HandInput], predictions: Sequence[PosePrediction | None]) -> list[KeypointFit]:
        """Fit hands to their keypoints."""
        fits: dict[int, KeypointFit] = {}
        for name, rows in group_rows([self.keypoint_set(one.detection) for one in inputs]).items():
            observations = [inputs[row].observation for row in rows]
            own = self._fitter(name).fit_batch(
                observations, [predictions[row] for row in rows], refine=self.settings.refine
            )
            fits |= dict(zip(rows, own, strict=True))
        return [fits[row] for row in range(len(inputs))]

    def _fitter(self, keypoint_set: str) -> KeypointFitter:
        if keypoint_set not in self._fitters:
            self._fitters[keypoint_set] = KeypointFitter(self.model, keypoint_set, start=self.settings.start)
        return self._fitters[keypoint_set]
