"""Fitting a hand to 2D keypoints: starts, refinement of the best, choice."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from handsss.fitting.levenberg_marquardt import FitState, minimise
from handsss.fitting.lifting import Lifter, can_lift
from handsss.fitting.network_prediction import PosePrediction
from handsss.fitting.observation import Observation
from handsss.fitting.pose_bank import PoseBank
from handsss.fitting.problem import FitSettings, HandParameters, KeypointProblem
from handsss.geometry.cameras import project
from handsss.hand.load import load_model
from handsss.hand.model import HandModel

# Costs are sums of squared standard deviations whose errors are not independent: where fits are weighed against each
# other, they count this share (docs/lab/detector.md).
COST_SHARE = 0.1
# Share of the hand's box that a predicted hand's keypoints may lie from the detected ones, in the mean, once it stands
# where they are. Hands turned the wrong way lie further off; neither the fit nor the user is to believe them.
CONTRADICTED = 0.12
_KEPT = 3  # hypotheses that are refined to the end
Start = Literal["auto", "lifted", "search"]


def is_contradicted(off: float) -> bool:
    """Whether keypoints contradict a hand whose own lie this share of the box from them."""
    return off > CONTRADICTED


def off_keypoints(problem: KeypointProblem, hand: HandParameters, observation: Observation) -> float:
    """Mean distance of a hand's keypoints from the detected ones, weighted by their confidence, as a share of the
    longer side of their box; 1 for a hand behind the camera.

    Args:
        problem: of the keypoints.
        hand: one.
        observation: of that hand.
    """
    points, _ = problem.keypoints(hand)
    if not bool((points[..., 2] > 0).all()):
        return 1.0
    apart = (project(points, observation.intrinsics[None])[0] - observation.keypoints).norm(dim=-1)
    weight = observation.confidence
    return float((weight * torch.where(weight > 0, apart, 0.0)).sum() / weight.sum() / observation.size)


class KeypointFit(NamedTuple):
    """The chosen hypothesis and those that were not."""

    parameters: HandParameters  # batch of 1
    cost: float  # squared standard deviations
    starts: HandParameters  # [S] hypotheses that were tried, before any refinement
    refined: HandParameters  # [R] those that were refined to the end, the chosen one among them
    costs: Tensor  # [R] of the refined ones
    # Mean distance of the predicted hand's keypoints from the detected ones, share of the box; None: no prediction.
    prediction_off: float | None = None

    @property
    def predicted(self) -> bool:
        """Whether the first start is the network's: it predicted, and the keypoints do not contradict it."""
        return self.prediction_off is not None and not is_contradicted(self.prediction_off)


class KeypointFitter:
    """Fits a right hand model to keypoints of one definition.

    Args:
        model: a right hand.
        keypoint_set: the definition that observations follow.
        settings: see :class:`FitSettings`.
        start: where fits start, beside the prediction if there is one. "lifted": the lifting network's hands;
            "search": the poses of a bank that look most like the keypoints; "auto": lifted for the open hand, else
            search.

    Raises:
        InputError: "lifted" for a hand model that the lifting network does not know.
    """

    def __init__(
        self, model: HandModel, keypoint_set: str, settings: FitSettings | None = None, *, start: Start = "auto"
    ) -> None:
        self.settings = settings or FitSettings()
        self.model = model
        self.problem = KeypointProblem(model, model.keypoint_set(keypoint_set), self.settings)
        lifts = start == "lifted" or (start == "auto" and can_lift(model))
        self.lifter = Lifter(model, self.problem) if lifts else None

    @cached_property
    def bank(self) -> PoseBank:
        """Made when it is first searched: it takes most of a second."""
        return PoseBank(self.model, self.problem)

    def starts(self, observation: Observation, prediction: PosePrediction | None) -> HandParameters:
        """Hypotheses: the predictor's first, if there is one, then the lifting network's, if the model is one that it
        knows, else the bank's. All of them expect the pose that was predicted."""
        found = self.bank.starts(observation, self.settings.starts) if self.lifter is None else self.lifter(observation)
        if prediction is None:
            return found
        given = self.as_parameters(prediction)._replace(
            # Where keypoints were lifted, what they say of the pose holds for the predicted hand too.
            prior_mean=found.prior_mean[:1],
            prior_std=found.prior_std[:1],
            prior_disagreement=found.prior_disagreement[:1],
        )
        spread = self.settings.predicted_std * self.settings.prior_scale(observation.confidence)
        return HandParameters.concat([given, found]).with_pose_prior(given.pose, spread)

    def as_parameters(self, prediction: PosePrediction) -> HandParameters:
        """A predicted hand [1] under the hand model's own pose prior."""
        rotation, translation, axis_angle, shape = (torch.tensor(part, dtype=torch.float64) for part in prediction)
        pose = self.problem.space.coefficients(axis_angle.reshape(1, 15, 3))
        return HandParameters.under_model_prior(rotation[None], translation[None], pose, shape[None])

    def prediction_off(self, observation: Observation, prediction: PosePrediction) -> float:
        """How far a predicted hand's keypoints lie from the detected ones, see :func:`off_keypoints`."""
        return off_keypoints(self.problem, self.as_parameters(prediction), observation)

    def __call__(
        self, observation: Observation, prediction: PosePrediction | None = None, *, refine: bool = True
    ) -> KeypointFit:
        """Fit one hand; see :meth:`fit_batch`."""
        return self.fit_batch([observation], [prediction], refine=refine)[0]

    def fit_batch(
        self,
        observations: Sequence[Observation],
        predictions: Sequence[PosePrediction | None],
        *,
        refine: bool = True,
    ) -> list[KeypointFit]:
        """Fit hands, all hypotheses of all of them at once.

        Args:
            observations: keypoints of a right hand each.
            predictions: a network's start for each.
            refine: False returns the first starts as they are: the predicted hands, and lifted or searched ones where
                there is no prediction, or the keypoints contradict it.
        """
        if not observations:
            return []
        off = [
            None if prediction is None else self.prediction_off(observation, prediction)
            for observation, prediction in zip(observations, predictions, strict=True)
        ]
        believed = [
            None if share is None or is_contradicted(share) else prediction
            for prediction, share in zip(predictions, off, strict=True)
        ]
        found = [self.starts(*pair) for pair in zip(observations, believed, strict=True)]
        if not refine:
            firsts = [hypotheses.select(0) for hypotheses in found]
            costs, _ = self.problem.robust(
                self.problem.residuals(HandParameters.concat(firsts), Observation.stack(observations))
            )
            return [
                KeypointFit(first, float(cost), hypotheses, first, cost[None], share)
                for first, cost, hypotheses, share in zip(firsts, costs, found, off, strict=True)
            ]
        rough = self._minimised(found, observations, self.settings.first_iterations)
        best = [state.parameters.select(state.cost.argsort(stable=True)[:_KEPT]) for state in rough]
        fine = self._minimised(best, observations, self.settings.final_iterations)
        fits = []
        for begun, state, share in zip(found, fine, off, strict=True):
            chosen = int(state.cost.argmin())
            fits.append(
                KeypointFit(
                    state.parameters.select(chosen),
                    float(state.cost[chosen]),
                    begun,
                    state.parameters,
                    state.cost,
                    share,
                )
            )
        return fits

    def _minimised(
        self, hypotheses: Sequence[HandParameters], observations: Sequence[Observation], iterations: int
    ) -> list[FitState]:
        """Hypotheses of each hand after so many steps at most."""
        counts = [len(hand.pose) for hand in hypotheses]
        hand = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
        state = minimise(
            self.problem,
            HandParameters.concat(hypotheses),
            Observation.stack(observations).select(hand),
            iterations,
            hand,
        )
        parts = [value.split(counts) for value in (*state.parameters, state.cost)]
        return [FitState(HandParameters(*part[:-1]), part[-1]) for part in zip(*parts, strict=True)]


@lru_cache(maxsize=4)
def keypoint_fitter(model: str, keypoint_set: str, start: Start = "auto") -> KeypointFitter:
    """A fitter for a named model, made once a process."""
    return KeypointFitter(load_model(model), keypoint_set, start=start)
